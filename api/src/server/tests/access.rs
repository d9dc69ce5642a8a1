//! Who may do what, and from where.

use axum::http::Method;
use utoipa::openapi::PathItem;

use super::*;
use crate::server::openapi;

/// Every route and method of the description, with segments filled in.
fn operations() -> Vec<(Method, String)> {
    let segments = [
        ("{source}", "api"),
        ("{vip}", "20.20.20.1"),
        ("{port}", "80"),
        ("{protocol}", "tcp"),
        ("{address}", "31.31.31.1"),
        ("{backend_port}", "80"),
        ("{name}", "eth0"),
    ];
    let methods = |item: &PathItem| {
        let all = [
            (Method::GET, item.get.is_some()),
            (Method::PUT, item.put.is_some()),
            (Method::POST, item.post.is_some()),
            (Method::DELETE, item.delete.is_some()),
            (Method::PATCH, item.patch.is_some()),
        ];
        all.into_iter()
            .filter_map(|(method, there)| there.then_some(method))
            .collect::<Vec<_>>()
    };
    let mut operations = Vec::new();
    for (path, item) in &openapi().paths.paths {
        let path = segments
            .iter()
            .fold(path.clone(), |path, (from, to)| path.replace(from, to));
        assert!(!path.contains('{'), "{path}");
        operations.extend(
            methods(item)
                .into_iter()
                .map(|method| (method, path.clone())),
        );
    }
    operations
}

async fn as_role(router: &Router, role: Option<Role>, method: &Method, path: &str) -> Answer {
    let mut request = request(&format!("{method} {path}"), "");
    request.extensions_mut().insert(identity(role));
    send(router, request).await
}

#[tokio::test]
async fn a_viewer_looks_at_everything_and_changes_nothing() {
    let (router, fake) = server();
    ask(&router, "PUT /v1/documents/api", &web_document()).await;
    let before = fake.documents();
    let operations = operations();
    assert!(operations.len() > 20, "{operations:?}");
    for (method, path) in operations {
        let viewer = as_role(&router, Some(Role::Viewer), &method, &path).await;
        let admin = as_role(&router, Some(Role::Admin), &method, &path).await;
        let changes = method != Method::GET && !path.starts_with("/v1/diff");
        assert_eq!(viewer.status == 403, changes, "{method} {path}: {viewer:?}");
        assert_ne!(admin.status, 403, "{method} {path}: {admin:?}");
        if changes {
            let error = viewer.json()["error"].clone();
            assert_eq!(error["remedy"], "be root");
            assert_eq!(error["rule"], "changes need the role admin");
        }
        ask(&router, "PUT /v1/documents/api", &web_document()).await;
    }
    assert_eq!(
        fake.documents().keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn who_has_no_role_sees_nothing() {
    let (router, _fake) = server();
    for (method, path) in operations() {
        assert_eq!(
            as_role(&router, None, &method, &path).await.status,
            403,
            "{method} {path}"
        );
        let mut request = request(&format!("{method} {path}"), "");
        request.extensions_mut().clear();
        assert_eq!(send(&router, request).await.status, 403, "{method} {path}");
    }
}

#[tokio::test]
async fn a_viewer_is_refused_before_the_body_is_read() {
    let (router, _fake) = server();
    let endless = futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
    let mut put = Request::put("/v1/documents/api")
        .body(Body::from_stream(endless))
        .unwrap();
    put.extensions_mut().insert(identity(Some(Role::Viewer)));
    assert_eq!(send(&router, put).await.status, 403);
}

#[tokio::test]
async fn over_tcp_the_host_must_be_loopback() {
    let (router, _fake) = server();
    let table = [
        ("localhost", 200),
        ("LOCALHOST:11111", 200),
        ("localhost.", 200),
        ("127.0.0.1:11111", 200),
        ("127.9.9.9", 200),
        ("[::1]:11111", 200),
        ("[::1]", 200),
        ("evil.example", 403),
        ("evil.example:11111", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:80", 403),
        ("10.0.0.1", 403),
        ("[::2]:80", 403),
        ("[::1]evil", 403),
        ("::1", 403),
        ("", 403),
    ];
    for (host, status) in table {
        let mut get = request("GET /v1/status", "");
        get.headers_mut().insert("host", host.parse().unwrap());
        get.extensions_mut().insert(Identity {
            from_network: true,
            ..identity(Some(Role::Admin))
        });
        assert_eq!(send(&router, get).await.status, status, "{host}");
    }
    let mut two = request("GET /v1/status", "");
    two.headers_mut()
        .append("host", "localhost".parse().unwrap());
    two.headers_mut()
        .append("host", "localhost".parse().unwrap());
    two.extensions_mut().insert(Identity {
        from_network: true,
        ..identity(Some(Role::Admin))
    });
    assert_eq!(send(&router, two).await.status, 400);
}

#[tokio::test]
async fn pages_of_other_sites_may_not_ask() {
    let (router, _fake) = server();
    let table = [
        ("http://localhost:11111", 200),
        ("http://127.0.0.1", 200),
        ("https://evil.example", 403),
        ("null", 403),
    ];
    for (origin, status) in table {
        let mut get = request("GET /v1/status", "");
        get.headers_mut()
            .insert("host", "localhost".parse().unwrap());
        get.headers_mut().insert("origin", origin.parse().unwrap());
        get.extensions_mut().insert(Identity {
            from_network: true,
            ..identity(Some(Role::Admin))
        });
        assert_eq!(send(&router, get).await.status, status, "{origin}");
    }
}

#[test]
fn root_and_the_daemons_own_user_are_admins() {
    let groups = crate::server::UnixGroups::default();
    let own = nix::unistd::geteuid().as_raw();
    assert_eq!(Identity::of_peer(0, 0, &groups).role, Some(Role::Admin));
    assert_eq!(
        Identity::of_peer(own, 65534, &groups).role,
        Some(Role::Admin)
    );
}

#[test]
fn others_have_the_role_of_their_groups() {
    let group = |gid| {
        nix::unistd::Group::from_gid(nix::unistd::Gid::from_raw(gid))
            .unwrap()
            .unwrap()
            .name
    };
    let groups = |admin: &str, viewer: &str| crate::server::UnixGroups {
        admin: admin.into(),
        viewer: viewer.into(),
    };
    // 65533: a user that nobody knows, in the group of gid 1.
    let role = |groups| Identity::of_peer(65533, 1, &groups).role;
    assert_eq!(role(groups(&group(1), "no-such-group")), Some(Role::Admin));
    assert_eq!(role(groups("no-such-group", &group(1))), Some(Role::Viewer));
    assert_eq!(role(groups(&group(1), &group(1))), Some(Role::Admin));
    assert_eq!(role(groups(&group(2), &group(0))), None);
}
