//! Who may do what, and from where.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::Method;

use super::*;
use crate::server::rights::{self, Right};
use crate::server::{Context, Limits, routes};

const LOOPBACK: Peer = Peer::Loopback(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000));

/// Every method of every route that there is, whoever may use it.
async fn operations() -> Vec<(Method, &'static str)> {
    let mut operations = Vec::new();
    for (path, methods) in routes() {
        let (control, _fake) = Fake::start();
        let context = Context::new(control, Arc::default(), Limits::default().requests);
        let bare = Router::new().route("/", methods).with_state(context);
        let answer = send(&bare, request("BREW /", "")).await;
        assert_eq!(answer.status, 405, "{path}");
        let allowed = answer.header("allow").split(',').map(str::trim);
        let allowed = allowed.filter(|method| *method != "HEAD");
        operations.extend(allowed.map(|method| (method.parse().unwrap(), path)));
    }
    operations
}

/// A path of this route.
fn filled(route: &str) -> String {
    let segments = [
        ("{*source}", "api"),
        ("{vip}", "20.20.20.1"),
        ("{port}", "80"),
        ("{protocol}", "tcp"),
        ("{address}", "31.31.31.1"),
        ("{backend_port}", "80"),
        ("{generation}", "1"),
        ("{name}", "eth0"),
    ];
    let path = segments
        .iter()
        .fold(route.to_owned(), |path, (from, to)| path.replace(from, to));
    assert!(
        !path.contains('{'),
        "{path}: say here what stands for that segment"
    );
    path
}

async fn as_role(router: &Router, role: Option<Role>, method: &Method, path: &str) -> Answer {
    let mut request = request(&format!("{method} {path}"), "");
    request.extensions_mut().insert(identity(role));
    send(router, request).await
}

#[tokio::test]
async fn every_route_has_a_right_and_every_right_a_route() {
    let mut there: Vec<(String, &str)> = Vec::new();
    for (method, route) in operations().await {
        let right = rights::of(&method, route);
        assert!(
            matches!(right, Right::Role(_)),
            "{method} {route} is not in server/rights.rs: add it, with the least role that may"
        );
        there.push((method.to_string(), route));
    }
    assert!(there.len() > 25, "{there:?}");
    for (method, route, _) in rights::RIGHTS {
        let pair = ((*method).to_owned(), *route);
        assert!(
            there.contains(&pair),
            "{method} {route} is in server/rights.rs, and no route"
        );
    }
    assert_eq!(rights::RIGHTS.len(), there.len(), "a right is there twice");
}

#[test]
fn what_is_not_in_the_table_is_refused() {
    assert_eq!(rights::of(&Method::GET, "/v1/secret"), Right::NoRoute);
    assert_eq!(
        rights::of(&Method::PATCH, "/v1/status"),
        Right::NoMethod(vec!["GET"])
    );
    assert_eq!(
        rights::of(&Method::HEAD, "/v1/status"),
        Right::Role(Role::Viewer)
    );
}

#[test]
fn viewers_change_nothing_operators_change_documents_and_admins_the_box() {
    for (method, route, least) in rights::RIGHTS {
        let of_box = ["/v1/interfaces", "/v1/tokens"]
            .iter()
            .any(|of| route.starts_with(of));
        let expected = match (*method, *route) {
            ("GET", "/v1/tokens") => Role::Admin,
            ("GET", _) | (_, "/v1/diff/{*source}") => Role::Viewer,
            _ if of_box => Role::Admin,
            _ => Role::Operator,
        };
        assert_eq!(*least, expected, "{method} {route}");
    }
}

#[tokio::test]
async fn each_role_may_what_its_rights_say_and_nothing_more() {
    let (router, _fake) = server();
    for (method, route) in operations().await {
        let Right::Role(least) = rights::of(&method, route) else {
            panic!("{method} {route} has no right");
        };
        // An answer that never ends is not read.
        if route == "/v1/events" {
            continue;
        }
        let path = filled(route);
        for role in Role::ALL {
            let answer = as_role(&router, Some(role), &method, &path).await;
            let refused = answer.status == 403;
            assert_eq!(refused, role < least, "{role}: {method} {path}: {answer:?}");
            if refused {
                let error = answer.json()["error"].clone();
                assert_eq!(error["remedy"], "be root");
                assert_eq!(error["rule"], format!("this needs the role {least}"));
            }
        }
    }
}

#[tokio::test]
async fn what_was_refused_has_changed_nothing() {
    let (router, fake) = server();
    ask(&router, "PUT /v1/documents/api", &web_document()).await;
    let before = fake.documents();
    for (method, route, least) in rights::RIGHTS {
        for role in Role::ALL.into_iter().filter(|role| role < least) {
            let method = method.parse().unwrap();
            as_role(&router, Some(role), &method, &filled(route)).await;
        }
    }
    assert_eq!(fake.documents(), before);
}

#[tokio::test]
async fn who_has_no_role_sees_nothing() {
    let (router, _fake) = server();
    for (method, route) in operations().await {
        let path = filled(route);
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
            peer: LOOPBACK,
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
        peer: LOOPBACK,
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
            peer: LOOPBACK,
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
