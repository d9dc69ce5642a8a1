//! Where an appliance listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// Displayed, and parsed, as `unix:///run/loxid/loxid.sock` or `http://127.0.0.1:11111`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Unix(PathBuf),
    /// A host's name or address (IPv6 in brackets), and a port.
    Http {
        host: String,
        port: u16,
    },
}

/// Text that names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a server: write http://HOST:PORT, unix:///PATH or an absolute path")]
pub struct TargetError {
    pub value: String,
}

impl Target {
    /// The value of the Host header.
    pub(super) fn host(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".into(),
            Self::Http { host, port } => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Http { host, port } => write!(f, "http://{host}:{port}"),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let error = || TargetError { value: text.into() };
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
        let authority = text.strip_prefix("http://").ok_or_else(error)?;
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
        match port.parse() {
            Ok(port) if is_host && port != 0 => Ok(Self::Http {
                host: host.into(),
                port,
            }),
            _ => Err(error()),
        }
    }
}
