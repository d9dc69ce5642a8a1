//! Backends one by one.

use super::*;

#[tokio::test]
async fn a_backend_is_drained_in_one_service_or_in_all() {
    let (router, _fake) = server();
    ask(&router, "PUT /v1/documents/api", &web_document()).await;
    let services = ask(&router, "GET /v1/services", "").await.json();
    let first = &services["items"][0];
    let (address, port) = (
        first["backends"][0]["address"].as_str().unwrap(),
        &first["backends"][0]["port"],
    );
    let (vip, service_port) = (
        first["spec"]["vip"].as_str().unwrap(),
        &first["spec"]["port"],
    );
    let of_service = format!("/v1/services/{vip}/{service_port}/tcp/backends/{address}/{port}");
    let of_all = format!("/v1/backends/{address}/{port}");
    for path in [of_service, of_all] {
        let line = format!("PUT {path}/state");
        let set = ask(&router, &line, r#"{"state":"drained"}"#).await;
        assert_eq!(set.status, 200, "{set:?}");
        assert_eq!(set.json()["items"][0]["backend"]["operator"], "drained");
        let described = ask(&router, &format!("GET {path}"), "").await;
        assert_eq!(described.status, 200, "{described:?}");
        assert_eq!(
            described.json()["items"][0]["probes"],
            serde_json::json!([])
        );
    }
}

#[tokio::test]
async fn what_is_no_state_and_no_backend_is_refused() {
    let (router, _fake) = server();
    let put = "PUT /v1/backends/10.9.9.9/80/state";
    for (line, body, status) in [
        (put, r#"{"state":"gone"}"#, 400),
        (put, r#"{"state":"drained","x":1}"#, 400),
        (put, r#"{"state":"drained"}"#, 404),
        (
            "PUT /v1/backends/10.9.9/80/state",
            r#"{"state":"drained"}"#,
            422,
        ),
        (
            "PUT /v1/backends/10.9.9.9/0/state",
            r#"{"state":"drained"}"#,
            422,
        ),
        ("GET /v1/backends/10.9.9.9/80", "", 404),
        ("GET /v1/backends/10.9.9.9/80?x=1", "", 400),
    ] {
        let answer = ask(&router, line, body).await;
        assert_eq!(answer.status, status, "{line} {body}: {answer:?}");
    }
}
