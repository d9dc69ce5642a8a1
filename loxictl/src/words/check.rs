//! `--check`: what backends are asked, in one word. Documents can say more.

use lb_api::wire::Check;

const RULE: &str = "TYPE[:PORT][/PATH], such as tcp, ping, udp:53, http or http:8081/health";

/// `TYPE[:PORT][/PATH]`.
pub fn check(text: &str) -> Result<Box<Check>, String> {
    let wrong = |what: &str| format!("{what} in `{text}`: {RULE}");
    let (rest, path) = match text.split_once('/') {
        Some((rest, path)) => (rest, Some(format!("/{path}"))),
        None => (text, None),
    };
    let (kind, port) = match rest.split_once(':') {
        Some((kind, port)) => (kind, Some(port)),
        None => (rest, None),
    };
    if kind == "https" {
        return Err(
            "https needs to know whom to trust: apply a document with caFile or insecure".into(),
        );
    }
    if !["tcp", "udp", "http", "ping"].contains(&kind) {
        return Err(wrong(&format!("unknown type `{kind}`")));
    }
    if path.is_some() && kind != "http" {
        return Err(wrong("a path is for http"));
    }
    let port = port.map(|digits| super::port(digits).map_err(|_| wrong("no port")));
    let port = port.transpose()?;
    if port.is_some() && kind == "ping" {
        return Err(wrong("a port is not for ping"));
    }
    Ok(Box::new(Check {
        kind: kind.to_owned(),
        port: port.map(|port| port.get().into()),
        path,
        ..Check::default()
    }))
}
