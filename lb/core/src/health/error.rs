//! What is said to what is no check.

use thiserror::Error;

use super::Timing;

/// What keeps parts from being a check. `path` says which field of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckError {
    #[error("unknown check type `{value}`: use tcp, udp, http, https, ping or none")]
    Kind { value: String },
    #[error("{field} with type {kind}, which has no use for it: leave it out, or use type {of}")]
    Foreign {
        field: &'static str,
        kind: &'static str,
        of: &'static str,
    },
    #[error("intervalMs {value} is not from {min} to {max}: use a value in this range, or leave it out for {default}", min = Timing::INTERVAL_MS_MIN, max = Timing::INTERVAL_MS_MAX, default = Timing::INTERVAL_MS)]
    Interval { value: u64 },
    #[error("timeoutMs {value} is not from {min} to {max}: use a value in this range, or leave it out for {default} or the interval, whichever is shorter", min = Timing::TIMEOUT_MS_MIN, max = Timing::TIMEOUT_MS_MAX, default = Timing::TIMEOUT_MS)]
    Timeout { value: u64 },
    #[error(
        "intervalMs {interval} is shorter than timeoutMs {timeout}, and probes would overlap: raise intervalMs to {timeout}, or lower timeoutMs to {interval} or less"
    )]
    IntervalShorter { interval: u32, timeout: u32 },
    #[error("{field} {value} is not from 1 to {max}: use a value in this range, or leave it out", max = Timing::COUNT_MAX)]
    Count { field: &'static str, value: u64 },
    #[error(
        "port {value} is not from 1 to 65535: use a port, or leave it out for the backend's own"
    )]
    Port { value: u64 },
    #[error(
        "host `{value}` is not 1 to 255 visible characters: use what the server expects as its name, or leave it out for the backend's address"
    )]
    Host { value: String },
    #[error(
        "path `{value}` is not `/` and up to 1023 more visible ASCII characters: begin with a slash, and percent-encode the rest"
    )]
    Path { value: String },
    #[error("`{value}` is not a status or a range of them: use 100 to 599, such as 200 or 200-399")]
    Status { value: String },
    #[error(
        "expectBody of {bytes} bytes is not from 1 to 1024 bytes: use a shorter part of the body, or leave it out"
    )]
    Substring { bytes: usize },
    #[error(
        "`{value}` is not hexadecimal digits in pairs: write text, or hex: and digits, such as hex:00ff"
    )]
    Hexadecimal { field: &'static str, value: String },
    #[error("{field} of {bytes} bytes is more than 1024 bytes: use a shorter one")]
    PayloadLength { field: &'static str, bytes: usize },
    #[error(
        "expect is empty, which every answer contains: leave it out, or say what the answer contains"
    )]
    EmptyExpect,
    #[error(
        "serverName `{value}` is neither a DNS name nor an address: use the name in the backend's certificate, or leave it out"
    )]
    ServerName { value: String },
    #[error("caFile `{value}` is not an absolute path: begin with a slash")]
    CaFile { value: String },
    #[error(
        "type https with neither caFile nor insecure: name the file with the CA's certificates, or say `insecure: true` to accept any certificate"
    )]
    NoTrust,
    #[error("caFile with `insecure: true`, which accepts any certificate: leave one of them out")]
    TrustTwice,
}

impl CheckError {
    /// The field within the check, in the words of the API.
    #[must_use]
    pub fn path(&self) -> &'static str {
        match self {
            Self::Kind { .. } => "type",
            Self::Foreign { field, .. }
            | Self::Count { field, .. }
            | Self::Hexadecimal { field, .. }
            | Self::PayloadLength { field, .. } => field,
            Self::Interval { .. } | Self::IntervalShorter { .. } => "intervalMs",
            Self::Timeout { .. } => "timeoutMs",
            Self::Port { .. } => "port",
            Self::Host { .. } => "host",
            Self::Path { .. } => "path",
            Self::Status { .. } => "expectStatus",
            Self::Substring { .. } => "expectBody",
            Self::EmptyExpect => "expect",
            Self::ServerName { .. } => "serverName",
            Self::CaFile { .. } | Self::NoTrust => "caFile",
            Self::TrustTwice => "insecure",
        }
    }
}
