//! Where an appliance listens.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Displayed, and parsed, as `unix:///run/loxid/loxid.sock`, `http://127.0.0.1:11111` or
/// `https://edge1.example:8443`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Target {
    Unix(PathBuf),
    /// In the clear. A host's name or address (IPv6 in brackets), and a port.
    Http {
        host: String,
        port: u16,
    },
    Https {
        host: String,
        port: u16,
    },
}

/// Text that names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{value}` is not a server: write https://HOST:PORT, http://HOST:PORT, unix:///PATH or an absolute path"
)]
pub struct TargetError {
    pub value: String,
}

impl Target {
    /// Whether others on the way can read what is sent.
    pub(super) fn is_private(&self) -> bool {
        match self {
            Self::Unix(_) | Self::Https { .. } => true,
            Self::Http { host, .. } => {
                let address = host.trim_start_matches('[').trim_end_matches(']');
                let address = address.parse::<IpAddr>();
                host.eq_ignore_ascii_case("localhost")
                    || address.is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// The value of the Host header.
    pub(super) fn host(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".into(),
            Self::Http { host, port } | Self::Https { host, port } => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Http { host, port } => write!(f, "http://{host}:{port}"),
            Self::Https { host, port } => write!(f, "https://{host}:{port}"),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let error = || TargetError { value: shown(text) };
        if let Some(path) = text
            .strip_prefix("unix://")
            .or(text.starts_with('/').then_some(text))
        {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err(error())
            };
        }
        let (scheme, authority) = text.split_once("://").ok_or_else(error)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = authority.rsplit_once(':').ok_or_else(error)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            }
        };
        let port = port.parse().ok().filter(|port| *port != 0);
        let port = port.filter(|_| is_host).ok_or_else(error)?;
        let host = host.to_owned();
        match scheme {
            "http" => Ok(Self::Http { host, port }),
            "https" => Ok(Self::Https { host, port }),
            _ => Err(error()),
        }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl TryFrom<String> for Target {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        text.parse()
    }
}

/// What may be a user and a password is not repeated.
fn shown(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("...@{rest}"),
        None => text.to_owned(),
    }
}
