//! Every way for a document to be wrong, the status, and the place that the answer names; nothing
//! changes.

use super::*;

const SERVICE: &str = r#""vip":"20.20.20.1","port":80,"protocol":"tcp""#;

/// A document of one service with these members more.
fn with(members: &str) -> String {
    format!(r#"{{"services":[{{{SERVICE}{members}}}]}}"#)
}

/// A document of one service, of these members alone.
fn only(members: &str) -> String {
    format!(r#"{{"services":[{{{members}}}]}}"#)
}

/// So many different ones.
fn backends(count: u32) -> String {
    let backend = |number| format!(r#"{{"address":"10.0.{}.{}"}}"#, number / 256, number % 256);
    (1..=count).map(backend).collect::<Vec<_>>().join(",")
}

/// Status, field, and a part of the text.
pub(super) type Expected = (u16, &'static str, &'static str);

fn documents() -> Vec<(String, Expected)> {
    let text = str::to_owned;
    vec![
        // Not JSON, or not all of it.
        (text("not json"), (400, "", "expected")),
        (text("{"), (400, "", "EOF")),
        (
            text(r#"{"services":[]} x"#),
            (400, "", "trailing characters"),
        ),
        (
            text(r#"{"services":[]}{"services":[]}"#),
            (400, "", "trailing characters"),
        ),
        (text("[]"), (400, "", "invalid length 0")),
        (text("{}"), (400, "", "missing field `services`")),
        (text("null"), (400, "", "invalid type")),
        (text("\"a\""), (400, "", "invalid type")),
        ("[".repeat(100_000), (400, "[0][0][0]", "")),
        (
            format!(r#"{{"services":{}"#, "[".repeat(100_000)),
            (400, "services[0][0]", ""),
        ),
        // Keys.
        (
            text(r#"{"service":[]}"#),
            (400, "service", "unknown field `service`"),
        ),
        (
            with(r#","color":1"#),
            (400, "services[0].color", "unknown field `color`"),
        ),
        (
            with(r#","backends":[{"address":"1.2.3.4","port":1,"w":1}]"#),
            (400, "services[0].backends[0].w", "unknown field `w`"),
        ),
        (
            text(r#"{"services":[],"services":[]}"#),
            (400, "", "duplicate field `services`"),
        ),
        (
            with(r#","port":81"#),
            (400, "services[0]", "duplicate field `port`"),
        ),
        (
            only(r#""vip":"20.20.20.1","protocol":"udp""#),
            (422, "services[0].port", "a udp service needs a port"),
        ),
        (
            only(r#""vip":"20.20.20.1","port":1"#),
            (400, "services[0]", "missing field `protocol`"),
        ),
        (
            only(r#""port":1,"protocol":"udp""#),
            (400, "services[0]", "missing field `vip`"),
        ),
        // Types and words.
        (
            only(r#""vip":1,"port":1,"protocol":"udp""#),
            (400, "services[0].vip", "invalid type"),
        ),
        (
            only(r#""vip":"1.2.3.4","port":"1","protocol":"udp""#),
            (400, "services[0].port", "invalid type"),
        ),
        (
            only(r#""vip":"1.2.3.4","port":1.5,"protocol":"udp""#),
            (400, "services[0].port", "invalid type"),
        ),
        (
            only(r#""vip":"1.2.3.4","port":99999999999999999999,"protocol":"udp""#),
            (400, "services[0].port", ""),
        ),
        (
            only(r#""vip":"1.2.3.4","port":1,"protocol":"sctp""#),
            (400, "services[0].protocol", "unknown variant `sctp`"),
        ),
        (
            with(r#","mode":"snat""#),
            (400, "services[0].mode", "unknown variant `snat`"),
        ),
        (
            with(r#","select":"best""#),
            (400, "services[0].select", "unknown variant `best`"),
        ),
        (
            with(r#","persist":"5m""#),
            (400, "services[0].persist", "invalid type"),
        ),
        (
            with(r#","allowedSources":"10.0.0.0/8""#),
            (400, "services[0].allowedSources", "invalid type"),
        ),
        (
            only(r#""vip":"1.2.3.4","port":"80-90","protocol":"udp""#),
            (400, "services[0].port", "invalid type"),
        ),
        (
            with(r#","noBackend":"eat""#),
            (400, "services[0].noBackend", "unknown variant `eat`"),
        ),
        (
            with(r#","lastHop":"yes""#),
            (400, "services[0].lastHop", "invalid type"),
        ),
        (
            with(r#","backends":{}"#),
            (400, "services[0].backends", "invalid type"),
        ),
        // Values.
        (
            only(r#""vip":"1.2.3","port":1,"protocol":"udp""#),
            (422, "services[0].vip", "`1.2.3` is not an address"),
        ),
        (
            only(r#""vip":"","port":1,"protocol":"udp""#),
            (422, "services[0].vip", "is not an address"),
        ),
        (
            only(r#""vip":"[2001:db8::1]","port":1,"protocol":"udp""#),
            (422, "services[0].vip", "stands without brackets"),
        ),
        (
            only(r#""vip":"fe80::1","port":1,"protocol":"udp""#),
            (422, "services[0].vip", "fe80::1"),
        ),
        (
            only(r#""vip":"ff02::1","port":1,"protocol":"udp""#),
            (422, "services[0].vip", "multicast"),
        ),
        (
            only(r#""vip":"::","port":1,"protocol":"udp""#),
            (422, "services[0].vip", "unspecified"),
        ),
        (
            only(r#""vip":"::ffff:1.2.3.4","port":1,"protocol":"udp""#),
            (422, "services[0].vip", "1.2.3.4"),
        ),
        (
            only(r#""vip":"0.0.0.0","port":1,"protocol":"udp""#),
            (422, "services[0].vip", "unspecified"),
        ),
        (
            only(r#""vip":"224.0.0.1","port":1,"protocol":"udp""#),
            (422, "services[0].vip", "multicast"),
        ),
        (
            only(r#""vip":"127.0.0.1","port":1,"protocol":"udp""#),
            (422, "services[0].vip", "loopback"),
        ),
        (
            only(r#""vip":"1.2.3.4","port":65536,"protocol":"udp""#),
            (422, "services[0].port", "1 to 65535"),
        ),
        // Ports.
        (
            with(r#","portMax":79"#),
            (422, "services[0].portMax", "portMax 79 is below port 80"),
        ),
        (
            with(r#","portMax":65536"#),
            (
                422,
                "services[0].portMax",
                "portMax 65536 is not from 1 to 65535",
            ),
        ),
        (
            with(r#","portMax":-1"#),
            (422, "services[0].portMax", "-1 is out of range"),
        ),
        (
            only(r#""vip":"1.2.3.4","port":0,"portMax":9,"protocol":"udp""#),
            (422, "services[0].portMax", "port 0, which is any port"),
        ),
        (
            only(r#""vip":"1.2.3.4","portMax":9,"protocol":"udp""#),
            (422, "services[0].port", "needs a port"),
        ),
        (
            only(r#""vip":"1.2.3.4","port":7,"protocol":"icmp""#),
            (422, "services[0].port", "icmp, which has no ports"),
        ),
        (
            only(r#""vip":"1.2.3.4","protocol":"icmp","backends":[{"address":"1.2.3.5"}]"#),
            (422, "services[0].backends", "leave backends out"),
        ),
        (
            with(r#","portMax":90,"backends":[{"address":"1.2.3.4","port":8080}]"#),
            (
                422,
                "services[0].backends[0].port",
                "leave the backend's port out",
            ),
        ),
        (
            only(
                r#""vip":"1.2.3.4","port":0,"protocol":"udp","backends":[{"address":"1.2.3.5","port":53}]"#,
            ),
            (
                422,
                "services[0].backends[0].port",
                "1.2.3.5:53 has a port, but the service 1.2.3.4:*/udp has many",
            ),
        ),
        // Modes.
        (
            with(r#","mode":"dsr","backends":[{"address":"1.2.3.4","port":8080}]"#),
            (
                422,
                "services[0].backends[0].port",
                "mode dsr does not change ports",
            ),
        ),
        (
            with(r#","mode":"ipip","backends":[{"address":"1.2.3.4","port":8080}]"#),
            (
                422,
                "services[0].backends[0].port",
                "mode ipip does not change ports",
            ),
        ),
        (
            with(r#","mode":"gue","tunnelPort":0"#),
            (422, "services[0].tunnelPort", "tunnelPort 0 is not from 1"),
        ),
        (
            with(r#","mode":"gue","tunnelPort":65536"#),
            (422, "services[0].tunnelPort", "not from 1 to 65535"),
        ),
        (
            with(r#","mode":"gue","tunnelPort":-1"#),
            (422, "services[0].tunnelPort", "-1 is out of range"),
        ),
        (
            with(r#","tunnelPort":6080"#),
            (422, "services[0].tunnelPort", "with mode dnat"),
        ),
        (
            with(r#","mode":"dsr","mssClamp":1400"#),
            (422, "services[0].mssClamp", "advmss"),
        ),
        (
            only(r#""vip":"20.0.0.1","port":53,"protocol":"udp","mssClamp":1400"#),
            (422, "services[0].mssClamp", "no segments"),
        ),
        (
            with(r#","announce":"bgp""#),
            (400, "services[0].announce", "unknown variant"),
        ),
        (
            with(r#","announceWhen":"sometimes""#),
            (400, "services[0].announceWhen", "unknown variant"),
        ),
        (
            with(r#","announceInterfaces":["eth0/1"]"#),
            (
                422,
                "services[0].announceInterfaces[0]",
                "`eth0/1` is no interface name",
            ),
        ),
        (
            with(r#","announceInterfaces":["eth0","eth1","eth0"]"#),
            (422, "services[0].announceInterfaces[2]", "there twice"),
        ),
        (
            with(r#","announce":"none","announceInterfaces":["eth0"]"#),
            (
                422,
                "services[0].announceInterfaces",
                "with `announce: l2` only",
            ),
        ),
        (
            with(r#","announce":"none","announceWhen":"healthy""#),
            (422, "services[0].announceWhen", "with `announce: l2` only"),
        ),
        (
            with(r#","mssClamp":535"#),
            (422, "services[0].mssClamp", "536 to 65495 bytes"),
        ),
        (
            with(r#","mssClamp":65496"#),
            (422, "services[0].mssClamp", "65496 is out of range"),
        ),
        // Selection and affinity.
        (
            with(r#","persist":0"#),
            (422, "services[0].persist", "1 to 86400 seconds"),
        ),
        (
            with(r#","persist":86401"#),
            (422, "services[0].persist", "86401 is out of range"),
        ),
        (
            with(r#","persist":-1"#),
            (422, "services[0].persist", "-1 is out of range"),
        ),
        (
            with(r#","persist":60,"select":"rr""#),
            (422, "services[0].persist", "use select maglev"),
        ),
        (
            with(r#","persist":60,"select":"lc""#),
            (422, "services[0].persist", "use select maglev"),
        ),
        (
            with(r#","select":"lc","maglevSize":251"#),
            (422, "services[0].maglevSize", "select: lc"),
        ),
        (
            with(&format!(r#","select":"lc","backends":[{}]"#, backends(257))),
            (
                422,
                "services[0].backends",
                "257 backends are more than 256",
            ),
        ),
        // Sources.
        (
            with(r#","allowedSources":["10.0.0.0/8","10.0.0.1/8"]"#),
            (422, "services[0].allowedSources[1]", "write 10.0.0.0/8"),
        ),
        (
            with(r#","deniedSources":["10.0.0.0"]"#),
            (422, "services[0].deniedSources[0]", "ADDRESS/LENGTH"),
        ),
        (
            with(r#","deniedSources":["10.0.0.0/33"]"#),
            (422, "services[0].deniedSources[0]", "length 33"),
        ),
        (
            with(r#","deniedSources":["10.0.0.0/8","10.0.0.0/8"]"#),
            (422, "services[0].deniedSources[1]", "there twice"),
        ),
        (
            with(r#","allowedSources":["10.0.0.0/8","2001:db8::/32"]"#),
            (
                422,
                "services[0].allowedSources",
                "2001:db8::/32 is not of the family",
            ),
        ),
        (
            with(r#","allowedSources":["10.0.0.0/8"],"deniedSources":["10.0.0.0/8"]"#),
            (
                422,
                "services[0].deniedSources",
                "in allowedSources and in deniedSources",
            ),
        ),
        (
            only(r#""vip":"1.2.3.4","port":-1,"protocol":"udp""#),
            (422, "services[0].port", "-1 is out of range"),
        ),
        (with(r#","name":"""#), (422, "services[0].name", "0 bytes")),
        (with(r#","name":"a b""#), (422, "services[0].name", "space")),
        (
            with(r#","idleTimeout":0"#),
            (422, "services[0].idleTimeout", "1 to 28800 seconds"),
        ),
        (
            with(r#","idleTimeout":28801"#),
            (422, "services[0].idleTimeout", "28801 is out of range"),
        ),
        (
            with(r#","maglevSize":250"#),
            (422, "services[0].maglevSize", "use 251"),
        ),
        (
            with(r#","maglevSize":16380"#),
            (422, "services[0].maglevSize", "use 16381"),
        ),
        (
            with(r#","maglevSize":-5"#),
            (422, "services[0].maglevSize", "-5 is no size"),
        ),
        (
            with(r#","select":"rr","maglevSize":251"#),
            (422, "services[0].maglevSize", "select: rr"),
        ),
        (
            with(r#","backends":[{"address":"1.2.3.4","port":0}]"#),
            (422, "services[0].backends[0].port", "out of range"),
        ),
        (
            with(r#","backends":[{"address":"x","port":1}]"#),
            (
                422,
                "services[0].backends[0].address",
                "`x` is not an address",
            ),
        ),
        (
            with(r#","backends":[{"address":"2001:db8::1","port":1}]"#),
            (422, "services[0].backends[0].address", "use a tunnel"),
        ),
        (
            only(
                r#""vip":"2001:db8::1","port":1,"protocol":"udp","backends":[{"address":"1.2.3.4"}]"#,
            ),
            (
                422,
                "services[0].backends[0].address",
                "not of the family of its VIP 2001:db8::1",
            ),
        ),
        (
            with(r#","mode":"dsr","backends":[{"address":"2001:db8::1"}]"#),
            (422, "services[0].backends[0].address", "mode dsr"),
        ),
        (
            with(r#","backends":[{"address":"1.2.3.4","maxConnections":0}]"#),
            (
                422,
                "services[0].backends[0].maxConnections",
                "0 is out of range",
            ),
        ),
        (
            with(r#","backends":[{"address":"1.2.3.4","maxConnections":4294967296}]"#),
            (
                422,
                "services[0].backends[0].maxConnections",
                "1 to 4294967295",
            ),
        ),
        (
            with(r#","backends":[{"address":"1.2.3.4"},{"address":"1.2.3.4","port":80}]"#),
            (422, "services[0].backends[1]", "twice"),
        ),
        (
            with(r#","backends":[{"address":"224.0.0.1","port":1}]"#),
            (422, "services[0].backends[0].address", "multicast"),
        ),
        (
            with(r#","backends":[{"address":"1.2.3.4","port":1,"weight":1001}]"#),
            (
                422,
                "services[0].backends[0].weight",
                "1001 is out of range",
            ),
        ),
        (
            with(r#","backends":[{"address":"1.2.3.4","port":1,"weight":-1}]"#),
            (422, "services[0].backends[0].weight", "0 to 1000"),
        ),
        (
            with(r#","backends":[{"address":"1.2.3.4","port":1},{"address":"1.2.3.4","port":1}]"#),
            (422, "services[0].backends[1]", "twice"),
        ),
        (
            with(r#","backends":[{"address":"20.20.20.1","port":80}]"#),
            (422, "services[0].backends[0]", "circle"),
        ),
        // Between services.
        (
            format!(r#"{{"services":[{{{SERVICE}}},{{{SERVICE}}}]}}"#),
            (422, "services[1]", "twice"),
        ),
        (
            format!(
                r#"{{"services":[{{{SERVICE},"portMax":90}},{{"vip":"20.20.20.1","port":90,"portMax":99,"protocol":"tcp"}}]}}"#
            ),
            (
                422,
                "services[1]",
                "20.20.20.1:90-99/tcp overlap those of 20.20.20.1:80-90/tcp",
            ),
        ),
        (
            format!(
                r#"{{"services":[{{{SERVICE},"name":"a"}},{{"vip":"1.2.3.4","port":1,"protocol":"tcp","name":"a"}}]}}"#
            ),
            (422, "services[1].name", "used twice"),
        ),
    ]
}

#[tokio::test]
async fn a_bad_document_is_refused_with_its_place_and_nothing_changes() {
    let (router, fake) = server();
    ask(&router, "PUT /v1/documents/api", &web_document()).await;
    let before = fake.documents();
    for (body, (status, field, text)) in documents() {
        for line in ["PUT /v1/documents/api", "POST /v1/diff/api"] {
            let answer = ask(&router, line, &body).await;
            let shown: String = body.chars().take(200).collect();
            assert_eq!(answer.status, status, "{line} {shown}: {answer:?}");
            let error = answer.json()["error"].clone();
            assert_eq!(
                error["field"].as_str().unwrap_or(""),
                field,
                "{shown}: {error}"
            );
            assert!(answer.text.contains(text), "{shown}: {error}");
            let code = if status == 400 {
                "unparsable"
            } else {
                "invalid"
            };
            assert_eq!(error["code"], code);
        }
    }
    assert_eq!(fake.documents(), before);
}

#[tokio::test]
async fn everything_wrong_with_a_document_is_said_at_once() {
    let (router, _fake) = server();
    let body = only(
        r#""vip":"x","port":70000,"protocol":"tcp","idleTimeout":0,"persist":0,"allowedSources":["z"],"backends":[{"address":"y","port":1,"weight":2000}]"#,
    );
    let error = ask(&router, "PUT /v1/documents/api", &body).await.json()["error"].clone();
    let fields: Vec<&str> = error["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "services[0].vip",
            "services[0].port",
            "services[0].persist",
            "services[0].idleTimeout",
            "services[0].allowedSources[0]",
            "services[0].backends[0].address",
            "services[0].backends[0].weight",
        ]
    );
    assert_eq!(error["field"], "services[0].vip");
}

#[tokio::test]
async fn ten_thousand_problems_do_not_make_ten_thousand_lines() {
    let (router, _fake) = server();
    let bad = vec![r#"{"vip":"x","port":70000,"protocol":"tcp"}"#; 10_000].join(",");
    let answer = ask(
        &router,
        "PUT /v1/documents/api",
        &format!(r#"{{"services":[{bad}]}}"#),
    )
    .await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.json()["error"]["details"].as_array().unwrap().len(),
        64
    );
}

#[tokio::test]
async fn a_body_without_a_type_or_of_another_or_compressed_is_refused() {
    let (router, _fake) = server();
    let table = [
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", ""),
        ("content-encoding", "gzip"),
    ];
    for (name, value) in table {
        let mut put = request("PUT /v1/documents/api", &web_document());
        put.headers_mut().insert(name, value.parse().unwrap());
        let answer = send(&router, put).await;
        assert_eq!(answer.status, 415, "{name}: {value}: {answer:?}");
    }
    let mut put = request("PUT /v1/documents/api", &web_document());
    put.headers_mut().remove("content-type");
    assert_eq!(send(&router, put).await.status, 415);
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_refused_in_json_and_yaml() {
    let (router, _fake) = server();
    for content_type in ["application/json", "application/yaml"] {
        let mut put = request("PUT /v1/documents/api", "x");
        *put.body_mut() = Body::from(&b"{\"services\":[{\"vip\":\"\xff\"}]}"[..]);
        put.headers_mut()
            .insert("content-type", content_type.parse().unwrap());
        assert_eq!(send(&router, put).await.status, 400);
    }
}

#[tokio::test]
async fn bad_yaml_is_refused_with_line_and_column() {
    let table = [
        ("services:\n- vip: [\n", "line "),
        ("services: []\nservices: []\n", "line 2"),
        (
            "services:\n- vip: 20.20.20.1\n  colour: red\n",
            "line 3, column 3",
        ),
        (
            "services: []\n---\nservices: []\n",
            "line 2, column 1: there is a second",
        ),
        (
            "services: []\n...\n@@@\n",
            "line 3, column 1: there is a second",
        ),
        (
            "--- {services: []}\n--- 3",
            "line 2, column 1: there is a second",
        ),
        ("", "line "),
        ("# nothing\n", "line "),
        ("a: &a [*a, *a]\n", "line "),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b]",
            "",
        ),
    ];
    let (router, fake) = server();
    for (yaml, text) in table {
        let mut put = request("PUT /v1/documents/api", yaml);
        put.headers_mut()
            .insert("content-type", "application/yaml".parse().unwrap());
        let answer = send(&router, put).await;
        assert_eq!(answer.status, 400, "{yaml}: {answer:?}");
        assert!(
            answer.json()["error"]["message"]
                .as_str()
                .unwrap()
                .contains(text),
            "{yaml}: {answer:?}"
        );
    }
    let mut deep = request("PUT /v1/documents/api", &"[".repeat(100_000));
    deep.headers_mut()
        .insert("content-type", "application/yaml".parse().unwrap());
    assert_eq!(send(&router, deep).await.status, 400);
    assert!(fake.documents().is_empty());
}
