//! What `get` prints of each kind of thing.

use lb_api::wire::{
    AnnounceState, BackendState, BackendStatus, Condition, ConditionStatus, Connection,
    DocumentStatus, InterfaceStatus, Mode, NoBackend, OperatorState, Path, ServiceBackend,
    ServiceStatus, Socket, SocketState, Verdict, XdpMode,
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
        wide("DRAINING"),
        wide("IDLE-TIMEOUT"),
        wide("PERSIST"),
        wide("NO-BACKEND"),
        wide("ANNOUNCED"),
        wide("SOURCE"),
        wide("MESSAGE"),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::from(&self.key),
            Cell::maybe(self.name.as_ref()),
            self.spec.mode.as_str().into(),
            self.spec.select.as_str().into(),
            usable(&self.backends),
            self.traffic.active_connections.into(),
            self.traffic.connections.into(),
            programmed(&self.conditions),
            self.traffic.packets_in.into(),
            self.traffic.packets_out.into(),
            self.traffic.bytes_in.into(),
            self.traffic.bytes_out.into(),
            self.traffic.dropped.into(),
            draining(&self.backends),
            Cell::maybe(self.spec.idle_timeout.map(|seconds| format!("{seconds}s"))),
            Cell::maybe(self.spec.persist.map(|seconds| format!("{seconds}s"))),
            no_backend(self.spec.no_backend).into(),
            announced(self),
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
        column("HEALTH"),
        column("ACTIVE"),
        wide("LOAD"),
        wide("MAX"),
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
            state(backend),
            health(backend),
            backend.traffic.active_connections.into(),
            backend.load.into(),
            Cell::maybe(backend.max_connections),
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
            self.protocol.as_str().into(),
            Cell::from(&self.client),
            Cell::from(&self.vip),
            Cell::from(&self.backend),
            match self.one_sided {
                true => format!("{} (one-sided)", self.state.as_str()).into(),
                false => self.state.as_str().into(),
            },
            format!("{}s", self.idle).into(),
            self.packets.into(),
            self.bytes.into(),
            Cell::from(&self.source),
            Cell::maybe(self.mode.map(Mode::as_str)),
            format!("{}s", self.timeout).into(),
            Cell::maybe(self.service.as_ref()),
        ]
    }

    fn key(&self) -> String {
        format!("{}->{}/{}", self.client, self.vip, self.protocol.as_str())
    }
}

impl Listed for InterfaceStatus {
    const COLUMNS: &'static [Column] = &[
        column("INTERFACE"),
        column("ATTACHED"),
        column("PATH"),
        column("MODE"),
        column("DRIVER"),
        column("QUEUES"),
        column("MTU"),
        wide("IFINDEX"),
        wide("SLOT"),
        wide("MAC"),
        wide("VLAN"),
        wide("DEVICE"),
        wide("WORKER"),
        wide("RX"),
        wide("TX"),
        wide("PASSED"),
        wide("RX-DROPPED"),
        column("MESSAGE"),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::from(&self.name),
            attached(self),
            path(self.path),
            mode_words(self),
            Cell::maybe(self.driver.as_ref()),
            Cell::maybe(Some(self.queues).filter(|queues| *queues > 0)),
            self.mtu.into(),
            self.ifindex.into(),
            Cell::maybe(self.slot),
            Cell::from(&self.mac),
            Cell::maybe(self.vlan.as_ref()),
            Cell::maybe(self.device.as_ref()),
            Cell::maybe(owners(self)),
            sum(self, |socket| socket.rx),
            sum(self, |socket| socket.tx),
            sum(self, |socket| socket.passed),
            sum(self, |socket| socket.rx_dropped),
            filled(&said(self)),
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

/// Address and port of a backend, as one word; without a port it gets the client's.
pub fn end(backend: &BackendStatus) -> String {
    let address = &backend.address;
    match (backend.port, address.contains(':')) {
        (None, _) => address.clone(),
        (Some(port), true) => format!("[{address}]:{port}"),
        (Some(port), false) => format!("{address}:{port}"),
    }
}

/// How many backends take no more connections, and how many connections those still have.
fn draining(backends: &[BackendStatus]) -> Cell {
    let draining = || {
        let all = backends.iter();
        all.filter(|backend| backend.state == BackendState::Draining)
    };
    let left: u64 = draining()
        .map(|backend| backend.traffic.active_connections)
        .sum();
    match draining().count() {
        0 => Cell::maybe(None::<String>),
        count => Cell::toned(format!("{count} ({left} left)"), Tone::Warning),
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
        "Shadowed" | "AddressConflict" => condition.status == ConditionStatus::True,
        "Announced" => {
            let wanted = ["AddressInUse", "InterfaceMissing", "NotListening"];
            condition.status == ConditionStatus::False && wanted.contains(&&*condition.reason)
        }
        _ => false,
    };
    conditions
        .iter()
        .filter(wrong)
        .map(|condition| condition.message.as_str())
        .find(|text| !text.is_empty())
}

/// Interfaces that the VIP is announced on; with the state where it is not simply that.
fn announced(service: &ServiceStatus) -> Cell {
    let all = &service.announcements;
    let texts: Vec<String> = all
        .iter()
        .map(|one| match (one.state, &one.other) {
            (AnnounceState::Announced, _) => one.interface.clone(),
            (state, None) => format!("{} ({})", one.interface, state.as_str()),
            (state, Some(other)) => format!("{} ({} {other})", one.interface, state.as_str()),
        })
        .collect();
    let bad = |state| matches!(state, AnnounceState::InUse | AnnounceState::Conflict);
    let tone = match all.iter().any(|one| bad(one.state)) {
        true => Tone::Bad,
        false if all.iter().all(|one| one.state == AnnounceState::Announced) => Tone::Plain,
        false => Tone::Warning,
    };
    match texts.is_empty() {
        true => Cell::maybe(None::<String>),
        false => Cell::toned(texts.join(","), tone),
    }
}

/// How it is; what an operator says of it goes before what follows from it.
pub fn state(backend: &BackendStatus) -> Cell {
    match backend.operator {
        OperatorState::Drained => return Cell::toned("drained by hand", Tone::Warning),
        OperatorState::Disabled => return Cell::toned("disabled by hand", Tone::Warning),
        OperatorState::Enabled => {}
    }
    match backend.state {
        BackendState::Active => Cell::toned("active", Tone::Good),
        BackendState::Draining => Cell::toned("draining", Tone::Warning),
        BackendState::Full => Cell::toned("full", Tone::Warning),
        BackendState::Down => Cell::toned("down", Tone::Bad),
        BackendState::Unresolved => Cell::toned("unresolved", Tone::Bad),
        BackendState::Unknown => Cell::toned("unknown", Tone::Warning),
    }
}

/// What its check says; `-` without one.
fn health(backend: &BackendStatus) -> Cell {
    match &backend.health {
        None => Cell::maybe(None::<String>),
        Some(health) if health.flapping => Cell::toned("flapping", Tone::Bad),
        Some(health) => match health.verdict {
            Verdict::Up => Cell::toned("up", Tone::Good),
            Verdict::Down => Cell::toned("down", Tone::Bad),
            Verdict::Unknown => Cell::toned("unknown", Tone::Warning),
        },
    }
}

fn attached(interface: &InterfaceStatus) -> Cell {
    match (interface.attached, interface.slot) {
        (true, _) => Cell::toned("yes", Tone::Good),
        (false, Some(_)) => Cell::toned("no", Tone::Bad),
        (false, None) => "no".into(),
    }
}

fn path(path: Path) -> Cell {
    match path {
        Path::Xdp => Cell::toned("xdp", Tone::Good),
        Path::AfXdp => "afxdp".into(),
        Path::None => "-".into(),
    }
}

/// `native`; of AF_XDP also whether packets are copied: `native,copy`.
fn mode_words(interface: &InterfaceStatus) -> Cell {
    let mode = match interface.mode {
        XdpMode::Native => "native",
        XdpMode::Generic => "generic",
        XdpMode::None => return "-".into(),
    };
    let states = interface.sockets.iter().map(|socket| socket.state);
    let bound = match (interface.path, states.min()) {
        (Path::AfXdp, Some(SocketState::Copy)) => ",copy",
        (Path::AfXdp, Some(SocketState::ZeroCopy)) => ",zero-copy",
        (Path::AfXdp, Some(SocketState::Waiting | SocketState::Failed) | None) => ",no worker",
        _ => "",
    };
    let tone = match (interface.mode, bound) {
        (_, ",no worker") => Tone::Bad,
        (XdpMode::Generic, _) => Tone::Warning,
        _ => Tone::Good,
    };
    Cell::toned(format!("{mode}{bound}"), tone)
}

/// Processes that have its queues: one, or two while one replaces the other.
fn owners(interface: &InterfaceStatus) -> Option<String> {
    let mut owners: Vec<u32> = interface
        .sockets
        .iter()
        .filter_map(|socket| socket.owner)
        .collect();
    owners.sort_unstable();
    owners.dedup();
    let words: Vec<String> = owners.iter().map(u32::to_string).collect();
    (!words.is_empty()).then(|| words.join(","))
}

fn sum(interface: &InterfaceStatus, counter: impl Fn(&Socket) -> u64) -> Cell {
    let is_there = !interface.sockets.is_empty();
    Cell::maybe(is_there.then(|| interface.sockets.iter().map(counter).sum::<u64>()))
}

/// Why it is forwarded as it is, and what ails it.
fn said(interface: &InterfaceStatus) -> String {
    let mut words = interface.why.clone();
    words.extend(Some(interface.message.clone()).filter(|message| !message.is_empty()));
    words.join("; ")
}

fn filled(text: &str) -> Cell {
    Cell::maybe(Some(text).filter(|text| !text.is_empty()))
}

fn no_backend(no_backend: NoBackend) -> &'static str {
    match no_backend {
        NoBackend::Reject => "reject",
        NoBackend::Drop => "drop",
        NoBackend::Pass => "pass",
    }
}
