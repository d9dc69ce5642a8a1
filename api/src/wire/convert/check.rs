//! Checks of backends: which fields go with which type, and their values.

use std::str::FromStr;
use std::sync::Arc;

use lb_core::health::{
    self as core, Ask, CheckError, Exchange, HttpRequest, Payload, Probe, StatusRange, Statuses,
    Timing, Tls, Trust,
};

use super::{from_text, optional, unsigned};
use crate::wire::check::{Check, OperatorState, ProbeResult, Verdict};
use crate::wire::invalid::Problem;

/// Fields of a check that only some types have, and these.
const OF_TYPES: [(&str, &[&str]); 10] = [
    ("port", &["tcp", "udp", "http", "https"]),
    ("host", &["http", "https"]),
    ("path", &["http", "https"]),
    ("expectStatus", &["http", "https"]),
    ("expectBody", &["http", "https"]),
    ("serverName", &["https"]),
    ("caFile", &["https"]),
    ("insecure", &["https"]),
    ("send", &["udp"]),
    ("expect", &["udp"]),
];

const TYPES: [&str; 6] = ["tcp", "udp", "http", "https", "ping", "none"];

/// A check; `Some(None)`: `type: none`. None: what is wrong is among the problems. `path` ends
/// with a dot.
pub(super) fn check(
    path: &str,
    wire: &Check,
    problems: &mut Vec<Problem>,
) -> Option<Option<Arc<core::Check>>> {
    let before = problems.len();
    let Some(kind) = TYPES.into_iter().find(|kind| *kind == wire.kind) else {
        let value = wire.kind.clone();
        problems.push(problem(path, &CheckError::Kind { value }));
        return None;
    };
    foreign(path, kind, wire, problems);
    let timing = timing(path, wire, problems);
    let probe = match kind {
        "none" => None,
        "ping" => Some(Probe::Ping),
        _ => at(path, kind, wire, problems),
    };
    match (timing, probe) {
        _ if problems.len() > before => None,
        (Some(timing), Some(probe)) => Some(Some(Arc::new(core::Check { probe, timing }))),
        (Some(_), None) => Some(None),
        (None, _) => None,
    }
}

/// Fields that the type has no use for.
fn foreign(path: &str, kind: &'static str, wire: &Check, problems: &mut Vec<Problem>) {
    let is_given = |field: &str| match field {
        "port" => wire.port.is_some(),
        "host" => wire.host.is_some(),
        "path" => wire.path.is_some(),
        "expectStatus" => !wire.expect_status.is_empty(),
        "expectBody" => wire.expect_body.is_some(),
        "serverName" => wire.server_name.is_some(),
        "caFile" => wire.ca_file.is_some(),
        "insecure" => wire.insecure,
        "send" => wire.send.is_some(),
        _ => wire.expect.is_some(),
    };
    for (field, types) in OF_TYPES {
        if is_given(field) && !types.contains(&kind) {
            let of = types[0];
            problems.push(problem(path, &CheckError::Foreign { field, kind, of }));
        }
    }
}

fn timing(path: &str, wire: &Check, problems: &mut Vec<Problem>) -> Option<Timing> {
    let mut number = |name: &str, value: Option<i64>| {
        let field = format!("{path}{name}");
        optional(problems, &field, value, |field, value| {
            unsigned(field, value, "a number that is not negative")
        })
    };
    let interval = number("intervalMs", wire.interval_ms);
    let timeout = number("timeoutMs", wire.timeout_ms);
    let rise = number("rise", wire.rise);
    let fall = number("fall", wire.fall);
    let timing = Timing::new(interval?, timeout?, rise?, fall?);
    timing
        .map_err(|error| problems.push(problem(path, &error)))
        .ok()
}

fn at(path: &str, kind: &str, wire: &Check, problems: &mut Vec<Problem>) -> Option<Probe> {
    let port = optional(
        problems,
        &format!("{path}port"),
        wire.port,
        |field, value| {
            let value = unsigned(field, value, "1 to 65535")?;
            core::port(value).map_err(|error| from_text(field, &error))
        },
    );
    let ask = match kind {
        "tcp" => Some(Ask::Tcp),
        "udp" => exchange(path, wire, problems).map(Ask::Udp),
        "http" => request(path, wire, problems).map(Ask::Http),
        _ => {
            let request = request(path, wire, problems);
            let tls = tls(path, wire, problems);
            request
                .zip(tls)
                .map(|(request, tls)| Ask::Https(request, tls))
        }
    };
    Some(Probe::At {
        port: port?,
        ask: ask?,
    })
}

fn exchange(path: &str, wire: &Check, problems: &mut Vec<Problem>) -> Option<Exchange> {
    let mut payload = |field, text: &Option<String>| {
        let parsed = text.as_ref().map(|text| Payload::parse(field, text));
        keep(path, problems, parsed.transpose())
    };
    let (send, expect) = (payload("send", &wire.send), payload("expect", &wire.expect));
    let (send, expect) = (send?, expect?);
    if expect.as_ref().is_some_and(Payload::is_empty) {
        problems.push(problem(path, &CheckError::EmptyExpect));
        return None;
    }
    Some(Exchange {
        send: send.unwrap_or_default(),
        expect,
    })
}

fn request(path: &str, wire: &Check, problems: &mut Vec<Problem>) -> Option<HttpRequest> {
    let host = parsed(path, problems, &wire.host);
    let own_path = parsed(path, problems, &wire.path);
    let body = parsed(path, problems, &wire.expect_body);
    let mut ranges = Some(Vec::new());
    for (index, text) in wire.expect_status.iter().enumerate() {
        let range = text.parse::<StatusRange>().map_err(|error| {
            let field = format!("{path}expectStatus[{index}]");
            problems.push(from_text(&field, &error));
        });
        ranges = ranges.zip(range.ok()).map(|(mut ranges, range)| {
            ranges.push(range);
            ranges
        });
    }
    Some(HttpRequest {
        host: host?,
        path: own_path?.unwrap_or_default(),
        statuses: Statuses::new(ranges?).unwrap_or_default(),
        body: body?,
    })
}

fn tls(path: &str, wire: &Check, problems: &mut Vec<Problem>) -> Option<Tls> {
    let server_name = parsed(path, problems, &wire.server_name);
    let ca_file = parsed(path, problems, &wire.ca_file);
    let trust = match (ca_file?, wire.insecure) {
        (Some(file), false) => Ok(Trust::Ca(file)),
        (None, true) => Ok(Trust::Insecure),
        (None, false) => Err(CheckError::NoTrust),
        (Some(_), true) => Err(CheckError::TrustTwice),
    };
    let trust = keep(path, problems, trust);
    Some(Tls {
        server_name: server_name?,
        trust: trust?,
    })
}

/// What may be left out: `Some(None)` is that.
fn parsed<T: FromStr<Err = CheckError>>(
    path: &str,
    problems: &mut Vec<Problem>,
    text: &Option<String>,
) -> Option<Option<T>> {
    let parsed = text.as_ref().map(|text| text.parse());
    keep(path, problems, parsed.transpose())
}

fn keep<T>(path: &str, problems: &mut Vec<Problem>, result: Result<T, CheckError>) -> Option<T> {
    result
        .map_err(|error| problems.push(problem(path, &error)))
        .ok()
}

fn problem(path: &str, error: &CheckError) -> Problem {
    from_text(&format!("{path}{}", error.path()), error)
}

/// What differs from the defaults.
impl From<&core::Check> for Check {
    fn from(check: &core::Check) -> Self {
        let timing = check.timing;
        let unless = |value: u32, default: u32| (value != default).then_some(i64::from(value));
        let default_timeout = Timing::default_timeout_ms(timing.interval_ms());
        let mut wire = Self {
            kind: check.probe.kind().to_owned(),
            interval_ms: unless(timing.interval_ms(), Timing::INTERVAL_MS),
            timeout_ms: unless(timing.timeout_ms(), default_timeout),
            rise: unless(timing.rise(), Timing::RISE),
            fall: unless(timing.fall(), Timing::FALL),
            ..Self::default()
        };
        let Probe::At { port, ask } = &check.probe else {
            return wire;
        };
        wire.port = port.map(|port| port.get().into());
        match ask {
            Ask::Tcp => {}
            Ask::Udp(exchange) => {
                let send = Some(&exchange.send).filter(|send| !send.is_empty());
                wire.send = send.map(ToString::to_string);
                wire.expect = exchange.expect.as_ref().map(ToString::to_string);
            }
            Ask::Http(request) => put_request(&mut wire, request),
            Ask::Https(request, tls) => {
                put_request(&mut wire, request);
                wire.server_name = tls.server_name.as_ref().map(ToString::to_string);
                match &tls.trust {
                    Trust::Ca(file) => wire.ca_file = Some(file.to_string()),
                    Trust::Insecure => wire.insecure = true,
                }
            }
        }
        wire
    }
}

fn put_request(wire: &mut Check, request: &HttpRequest) {
    wire.host = request.host.as_ref().map(ToString::to_string);
    if request.path != core::HttpPath::default() {
        wire.path = Some(request.path.to_string());
    }
    if request.statuses != Statuses::default() {
        let ranges = request.statuses.ranges().iter();
        wire.expect_status = ranges.map(ToString::to_string).collect();
    }
    wire.expect_body = request.body.as_ref().map(ToString::to_string);
}

/// `type: none`, of a backend that is not asked.
pub(super) fn none() -> Check {
    Check {
        kind: "none".into(),
        ..Check::default()
    }
}

impl From<core::OperatorState> for OperatorState {
    fn from(state: core::OperatorState) -> Self {
        match state {
            core::OperatorState::Enabled => Self::Enabled,
            core::OperatorState::Drained => Self::Drained,
            core::OperatorState::Disabled => Self::Disabled,
        }
    }
}

impl From<OperatorState> for core::OperatorState {
    fn from(state: OperatorState) -> Self {
        match state {
            OperatorState::Enabled => Self::Enabled,
            OperatorState::Drained => Self::Drained,
            OperatorState::Disabled => Self::Disabled,
        }
    }
}

impl From<core::Verdict> for Verdict {
    fn from(verdict: core::Verdict) -> Self {
        match verdict {
            core::Verdict::Unknown => Self::Unknown,
            core::Verdict::Up => Self::Up,
            core::Verdict::Down => Self::Down,
        }
    }
}

impl From<core::Outcome> for ProbeResult {
    fn from(outcome: core::Outcome) -> Self {
        match outcome {
            core::Outcome::Passed => Self::Passed,
            core::Outcome::Failed => Self::Failed,
            core::Outcome::NotMade => Self::NotMade,
        }
    }
}
