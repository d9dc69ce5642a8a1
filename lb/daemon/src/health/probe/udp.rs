//! `udp`: a datagram, and what comes back. "Port unreachable" (ICMP) is an error of the connected
//! socket.

use std::net::SocketAddr;

use lb_core::health::{Exchange, Phase};
use tokio::net::UdpSocket;

use super::{Progress, Report, any};

/// Most of an answer that is looked at, bytes.
const ANSWER_MAX: usize = 4096;

pub async fn ask(to: SocketAddr, exchange: &Exchange, progress: &Progress) -> Report {
    let socket = match UdpSocket::bind(any(to.ip())).await {
        Ok(socket) => socket,
        Err(error) => return progress.error("L4", &error),
    };
    progress.enter(Phase::Answer);
    if let Err(error) = socket.connect(to).await {
        return progress.error("L4", &error);
    }
    if let Err(error) = socket.send(exchange.send.bytes()).await {
        return refused(progress, &error);
    }
    let mut answer = vec![0; ANSWER_MAX];
    let length = match socket.recv(&mut answer).await {
        Ok(length) => length,
        Err(error) => return refused(progress, &error),
    };
    let expected = exchange.expect.as_ref();
    match expected.is_none_or(|expected| contains(&answer[..length], expected.bytes())) {
        true => progress.passed(format!("answer in {} ms", progress.ms())),
        false => progress.failed(format!("unexpected answer in {} ms", progress.ms())),
    }
}

fn refused(progress: &Progress, error: &std::io::Error) -> Report {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => {
            progress.failed(format!("port unreachable in {} ms", progress.ms()))
        }
        _ => progress.error("L4", error),
    }
}

pub fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}
