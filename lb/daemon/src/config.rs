//! The configuration: read from `loxid.yaml`, overridden by the command line, checked once.
//!
//! Every key is optional and an absent file is an empty one. Keys that are not known are errors.
//! A problem is said with line and column, the value, the rule and the remedy; all problems of
//! values are said at once.

mod afxdp;
mod announce;
mod limits;
mod listen;
mod raw;
mod tunnels;
mod vlans;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lb_api::server::Role;
use lb_api::wire::{self, AttachAs};
use lb_core::announce::Probe;
use lb_core::intent::Document;
use lb_core::source_ports::SourcePorts;
use lb_plane::TunnelSources;
use lb_plane::sources::{Collision, collisions};
use serde_saphyr::{Location, Spanned};

use crate::cli::{DEFAULT_CONFIG, Options};
pub use afxdp::AfXdp;
pub use limits::Limits;
pub use listen::WideListener;
pub use raw::Workers;
pub use vlans::Vlan;

/// What a daemon runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from. None: there is no file at the default place.
    pub file: Option<PathBuf>,
    pub instance: String,
    pub state_dir: PathBuf,
    pub run_dir: PathBuf,
    pub bpffs: PathBuf,
    pub interfaces: Vec<Interface>,
    pub afxdp: AfXdp,
    /// Logical interfaces without a link of the kernel's.
    pub vlans: Vec<Vlan>,
    pub unix: UnixListener,
    /// None: the API is on the unix socket only.
    pub tcp: Option<TcpListener>,
    /// Where others can reach the API.
    pub listen: Vec<WideListener>,
    /// Seed of the selection hash, equal on appliances that must choose alike. None: random.
    pub hash_secret: Option<Vec<u8>>,
    pub limits: Limits,
    pub source_ports: SourcePorts,
    /// Outer sources of tunnels.
    pub tunnel_sources: TunnelSources,
    /// What is unwise, though it works.
    pub warnings: Vec<String>,
    /// The services of the file: the document of source `file`.
    pub document: Document,
    /// How VIPs are looked for before they are announced.
    pub probe: Probe,
    /// A `tracing` filter: `info`, or `info,loxid::reconcile=debug`.
    pub log_level: String,
}

/// An interface that the file wants attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub how: AttachAs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixListener {
    pub path: PathBuf,
    /// The group that may open the socket. None: `loxid` where that group exists, else root's.
    pub group: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpListener {
    /// A loopback address.
    pub address: SocketAddr,
    /// What anybody who can connect to it may do.
    pub role: Role,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read configuration {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}", Lines(file, problems))]
    Invalid {
        file: PathBuf,
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong, and where: line and column count from 1; 0 where the value is not
/// from the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub line: u64,
    pub column: u64,
    pub message: String,
}

struct Lines<'a>(&'a Path, &'a [Problem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.1.iter().enumerate() {
            let end = if index + 1 == self.1.len() { "" } else { "\n" };
            let Problem {
                line,
                column,
                message,
            } = problem;
            match (line, column) {
                (0, _) => write!(f, "command line: {message}{end}")?,
                _ => write!(f, "{}:{line}:{column}: {message}{end}", self.0.display())?,
            }
        }
        Ok(())
    }
}

impl Config {
    /// Reads the file that the command line names, or the default one if it is there.
    pub fn load(options: &Options) -> Result<Config, ConfigError> {
        let path = options
            .config
            .clone()
            .unwrap_or_else(|| DEFAULT_CONFIG.into());
        match std::fs::read_to_string(&path) {
            Ok(text) => Config::parse(&text, Some(path), options),
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound && options.config.is_none() =>
            {
                Config::parse("", None, options)
            }
            Err(source) => Err(ConfigError::Read { path, source }),
        }
    }

    /// Checks a file's text. Reads `hashSecretFile` and certificates with their keys, and nothing
    /// else.
    pub fn parse(
        text: &str,
        file: Option<PathBuf>,
        options: &Options,
    ) -> Result<Config, ConfigError> {
        let shown = file.clone().unwrap_or_else(|| DEFAULT_CONFIG.into());
        let raw = parse_raw(text).map_err(|problem| ConfigError::Invalid {
            file: shown.clone(),
            problems: vec![problem],
        })?;
        let mut check = Check::default();
        let config = check.config(raw, file, options);
        match check.problems.is_empty() {
            true => Ok(config),
            false => Err(ConfigError::Invalid {
                file: shown,
                problems: check.problems,
            }),
        }
    }
}

fn parse_raw(text: &str) -> Result<raw::Raw, Problem> {
    let says_nothing = |line: &str| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    };
    if text.lines().all(says_nothing) {
        return Ok(raw::Raw::default());
    }
    lb_api::parse::yaml(text.as_bytes()).map_err(|mut error| {
        let (line, column) = error.place.take().unwrap_or((1, 1));
        Problem {
            line,
            column,
            message: error.to_string(),
        }
    })
}

/// Collects what is wrong; a value that is wrong is replaced by its default meanwhile.
#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Check {
    fn config(&mut self, raw: raw::Raw, file: Option<PathBuf>, options: &Options) -> Config {
        let instance = self.instance(raw.instance, options.instance.clone());
        let vlans = self.vlans(raw.vlans, &raw.interfaces);
        let interfaces = self.interfaces(raw.interfaces);
        let run_dir = self.directory("runDir", raw.run_dir, &options.run_dir, "/run/loxid");
        Config {
            file,
            state_dir: self.directory(
                "stateDir",
                raw.state_dir,
                &options.state_dir,
                "/var/lib/loxid",
            ),
            bpffs: self.directory("bpffs", raw.bpffs, &options.bpffs, "/sys/fs/bpf"),
            vlans,
            afxdp: self.afxdp(raw.afxdp, &instance, &interfaces),
            interfaces,
            unix: self.unix(raw.api.unix, &run_dir),
            tcp: self.tcp(raw.api.tcp),
            listen: self.listeners(raw.api.listen),
            hash_secret: self.hash_secret(raw.hash_secret, raw.hash_secret_file),
            limits: self.limits(raw.limits),
            source_ports: self.source_ports(raw.source_ports),
            tunnel_sources: self.tunnel_sources(raw.tunnel_source),
            document: self.document(raw.services),
            probe: self.probe(raw.announce),
            log_level: self.log_level(raw.log.level),
            warnings: std::mem::take(&mut self.warnings),
            instance,
            run_dir,
        }
    }

    fn wrong(&mut self, at: Location, message: impl Into<String>) {
        self.problems.push(Problem {
            line: at.line(),
            column: at.column(),
            message: message.into(),
        });
    }

    fn instance(&mut self, raw: Option<Spanned<String>>, option: Option<String>) -> String {
        let (value, at) = match (option, raw) {
            (Some(value), _) => (value, Location::UNKNOWN),
            (None, Some(raw)) => (raw.value, raw.referenced),
            (None, None) => return "loxid".to_owned(),
        };
        if !is_instance(&value) {
            self.wrong(
                at,
                format!(
                    "instance: {value:?} is no name: use 1 to 32 of a-z, 0-9 and -, a letter first"
                ),
            );
        }
        value
    }

    fn directory(
        &mut self,
        key: &str,
        raw: Option<Spanned<String>>,
        option: &Option<PathBuf>,
        default: &str,
    ) -> PathBuf {
        let (path, at) = match (option, raw) {
            (Some(path), _) => (path.clone(), Location::UNKNOWN),
            (None, Some(raw)) => (PathBuf::from(raw.value), raw.referenced),
            (None, None) => return default.into(),
        };
        if !path.is_absolute() {
            self.wrong(
                at,
                format!(
                    "{key}: {:?} is not absolute: start it with /",
                    path.display()
                ),
            );
        }
        path
    }

    fn interfaces(&mut self, raw: Vec<raw::Interface>) -> Vec<Interface> {
        let mut interfaces = Vec::<Interface>::new();
        for (index, interface) in raw.into_iter().enumerate() {
            let raw::Interface {
                name,
                mode,
                datapath,
            } = interface;
            let at = name.referenced;
            let name = name.value;
            let path = format!("interfaces[{index}].name");
            if !is_interface_name(&name) {
                let rule = "1 to 15 bytes without space, / and :";
                self.wrong(
                    at,
                    format!("{path}: {name:?} is no interface name: use {rule}"),
                );
            }
            if interfaces.iter().any(|other| other.name == name) {
                self.wrong(
                    at,
                    format!("{path}: {name:?} is there twice: name each interface once"),
                );
            }
            let how = AttachAs { datapath, mode };
            interfaces.push(Interface { name, how });
        }
        interfaces
    }

    fn unix(&mut self, raw: raw::Unix, run_dir: &Path) -> UnixListener {
        let path = match &raw.path {
            Some(path) => PathBuf::from(&path.value),
            None => run_dir.join("loxid.sock"),
        };
        // sun_path holds 108 bytes with the terminating zero.
        let rule = match path.as_os_str().len() {
            _ if raw.path.is_some() && !path.is_absolute() => {
                Some("is not absolute: start it with /")
            }
            108.. => Some("is longer than the 107 bytes a socket's path may have"),
            _ => None,
        };
        if let Some(rule) = rule {
            let at = raw.path.map_or(Location::UNKNOWN, |path| path.referenced);
            self.wrong(at, format!("api.unix.path: {:?} {rule}", path.display()));
        }
        UnixListener {
            path,
            group: raw.group.map(|group| group.value),
        }
    }

    fn tcp(&mut self, raw: raw::Tcp) -> Option<TcpListener> {
        let role = raw.loopback_role.map_or(Role::Viewer, Role::from);
        let default = SocketAddr::from(([127, 0, 0, 1], 11_111));
        let Some(Spanned {
            value,
            referenced: at,
            ..
        }) = raw.address
        else {
            return Some(TcpListener {
                address: default,
                role,
            });
        };
        if value == "none" {
            return None;
        }
        let Ok(address) = value.parse::<SocketAddr>() else {
            let remedy = "write ADDRESS:PORT, such as 127.0.0.1:11111, or none";
            self.wrong(
                at,
                format!("api.tcp.address: {value:?} is no address with a port: {remedy}"),
            );
            return None;
        };
        if !address.ip().is_loopback() {
            self.wrong(
                at,
                format!(
                    "api.tcp.address: {value:?} is not on loopback: this listener has neither TLS nor tokens, \
                     so whoever reaches it would read (or, as admin, change) everything; \
                     use 127.0.0.1 or [::1] here, and api.listen with certificate, key and tokens for the rest"
                ),
            );
        }
        Some(TcpListener { address, role })
    }

    fn hash_secret(
        &mut self,
        inline: Option<Spanned<String>>,
        file: Option<Spanned<String>>,
    ) -> Option<Vec<u8>> {
        const LEAST: usize = 16;
        let (key, at, secret) = match (inline, file) {
            (Some(_), Some(file)) => {
                let remedy = "keep one of the two";
                self.wrong(
                    file.referenced,
                    format!("hashSecretFile: hashSecret is there, too: {remedy}"),
                );
                return None;
            }
            (Some(inline), None) => ("hashSecret", inline.referenced, inline.value.into_bytes()),
            (None, Some(file)) => match std::fs::read(&file.value) {
                Ok(bytes) => (
                    "hashSecretFile",
                    file.referenced,
                    bytes.trim_ascii_end().to_vec(),
                ),
                Err(error) => {
                    let path = &file.value;
                    self.wrong(
                        file.referenced,
                        format!("hashSecretFile: {path:?} cannot be read: {error}"),
                    );
                    return None;
                }
            },
            (None, None) => return None,
        };
        if secret.len() < LEAST {
            let remedy = "openssl rand -hex 32 makes a good one";
            let length = secret.len();
            self.wrong(
                at,
                format!(
                    "{key}: a secret of {length} bytes is short: use at least {LEAST}; {remedy}"
                ),
            );
        }
        Some(secret)
    }

    /// A range that is asked for must be free; the default one is taken with a warning, so that a
    /// box with other habits starts.
    fn source_ports(&mut self, raw: Option<Spanned<String>>) -> SourcePorts {
        let default = SourcePorts::new(10_240, 32_767).expect("a range in order above 1024");
        let Some(Spanned {
            value,
            referenced: at,
            ..
        }) = raw
        else {
            let found = colliding(&default).into_iter();
            self.warnings
                .extend(found.map(|collision| format!("sourcePorts {default}: {collision}")));
            return default;
        };
        let ports = match parse_ports(&value) {
            Ok(ports) => ports,
            Err(error) => {
                self.wrong(at, format!("sourcePorts: {error}"));
                return default;
            }
        };
        for collision in colliding(&ports) {
            match collision {
                Collision::Ephemeral { .. } => self.wrong(at, format!("sourcePorts: {collision}")),
                Collision::Listener { .. } => self
                    .warnings
                    .push(format!("sourcePorts {ports}: {collision}")),
            }
        }
        ports
    }

    fn document(&mut self, raw: Vec<Spanned<wire::Service>>) -> Document {
        let (places, services) = raw
            .into_iter()
            .map(|service| (service.referenced, service.value))
            .unzip::<_, _, Vec<_>, _>();
        Document::try_from(&wire::Document { services }).unwrap_or_else(|invalid| {
            for problem in invalid.problems() {
                let index = problem
                    .field
                    .strip_prefix("services[")
                    .and_then(|rest| rest.split(']').next());
                let index = index.and_then(|index| index.parse::<usize>().ok());
                let at = index
                    .and_then(|index| places.get(index))
                    .copied()
                    .unwrap_or(Location::UNKNOWN);
                self.wrong(at, problem.to_string());
            }
            Document::default()
        })
    }

    fn log_level(&mut self, raw: Option<Spanned<String>>) -> String {
        let Some(Spanned {
            value,
            referenced: at,
            ..
        }) = raw
        else {
            return "info".to_owned();
        };
        if value.parse::<tracing_subscriber::EnvFilter>().is_err() || value.is_empty() {
            let remedy = "use error, warn, info, debug or trace, or info,loxid::reconcile=debug";
            self.wrong(at, format!("log.level: {value:?} is no level: {remedy}"));
        }
        value
    }
}

fn parse_ports(text: &str) -> Result<SourcePorts, String> {
    let ends = text
        .split_once('-')
        .and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
    let syntax = || format!("{text:?} is no range of ports: write FIRST-LAST, such as 10240-32767");
    let (first, last) = ends.ok_or_else(syntax)?;
    SourcePorts::new(first, last).map_err(|error| error.to_string())
}

/// Nothing where /proc cannot be read: then nobody knows. Packets of balanced connections are
/// never addressed to loopback, so that listeners there are in nobody's way.
fn colliding(ports: &SourcePorts) -> Vec<Collision> {
    let mut found = collisions(&(ports.first()..=ports.last())).unwrap_or_default();
    found.retain(|collision| match collision {
        Collision::Listener { local, .. } => !local.ip().is_loopback(),
        Collision::Ephemeral { .. } => true,
    });
    found
}

fn is_instance(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=32).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

/// The kernel's rule: `dev_valid_name()`.
fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace())
}

#[cfg(test)]
mod tests;
