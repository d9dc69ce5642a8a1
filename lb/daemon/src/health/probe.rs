//! One question: from a socket to a word about the answer. It ends at its timeout.

mod http;
mod ping;
mod tcp;
mod tls;
mod udp;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use lb_core::health::{Ask, Outcome, Phase, Probe, Target};

use super::certificates::Certificates;
use super::milliseconds;

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub outcome: Outcome,
    pub phase: Phase,
    pub text: String,
}

/// How far a question has come, for when its time is up.
struct Progress {
    phase: AtomicU8,
    begun: Instant,
}

const PHASES: [Phase; 7] = [
    Phase::Local,
    Phase::Connect,
    Phase::Tls,
    Phase::Status,
    Phase::Body,
    Phase::Answer,
    Phase::Echo,
];

impl Progress {
    fn new() -> Self {
        Self {
            phase: AtomicU8::new(0),
            begun: Instant::now(),
        }
    }

    fn enter(&self, phase: Phase) {
        let index = PHASES.iter().position(|one| *one == phase).unwrap_or(0);
        self.phase.store(index as u8, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        PHASES[usize::from(self.phase.load(Ordering::Relaxed))]
    }

    fn ms(&self) -> u64 {
        milliseconds(self.begun.elapsed())
    }

    fn passed(&self, text: String) -> Report {
        Report {
            outcome: Outcome::Passed,
            phase: self.phase(),
            text,
        }
    }

    fn failed(&self, text: String) -> Report {
        Report {
            outcome: Outcome::Failed,
            phase: self.phase(),
            text,
        }
    }

    fn not_made(&self, text: String) -> Report {
        Report {
            outcome: Outcome::NotMade,
            phase: Phase::Local,
            text,
        }
    }

    /// An error of a socket: the backend's, or the box's own.
    fn error(&self, layer: &str, error: &io::Error) -> Report {
        match is_own(error) {
            true => self.not_made(format!("not made: {}", said(error))),
            false => self.failed(format!("{layer} {} in {} ms", said(error), self.ms())),
        }
    }
}

/// Asks, and waits for the answer until the check's timeout.
pub async fn probe(target: &Target, certificates: &Certificates) -> Report {
    let progress = Progress::new();
    let timeout = target.check.timing.timeout();
    let asked = ask(target, certificates, &progress);
    match tokio::time::timeout(timeout, asked).await {
        Ok(report) => report,
        Err(_) => timed_out(target, &progress),
    }
}

async fn ask(target: &Target, certificates: &Certificates, progress: &Progress) -> Report {
    let (port, ask) = match (&target.check.probe, target.port) {
        (Probe::At { ask, .. }, Some(port)) => (port, ask),
        _ => return ping::ask(target.addr, progress).await,
    };
    let to = SocketAddr::new(target.addr, port.get());
    match ask {
        Ask::Tcp => tcp::ask(to, progress).await,
        Ask::Udp(exchange) => udp::ask(to, exchange, progress).await,
        Ask::Http(request) => http::ask(to, request, progress).await,
        Ask::Https(request, tls) => tls::ask(to, request, tls, certificates, progress).await,
    }
}

fn timed_out(target: &Target, progress: &Progress) -> Report {
    let ms = target.check.timing.timeout_ms();
    let silence_is_good = matches!(
        &target.check.probe,
        Probe::At { ask: Ask::Udp(exchange), .. } if exchange.expect.is_none()
    );
    match progress.phase() {
        Phase::Local => progress.not_made(format!("not made: no socket within {ms} ms")),
        Phase::Connect => progress.failed("L4 timeout".to_owned()),
        Phase::Tls => progress.failed("L6 timeout".to_owned()),
        Phase::Status | Phase::Body => progress.failed("L7 timeout".to_owned()),
        Phase::Answer if silence_is_good => {
            progress.passed(format!("no port unreachable within {ms} ms"))
        }
        Phase::Answer => progress.failed(format!("no answer within {ms} ms")),
        Phase::Echo => progress.failed(format!("no echo reply within {ms} ms")),
    }
}

/// What the box lacks says nothing of the backend.
fn is_own(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let own = [
        Errno::EMFILE,
        Errno::ENFILE,
        Errno::ENOBUFS,
        Errno::ENOMEM,
        Errno::EADDRNOTAVAIL,
        Errno::EADDRINUSE,
        Errno::EPERM,
        Errno::EACCES,
        Errno::EAFNOSUPPORT,
        Errno::EPROTONOSUPPORT,
    ];
    let is = |code: i32| own.iter().any(|errno| *errno as i32 == code);
    error.raw_os_error().is_some_and(is)
}

/// `connection refused`, without the number.
fn said(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_lowercase(),
        None => error.to_string(),
    }
}

/// The unspecified address of a family, and any port.
fn any(to: IpAddr) -> SocketAddr {
    match to {
        IpAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
