//! The committed description is that of the code.

use std::path::Path;

use super::*;

const UPDATE: &str = "LOXID_UPDATE_OPENAPI";

#[test]
fn the_committed_description_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let made = crate::parse::to_json(&crate::server::openapi());
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "api/openapi.json is not what the code says; rewrite it with: {UPDATE}=1 cargo test -p lb-api description"
    );
}

#[tokio::test]
async fn the_description_is_served() {
    let (router, _fake) = server();
    let served = ask(&router, "GET /v1/openapi.json", "").await.json();
    assert_eq!(
        served,
        serde_json::to_value(crate::server::openapi()).unwrap()
    );
}

#[tokio::test]
async fn every_route_of_the_description_exists() {
    let (router, _fake) = server();
    for path in crate::server::openapi().paths.paths.keys() {
        let answer = ask(&router, &format!("BREW {path}"), "").await;
        assert_eq!(answer.status, 405, "{path}");
    }
}
