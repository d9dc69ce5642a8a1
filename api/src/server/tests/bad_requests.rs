//! Every way for a path, a query or a small body to be wrong; nothing changes.

use super::bad_documents::Expected;
use super::*;

#[tokio::test]
async fn a_bad_line_or_body_of_any_route_is_refused_and_nothing_changes() {
    let key = "/v1/services/20.20.20.1/2020/tcp";
    let table: Vec<(String, &str, Expected)> = vec![
        // Sources.
        (
            "PUT /v1/documents/UPPER".into(),
            "{}",
            (422, "source", "`UPPER` is not a source"),
        ),
        (
            "PUT /v1/documents/a/b".into(),
            "{}",
            (422, "source", "is not a source"),
        ),
        (
            "PUT /v1/documents/kube/".into(),
            "{}",
            (422, "source", "is not a source"),
        ),
        (
            "PUT /v1/documents/kube/..%2F..".into(),
            "{}",
            (422, "source", "is not a source"),
        ),
        (
            "PUT /v1/documents/..%2f..%2fetc".into(),
            "{}",
            (422, "source", "is not a source"),
        ),
        ("GET /v1/documents/%ff".into(), "", (400, "path", "UTF-8")),
        (
            "GET /v1/documents/nobody".into(),
            "",
            (404, "", "there is no document nobody"),
        ),
        (
            "DELETE /v1/documents/nobody".into(),
            "",
            (404, "", "there is no document nobody"),
        ),
        (
            "PUT /v1/documents/".into(),
            "{}",
            (404, "", "there is no route"),
        ),
        // Keys of services.
        (
            "GET /v1/services/20.20.20/80/tcp".into(),
            "",
            (422, "vip", "not an address"),
        ),
        (
            "GET /v1/services/20.20.20.1/0/tcp".into(),
            "",
            (422, "port", "port 0 in `0` is not a port"),
        ),
        (
            "GET /v1/services/20.20.20.1/x/tcp".into(),
            "",
            (422, "port", "`x` is not a port"),
        ),
        (
            "GET /v1/services/20.20.20.1/80/sctp".into(),
            "",
            (422, "protocol", "sctp"),
        ),
        (
            "GET /v1/services/20.20.20.1/90-80/tcp".into(),
            "",
            (422, "port", "write the lower port first"),
        ),
        (
            "GET /v1/services/20.20.20.1/80/icmp".into(),
            "",
            (422, "port", "icmp, which has no ports"),
        ),
        (
            "GET /v1/services/[2001:db8::g]/80/tcp".into(),
            "",
            (422, "vip", "not an address"),
        ),
        (
            "GET /v1/services/20.20.20.1/81/tcp".into(),
            "",
            (404, "", "there is no service 20.20.20.1:81/tcp"),
        ),
        (
            "GET /v1/services/20.20.20.1/81/tcp/backends".into(),
            "",
            (404, "", "there is no service"),
        ),
        (
            "DELETE /v1/services/20.20.20.1/81/tcp".into(),
            "",
            (404, "", "there is no service"),
        ),
        // Services.
        ("POST /v1/services".into(), "{}", (400, "", "missing field")),
        (
            "POST /v1/services".into(),
            r#"{"vip":"1.2.3.4","port":65536,"protocol":"tcp"}"#,
            (422, "port", "port 65536 is not from 0 to 65535"),
        ),
        (
            "POST /v1/services".into(),
            r#"{"vip":"20.20.20.1","port":2000,"portMax":3000,"protocol":"tcp"}"#,
            (422, "port", "overlap"),
        ),
        (
            "POST /v1/services".into(),
            r#"{"vip":"1.2.3.4","port":1,"protocol":"tcp","name":"web"}"#,
            (422, "name", "another service"),
        ),
        (
            format!("PUT {key}"),
            r#"{"vip":"1.2.3.4","port":1,"protocol":"tcp"}"#,
            (422, "vip", "not the service of the path"),
        ),
        // Backends.
        (
            format!("PUT {key}/backends/x/80"),
            r#"{"weight":1}"#,
            (422, "address", "`x`"),
        ),
        (
            format!("PUT {key}/backends/31.31.31.1/0"),
            r#"{"weight":1}"#,
            (422, "port", "`0` is not the port of a backend"),
        ),
        (
            format!("PUT {key}/backends/31.31.31.1/80"),
            r#"{"weight":1,"maxConnections":0}"#,
            (422, "maxConnections", "1 to 4294967295"),
        ),
        (
            format!("PUT {key}/backends/31.31.31.1/80"),
            r#"{"weight":1001}"#,
            (422, "weight", "0 to 1000"),
        ),
        (
            format!("PUT {key}/backends/31.31.31.1/80"),
            "{}",
            (400, "", "missing field `weight`"),
        ),
        (
            format!("PUT {key}/backends/31.31.31.1/80"),
            r#"{"weight":1,"x":1}"#,
            (400, "x", "unknown field"),
        ),
        (
            format!("PUT {key}/backends/224.0.0.1/80"),
            r#"{"weight":1}"#,
            (422, "backends[2].address", "multicast"),
        ),
        (
            format!("DELETE {key}/backends/9.9.9.9/80"),
            "",
            (404, "", "there is no backend 9.9.9.9:80"),
        ),
        (
            "PUT /v1/services/20.20.20.1/81/tcp/backends/31.31.31.1/80".into(),
            r#"{"weight":1}"#,
            (404, "", "there is no service"),
        ),
        // Interfaces.
        (
            "POST /v1/interfaces".into(),
            r#"{"name":""}"#,
            (422, "name", "is not the name"),
        ),
        (
            "POST /v1/interfaces".into(),
            r#"{"name":"../x"}"#,
            (422, "name", "is not the name"),
        ),
        (
            "POST /v1/interfaces".into(),
            r#"{"name":"sixteen-and-more"}"#,
            (422, "name", "1 to 15 bytes"),
        ),
        (
            "POST /v1/interfaces".into(),
            r#"{"name":"eth0","mode":"none"}"#,
            (400, "mode", "unknown variant"),
        ),
        (
            "POST /v1/interfaces".into(),
            r#"{"name":"wan0"}"#,
            (404, "", "there is no interface wan0"),
        ),
        ("DELETE /v1/interfaces/eth1".into(), "", (404, "", "eth1")),
        (
            "DELETE /v1/interfaces/a%2Fb".into(),
            "",
            (422, "name", "is not the name"),
        ),
        // Connections.
        (
            "GET /v1/connections?limit=0".into(),
            "",
            (422, "limit", "1 to 1000"),
        ),
        (
            "GET /v1/connections?limit=1001".into(),
            "",
            (422, "limit", "1 to 1000"),
        ),
        (
            "GET /v1/connections?limit=x".into(),
            "",
            (422, "limit", "1 to 1000"),
        ),
        (
            "GET /v1/connections?cursor=zzz".into(),
            "",
            (422, "cursor", "not a cursor"),
        ),
        (
            "GET /v1/connections?cursor=p".into(),
            "",
            (422, "cursor", "not a cursor"),
        ),
        (
            "GET /v1/connections?cursor=p%2B1".into(),
            "",
            (422, "cursor", "not a cursor"),
        ),
        (
            "GET /v1/connections?cursor=p11111111111111111".into(),
            "",
            (422, "cursor", "not a cursor"),
        ),
        (
            "GET /v1/connections?service=nobody".into(),
            "",
            (422, "service", "`nobody` is not a service"),
        ),
        (
            "GET /v1/connections?client=nobody".into(),
            "",
            (422, "client", "address or address:port"),
        ),
        (
            "GET /v1/connections?backend=1.2.3.4:0".into(),
            "",
            (422, "backend", "address or address:port"),
        ),
        (
            "GET /v1/connections?protocol=icmp".into(),
            "",
            (422, "protocol", "tcp or udp"),
        ),
        (
            "GET /v1/connections?protocol=sctp".into(),
            "",
            (422, "protocol", "tcp or udp"),
        ),
        (
            "GET /v1/connections?state=sleepy".into(),
            "",
            (422, "state", "fin-client"),
        ),
        (
            "GET /v1/connections?color=red".into(),
            "",
            (400, "color", "one of service, client"),
        ),
        (
            "GET /v1/connections?limit=1&limit=2".into(),
            "",
            (400, "limit", "given twice"),
        ),
        (
            "GET /v1/connections?client=%zz".into(),
            "",
            (400, "query", "percent-encoded"),
        ),
        (
            "GET /v1/connections?client=%ff".into(),
            "",
            (400, "query", "percent-encoded"),
        ),
        ("GET /v1/status?x=1".into(), "", (400, "x", "takes none")),
        (
            "PUT /v1/documents/api?dryRun=maybe".into(),
            "{}",
            (400, "dryRun", "true or false"),
        ),
        // Routes and methods.
        ("GET /".into(), "", (404, "", "there is no route /")),
        (
            "GET /v2/services".into(),
            "",
            (404, "", "there is no route /v2/services"),
        ),
        (
            "GET /v1/services/".into(),
            "",
            (404, "", "there is no route"),
        ),
        (
            "POST /v1/documents".into(),
            "{}",
            (405, "", "does not take POST"),
        ),
        (
            "PATCH /v1/documents/api".into(),
            "{}",
            (405, "", "does not take PATCH"),
        ),
        (
            "GET /v1/diff/api".into(),
            "",
            (405, "", "does not take GET"),
        ),
        (
            "DELETE /v1/status".into(),
            "",
            (405, "", "does not take DELETE"),
        ),
        (
            "OPTIONS /v1/services".into(),
            "",
            (405, "", "does not take OPTIONS"),
        ),
        (
            "BREW /v1/services".into(),
            "",
            (405, "", "does not take BREW"),
        ),
    ];
    let (router, fake) = server();
    ask(&router, "PUT /v1/documents/api", &web_document()).await;
    let before = fake.documents();
    for (line, body, (status, field, text)) in table {
        let answer = ask(&router, &line, body).await;
        assert_eq!(answer.status, status, "{line} {body}: {answer:?}");
        let error = answer.json()["error"].clone();
        assert_eq!(
            error["field"].as_str().unwrap_or(""),
            field,
            "{line} {body}: {error}"
        );
        assert!(answer.text.contains(text), "{line} {body}: {error}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(
            status == 405,
            !answer.header("allow").is_empty(),
            "{line}: {answer:?}"
        );
        assert_eq!(fake.documents(), before, "{line} {body}");
    }
}
