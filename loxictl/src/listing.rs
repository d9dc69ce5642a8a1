//! What `get` prints of each kind of thing.

use lb_api::wire::{
    BackendState, BackendStatus, Condition, ConditionStatus, Connection, DocumentStatus,
    InterfaceStatus, Mode, NoBackend, Protocol, Select, ServiceBackend, ServiceStatus, XdpMode,
};

use crate::output::Listed;
use crate::table::{Cell, Column, Tone, column, wide};

#[cfg(test)]
mod tests;

impl Listed for ServiceStatus {
    const COLUMNS: &'static [Column] = &[
        column("SERVICE"),
        column("NAME"),
        column("MODE"),
        column("SELECT"),
        column("BACKENDS"),
        column("ACTIVE"),
        column("CONNECTIONS"),
        column("PROGRAMMED"),
        wide("IN"),
        wide("OUT"),
        wide("BYTES-IN"),
        wide("BYTES-OUT"),
        wide("DROPPED"),
        wide("IDLE-TIMEOUT"),
        wide("NO-BACKEND"),
        wide("SOURCE"),
        wide("MESSAGE"),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::from(&self.key),
            Cell::maybe(self.name.as_ref()),
            mode(self.spec.mode).into(),
            select(self.spec.select).into(),
            usable(&self.backends),
            self.traffic.active_connections.into(),
            self.traffic.connections.into(),
            programmed(&self.conditions),
            self.traffic.packets_in.into(),
            self.traffic.packets_out.into(),
            self.traffic.bytes_in.into(),
            self.traffic.bytes_out.into(),
            self.traffic.dropped.into(),
            Cell::maybe(self.spec.idle_timeout.map(|seconds| format!("{seconds}s"))),
            no_backend(self.spec.no_backend).into(),
            Cell::from(&self.source),
            Cell::maybe(trouble(&self.conditions)),
        ]
    }

    fn key(&self) -> String {
        self.key.clone()
    }
}

impl Listed for ServiceBackend {
    const COLUMNS: &'static [Column] = &[
        column("SERVICE"),
        column("BACKEND"),
        column("WEIGHT"),
        column("STATE"),
        column("ACTIVE"),
        column("CONNECTIONS"),
        wide("IN"),
        wide("OUT"),
        wide("BYTES-IN"),
        wide("BYTES-OUT"),
        wide("SOURCE"),
        column("MESSAGE"),
    ];

    fn cells(&self) -> Vec<Cell> {
        let backend = &self.backend;
        vec![
            Cell::from(&self.service),
            end(backend).into(),
            backend.weight.into(),
            state(backend.state),
            backend.traffic.active_connections.into(),
            backend.traffic.connections.into(),
            backend.traffic.packets_in.into(),
            backend.traffic.packets_out.into(),
            backend.traffic.bytes_in.into(),
            backend.traffic.bytes_out.into(),
            Cell::from(&self.source),
            filled(&backend.message),
        ]
    }

    fn key(&self) -> String {
        end(&self.backend)
    }
}

impl Listed for Connection {
    const COLUMNS: &'static [Column] = &[
        column("PROTOCOL"),
        column("CLIENT"),
        column("VIP"),
        column("BACKEND"),
        column("STATE"),
        column("IDLE"),
        column("PACKETS"),
        column("BYTES"),
        wide("SOURCE"),
        wide("MODE"),
        wide("TIMEOUT"),
        wide("SERVICE"),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            protocol(self.protocol).into(),
            Cell::from(&self.client),
            Cell::from(&self.vip),
            Cell::from(&self.backend),
            self.state.as_str().into(),
            format!("{}s", self.idle).into(),
            self.packets.into(),
            self.bytes.into(),
            Cell::from(&self.source),
            Cell::maybe(self.mode.map(mode)),
            format!("{}s", self.timeout).into(),
            Cell::maybe(self.service.as_ref()),
        ]
    }

    fn key(&self) -> String {
        format!("{}->{}/{}", self.client, self.vip, protocol(self.protocol))
    }
}

impl Listed for InterfaceStatus {
    const COLUMNS: &'static [Column] = &[
        column("INTERFACE"),
        column("ATTACHED"),
        column("MODE"),
        column("DRIVER"),
        column("QUEUES"),
        column("MTU"),
        wide("IFINDEX"),
        wide("SLOT"),
        wide("MAC"),
        column("MESSAGE"),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::from(&self.name),
            attached(self),
            xdp_mode(self.mode),
            Cell::maybe(self.driver.as_ref()),
            Cell::maybe(Some(self.queues).filter(|queues| *queues > 0)),
            self.mtu.into(),
            self.ifindex.into(),
            Cell::maybe(self.slot),
            Cell::from(&self.mac),
            filled(&self.message),
        ]
    }

    fn key(&self) -> String {
        self.name.clone()
    }
}

impl Listed for DocumentStatus {
    const COLUMNS: &'static [Column] =
        &[column("SOURCE"), column("GENERATION"), column("SERVICES")];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::from(&self.source),
            self.generation.into(),
            self.services.into(),
        ]
    }

    fn key(&self) -> String {
        self.source.clone()
    }
}

/// Address and port of a backend, as one word.
pub fn end(backend: &BackendStatus) -> String {
    match backend.address.contains(':') {
        true => format!("[{}]:{}", backend.address, backend.port),
        false => format!("{}:{}", backend.address, backend.port),
    }
}

/// How many backends take connections, of how many.
fn usable(backends: &[BackendStatus]) -> Cell {
    let active = backends
        .iter()
        .filter(|backend| backend.state == BackendState::Active)
        .count();
    let tone = match (active, backends.len()) {
        (0, _) => Tone::Bad,
        (active, all) if active < all => Tone::Warning,
        _ => Tone::Good,
    };
    Cell::toned(format!("{active}/{}", backends.len()), tone)
}

/// `True`, or the reason why the service isn't forwarded.
fn programmed(conditions: &[Condition]) -> Cell {
    match conditions
        .iter()
        .find(|condition| condition.kind == "Programmed")
    {
        Some(Condition {
            status: ConditionStatus::True,
            ..
        }) => Cell::toned("True", Tone::Good),
        Some(condition) => Cell::toned(
            format!("{:?}({})", condition.status, condition.reason),
            Tone::Bad,
        ),
        None => Cell::toned("Unknown", Tone::Warning),
    }
}

/// The text of the first condition that says why the service isn't as it was meant.
pub fn trouble(conditions: &[Condition]) -> Option<&str> {
    let wrong = |condition: &&Condition| match condition.kind.as_str() {
        "Programmed" => condition.status != ConditionStatus::True,
        "Shadowed" => condition.status == ConditionStatus::True,
        _ => false,
    };
    conditions
        .iter()
        .filter(wrong)
        .map(|condition| condition.message.as_str())
        .find(|text| !text.is_empty())
}

fn state(state: BackendState) -> Cell {
    match state {
        BackendState::Active => Cell::toned("active", Tone::Good),
        BackendState::Draining => Cell::toned("draining", Tone::Warning),
        BackendState::Unresolved => Cell::toned("unresolved", Tone::Bad),
        BackendState::Unknown => Cell::toned("unknown", Tone::Warning),
    }
}

fn attached(interface: &InterfaceStatus) -> Cell {
    match (interface.attached, interface.slot) {
        (true, _) => Cell::toned("yes", Tone::Good),
        (false, Some(_)) => Cell::toned("no", Tone::Bad),
        (false, None) => "no".into(),
    }
}

fn xdp_mode(mode: XdpMode) -> Cell {
    match mode {
        XdpMode::Native => Cell::toned("native", Tone::Good),
        XdpMode::Generic => Cell::toned("generic", Tone::Warning),
        XdpMode::None => "-".into(),
    }
}

fn filled(text: &str) -> Cell {
    Cell::maybe(Some(text).filter(|text| !text.is_empty()))
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Dnat => "dnat",
        Mode::Fullnat => "fullnat",
        Mode::Onearm => "onearm",
    }
}

fn select(select: Select) -> &'static str {
    match select {
        Select::Maglev => "maglev",
        Select::Rr => "rr",
    }
}

fn no_backend(no_backend: NoBackend) -> &'static str {
    match no_backend {
        NoBackend::Reject => "reject",
        NoBackend::Drop => "drop",
        NoBackend::Pass => "pass",
    }
}

/// The word for a protocol.
pub fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}
