//! Tokens: made, listed, shown, expired, revoked; and what guessing gets.

use std::time::Instant;

use super::*;
use crate::server::{Rate, limited};

/// A request with this token, from somewhere beyond this box.
fn bearing(line: &str, body: &str, authorization: &str) -> Request<Body> {
    let mut request = request(line, body);
    let headers = request.headers_mut();
    headers.insert("host", "edge1.example:8443".parse().unwrap());
    if !authorization.is_empty() {
        headers.insert("authorization", authorization.parse().unwrap());
    }
    let peer = "198.51.100.7:4242".parse().unwrap();
    request
        .extensions_mut()
        .insert(Identity::of_tls(peer, None));
    request
}

async fn make(router: &Router, body: &str) -> String {
    let made = ask(router, "POST /v1/tokens", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.header("cache-control"), "no-store");
    format!("Bearer {}", made.json()["secret"].as_str().unwrap())
}

#[tokio::test]
async fn a_token_has_the_role_it_was_made_with_until_it_is_revoked() {
    let (router, _fake) = server();
    let viewer = make(&router, r#"{"name":"v","role":"viewer"}"#).await;
    let operator = make(&router, r#"{"name":"o","role":"operator"}"#).await;
    let admin = make(&router, r#"{"name":"a","role":"admin"}"#).await;
    let web = web_document();
    let table = [
        ("GET /v1/status", "", [200, 200, 200]),
        ("PUT /v1/documents/api", web.as_str(), [403, 200, 200]),
        ("POST /v1/interfaces", r#"{"name":"eth0"}"#, [403, 403, 200]),
        ("GET /v1/tokens", "", [403, 403, 200]),
        ("DELETE /v1/tokens/o", "", [403, 403, 204]),
    ];
    for (line, body, statuses) in table {
        for (token, status) in [&viewer, &operator, &admin].into_iter().zip(statuses) {
            let answer = send(&router, bearing(line, body, token)).await;
            assert_eq!(answer.status, status, "{line}: {answer:?}");
        }
    }
    let revoked = send(&router, bearing("GET /v1/status", "", &operator)).await;
    assert_eq!(revoked.status, 401, "{revoked:?}");
    assert_eq!(ask(&router, "DELETE /v1/tokens/o", "").await.status, 404);
}

#[tokio::test]
async fn credentials_that_are_worth_nothing_are_refused_counted_and_wait() {
    let (handle, _fake) = Fake::start();
    let requests = Arc::new(Requests::default());
    let router = router(handle, requests.clone());
    let unknown = format!("Bearer loxid_{}", "9".repeat(64));
    for (number, authorization) in ["", &unknown, "Bearer x"].into_iter().enumerate() {
        let begun = Instant::now();
        let answer = send(&router, bearing("GET /v1/status", "", authorization)).await;
        let took = begun.elapsed().as_millis();
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(
            took >= 100 << number,
            "failure {number} was answered after {took} ms"
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"loxid\"");
        let error = answer.json()["error"].clone();
        assert_eq!(error["field"], "Authorization");
        assert!(
            error["remedy"]
                .as_str()
                .unwrap()
                .contains("loxictl token create")
        );
        assert_eq!(requests.auth_failures(), number as u64 + 1);
    }
    for line in ["Basic bWU6aHVzaA==", "loxid_x", "Bearer"] {
        let answer = send(&router, bearing("GET /v1/status", "", line)).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(!answer.text.contains("bWU6aHVzaA"), "{answer:?}");
    }
    let mut twice = bearing("GET /v1/status", "", &unknown);
    twice
        .headers_mut()
        .append("authorization", unknown.parse().unwrap());
    assert_eq!(send(&router, twice).await.status, 400);
}

#[tokio::test]
async fn over_the_socket_a_token_says_less_than_the_user_could_and_a_wrong_one_nothing() {
    let (router, _fake) = server();
    let viewer = make(&router, r#"{"name":"v","role":"viewer"}"#).await;
    let with = |authorization: &str| {
        let mut request = request("DELETE /v1/interfaces/eth0", "");
        let value = authorization.parse().unwrap();
        request.headers_mut().insert("authorization", value);
        request
    };
    assert_eq!(send(&router, with(&viewer)).await.status, 403);
    let wrong = format!("Bearer loxid_{}", "9".repeat(64));
    assert_eq!(send(&router, with(&wrong)).await.status, 401);
}

#[tokio::test]
async fn a_list_of_tokens_says_who_and_when_and_no_secret() {
    let (router, _fake) = server();
    let token = make(
        &router,
        r#"{"name":"ci","role":"operator","expiresIn":3600}"#,
    )
    .await;
    send(&router, bearing("GET /v1/status", "", &token)).await;
    let list = ask(&router, "GET /v1/tokens", "").await;
    let item = list.json()["items"][0].clone();
    assert_eq!(
        (&item["name"], &item["role"]),
        (&"ci".into(), &"operator".into())
    );
    assert_eq!(item["expired"], false);
    assert!(
        item["lastUsed"].is_string() && item["expires"].is_string(),
        "{item}"
    );
    let hash = crate::token::Secret::from_random([1; 32]).hash().to_hex();
    assert!(!list.text.contains(&token["Bearer ".len()..]), "{list:?}");
    assert!(!list.text.contains(&hash), "{list:?}");
}

#[tokio::test]
async fn a_token_that_is_asked_for_wrongly_is_refused_with_field_and_rule() {
    let (router, _fake) = server();
    make(&router, r#"{"name":"ci","role":"viewer"}"#).await;
    let table = [
        (
            r#"{"name":"ci","role":"viewer"}"#,
            409,
            "",
            "there is a token ci",
        ),
        (
            r#"{"name":"","role":"viewer"}"#,
            422,
            "name",
            "is not the name of a token",
        ),
        (
            r#"{"name":"../x","role":"viewer"}"#,
            422,
            "name",
            "is not the name of a token",
        ),
        (
            r#"{"name":"a","role":"root"}"#,
            400,
            "role",
            "unknown variant `root`",
        ),
        (r#"{"name":"a"}"#, 400, "", "missing field `role`"),
        (
            r#"{"name":"a","role":"viewer","secret":"x"}"#,
            400,
            "secret",
            "unknown field",
        ),
        (
            r#"{"name":"a","role":"viewer","expiresIn":0}"#,
            422,
            "expiresIn",
            "0 is out of range",
        ),
        (
            r#"{"name":"a","role":"viewer","expiresIn":315360001}"#,
            422,
            "expiresIn",
            "315360001 is out of range",
        ),
    ];
    for (body, status, field, message) in table {
        let answer = ask(&router, "POST /v1/tokens", body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        let error = answer.json()["error"].clone();
        assert_eq!(error["field"].as_str().unwrap_or(""), field, "{error}");
        assert!(
            error["message"].as_str().unwrap().contains(message),
            "{error}"
        );
    }
    for name in ["..%2F..%2Fetc", "A", "-"] {
        let answer = ask(&router, &format!("DELETE /v1/tokens/{name}"), "").await;
        assert_eq!(answer.status, 422, "{answer:?}");
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let (handle, _fake) = Fake::start();
    let rate = Rate {
        per_second: 1,
        burst: 3,
    };
    let router = limited(handle, Arc::default(), rate);
    let token = make(&router, r#"{"name":"v","role":"viewer"}"#).await;
    for _ in 0..3 {
        let answer = send(&router, bearing("GET /v1/status", "", &token)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let refused = send(&router, bearing("GET /v1/status", "", &token)).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(
        refused.json()["error"]["remedy"]
            .as_str()
            .unwrap()
            .contains("wait 1 s")
    );
    for _ in 0..20 {
        let admin = ask(&router, "GET /v1/status", "").await;
        assert_eq!(admin.status, 200, "root on the box is not held up");
    }
}

#[tokio::test]
async fn pages_may_ask_a_tls_listener_only_if_they_are_its_own() {
    let (router, _fake) = server();
    let token = make(&router, r#"{"name":"v","role":"viewer"}"#).await;
    for (origin, status) in [
        ("https://edge1.example:8443", 200),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        let mut get = bearing("GET /v1/status", "", &token);
        get.headers_mut().insert("origin", origin.parse().unwrap());
        assert_eq!(send(&router, get).await.status, status, "{origin}");
    }
}
