//! Checks of backends, as operators write them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a backend is asked, to find out whether it may have connections. Which fields there are
/// depends on `type`: those that it has no use for must be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Check {
    /// `tcp`: a connection is accepted; `udp`: no "port unreachable", and the answer if one is
    /// expected; `http`, `https`: a GET is answered as expected; `ping`: an ICMP echo is answered;
    /// `none`: it is not asked (for a backend of a service that has a check).
    #[serde(rename = "type")]
    #[schema(example = "http")]
    pub kind: String,
    /// From one question to the next, milliseconds, spread by a tenth: 100 to 3600000.
    /// Default: 2000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100, maximum = 3600000)]
    pub interval_ms: Option<i64>,
    /// How long an answer may take, milliseconds: 10 to 60000, and not longer than the interval.
    /// Default: 1000, or the interval if that is shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 10, maximum = 60000)]
    pub timeout_ms: Option<i64>,
    /// Good answers in a row after which a backend that is down is up: 1 to 100. Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub rise: Option<i64>,
    /// Bad answers in a row after which a backend that is up is down: 1 to 100. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub fall: Option<i64>,
    /// Where to ask: 1 to 65535; not with `ping`. Default: the backend's own port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    pub port: Option<i64>,
    /// `http`, `https`: the `Host` header. Default: the backend's address and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `http`, `https`: path and query. Default: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `http`, `https`: statuses that are good, each one (`204`) or a range (`200-299`).
    /// Default: `200-399`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["200-299"]))]
    pub expect_status: Vec<String>,
    /// `http`, `https`: what the first 64 KiB of the body contain. Default: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_body: Option<String>,
    /// `https`: the name that is asked for (SNI) and that the certificate must be for. Default:
    /// the name in `host`, else the backend's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// `https`: absolute path of a file, on the appliance, with the certificates (PEM) of the CAs
    /// that may sign the backend's. Required, but for `insecure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// `https`: any certificate is good. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// `udp`: what is sent: text, or `hex:` and hexadecimal digits. Default: an empty datagram.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// `udp`: what the answer contains, written as `send`. Default: anything, silence included;
    /// only "port unreachable" is bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

/// How a backend's check goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    pub verdict: Verdict,
    /// It changed more than 4 times within a minute, and is held down until it is steady.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flapping: bool,
    /// The last answer: `L4 timeout`, `HTTP 503 in 3 ms`. Empty: none yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last: String,
}

/// What follows from the answers of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No answer yet: it gets connections.
    Unknown,
    Up,
    Down,
}

/// What an operator says of a backend. It outlives restarts and changes of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperatorState {
    /// As documents and checks say.
    #[default]
    Enabled,
    /// Keeps its connections and takes no other.
    Drained,
    /// Down, whatever its check says. It keeps its connections, too.
    Disabled,
}

/// The body of a change of a backend's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SetOperatorState {
    pub state: OperatorState,
}

/// A backend of a service, what it is asked, and its last answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendDescription {
    /// Key of the service.
    pub service: String,
    /// The document that the service is of.
    pub source: String,
    pub backend: super::service::BackendStatus,
    /// Not there: it is not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// The last 20, the newest first.
    pub probes: Vec<ProbeStatus>,
}

/// One question, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbeStatus {
    pub time: super::time::Timestamp,
    pub result: ProbeResult,
    /// How far it came: where it failed, or what was good last: `connect`, `tls`, `status`,
    /// `body`, `answer`, `echo`, or `local`: the appliance's own part.
    #[schema(example = "status")]
    pub phase: String,
    #[schema(example = "HTTP 503 in 3 ms")]
    pub text: String,
    /// How long it took, milliseconds.
    pub ms: u64,
}

/// Whether an answer was as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProbeResult {
    Passed,
    Failed,
    /// The appliance could not ask, which says nothing of the backend.
    NotMade,
}

impl OperatorState {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Drained => "drained",
            Self::Disabled => "disabled",
        }
    }
}

impl Verdict {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}
