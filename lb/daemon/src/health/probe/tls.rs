//! `https`: the same over TLS 1.2 or 1.3, each time with a whole handshake: a session that is
//! resumed would not show a certificate.

use std::net::SocketAddr;

use lb_core::health::{HttpRequest, Phase, Tls};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::{Progress, Report, http, tcp};
use crate::failure::line;
use crate::health::certificates::Certificates;

pub async fn ask(
    to: SocketAddr,
    request: &HttpRequest,
    tls: &Tls,
    certificates: &Certificates,
    progress: &Progress,
) -> Report {
    let config = match certificates.config(&tls.trust) {
        Ok(config) => config,
        Err(error) => return progress.not_made(format!("not made: {}", line(&error))),
    };
    let stream = match tcp::connect(to, progress).await {
        Ok(stream) => stream,
        Err(report) => return report,
    };
    progress.enter(Phase::Tls);
    let connector = TlsConnector::from(config);
    match connector.connect(name(to, request, tls), stream).await {
        Ok(stream) => http::over(stream, (to, 443), request, progress).await,
        Err(error) => progress.failed(format!("L6 {error} in {} ms", progress.ms())),
    }
}

/// The name that the certificate must be for.
fn name(to: SocketAddr, request: &HttpRequest, tls: &Tls) -> ServerName<'static> {
    let own = tls.server_name.as_ref().map(|name| name.as_str());
    let host = request
        .host
        .as_ref()
        .map(|host| without_port(host.as_str()));
    let text = own.or(host).map(str::to_owned);
    let name = text.and_then(|text| ServerName::try_from(text).ok());
    name.unwrap_or_else(|| ServerName::from(to.ip()))
}

/// `backend.example:8443` and `[2001:db8::1]:8443` without the port.
fn without_port(host: &str) -> &str {
    if let Some((addr, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return addr;
    }
    match host.rsplit_once(':') {
        Some((name, _)) if !name.contains(':') => name,
        _ => host,
    }
}
