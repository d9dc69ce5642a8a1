//! Whatever is sent, the answer is no 5xx.

use proptest::prelude::*;

use super::*;

const PATHS: [&str; 18] = [
    "/v1/documents",
    "/v1/documents/api",
    "/v1/documents/kube/x",
    "/v1/diff/api",
    "/v1/services",
    "/v1/services/20.20.20.1/2020/tcp",
    "/v1/services/20.20.20.1/2020/tcp/backends",
    "/v1/services/20.20.20.1/2020/tcp/backends/31.31.31.1/80",
    "/v1/services/20.20.20.1/80-90/tcp",
    "/v1/services/[2001:db8::1]/*/udp",
    "/v1/services/2001:db8::1/*/icmp",
    "/v1/services/20.20.20.1/2020/tcp/backends/31.31.31.1/*",
    "/v1/backends",
    "/v1/interfaces",
    "/v1/interfaces/eth0",
    "/v1/connections",
    "/v1/status",
    "/healthz",
];

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(&PATHS[..]).prop_map(str::to_owned),
        1 => "/v1/(documents|diff|services|interfaces)/[a-zA-Z0-9%/.:*\\[\\]-]{0,40}",
        1 => "/v1/connections\\?[a-z0-9=&%.:+]{0,60}",
        1 => "/[!-~&&[^#?]]{0,30}",
    ]
}

/// Valid documents with a few bytes changed, pieces of JSON, and noise.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let changed = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let mutated = (changed, any::<bool>()).prop_map(|(changes, document)| {
        let mut bytes = if document {
            web_document()
        } else {
            WEB.to_owned()
        }
        .into_bytes();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    });
    prop_oneof![
        mutated,
        "[\\[\\]{}\",:0-9a-z ]{0,200}".prop_map(String::into_bytes),
        "[\\[\\]{}&*!|>%@\\-:#,'\"\n a-z0-9]{0,200}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_can_be_sent_is_answered_with_5xx(
        method in prop::sample::select(vec!["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD"]),
        path in path(),
        body in body(),
        yaml in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (router, _fake) = server();
            let content_type = if yaml { "application/yaml" } else { "application/json" };
            let request = Request::builder()
                .method(method)
                .uri(&path)
                .header("content-type", content_type)
                .body(Body::from(body.clone()));
            // What is no URI never gets past the HTTP parser.
            let Ok(mut request) = request else { return Ok(()) };
            request.extensions_mut().insert(identity(Some(Role::Admin)));
            let answer = send(&router, request).await;
            prop_assert!(answer.status < 500, "{method} {path}: {answer:?}");
            if answer.status >= 400 && method != "HEAD" {
                prop_assert!(answer.json()["error"]["code"].is_string(), "{answer:?}");
            }
            Ok(())
        })?;
    }
}
