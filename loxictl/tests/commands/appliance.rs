//! An appliance without data plane: lb-api's own server over a state that is kept here.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command as Process, Output, Stdio};
use std::sync::Arc;
use std::thread;

use lb_api::control::{
    Command, ConnectionsFound, ConnectionsQuery, ControlError, ControlSeat, Generation, State,
    StoredDocument, channel,
};
use lb_api::server::{Limits, Listener, Role, Tls, router, serve};
use lb_api::token::{Secret, Token};
use lb_api::wire::{
    Applied, BackendState, BackendStatus, Condition, ConditionStatus, Connection, ConnectionState,
    DataPlane, InterfaceStatus, OperatorState, Path, ReasonCount, ServiceStatus, Status,
    TableUsage, Traffic, XdpMode, changes,
};
use lb_core::intent::{Document, Source};
use tokio::sync::oneshot;

/// Connections in its table.
pub const CONNECTIONS: u64 = 2500;

/// Runs until it is dropped.
pub struct Appliance {
    url: String,
    /// With TLS, if there is such a listener.
    pub wide: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Appliance {
    /// On a free port of loopback, where everybody has this role.
    pub fn start(role: Role) -> Self {
        Self::start_with(role, None)
    }

    /// With a second listener, where everybody needs a token.
    pub fn start_with(role: Role, tls: Option<Arc<Tls>>) -> Self {
        let (listener, port) = bind();
        let url = format!("http://127.0.0.1:{port}");
        let wide = tls.map(|tls| (bind(), tls));
        let wide_url = wide
            .as_ref()
            .map(|((_, port), _)| format!("https://localhost:{port}"));
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let mut listeners = vec![Listener::Tcp(with_runtime(listener), role)];
                if let Some(((listener, _), tls)) = wide {
                    listeners.push(Listener::Tls(with_runtime(listener), tls));
                }
                let (control, seat) = channel();
                let served = serve(
                    listeners,
                    router(control, Arc::default()),
                    Limits::default(),
                    |connection| drop(tokio::spawn(connection)),
                );
                tokio::select! {
                    () = served => {}
                    () = obey(seat) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            url,
            wide: wide_url,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Runs `loxictl` with these words against it.
    pub fn loxictl(&self, words: &str) -> Run {
        self.loxictl_with(words, "")
    }

    /// Starts it, and doesn't wait.
    pub fn begin(&self, words: &str) -> Child {
        start(&format!("--server {} {words}", self.url))
    }

    /// The same with text on standard input.
    pub fn loxictl_with(&self, words: &str, input: &str) -> Run {
        run(&format!("--server {} {words}", self.url), input)
    }
}

fn bind() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    listener
        .set_nonblocking(true)
        .expect("a listener can be non-blocking");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

fn with_runtime(listener: TcpListener) -> tokio::net::TcpListener {
    tokio::net::TcpListener::from_std(listener).expect("it is non-blocking")
}

impl Drop for Appliance {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the appliance did not panic");
        }
    }
}

/// What a run of `loxictl` came to.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

pub fn run(words: &str, input: &str) -> Run {
    let mut child = start(words);
    // A command that doesn't read its input has closed it.
    let _ = child
        .stdin
        .take()
        .expect("it is piped")
        .write_all(input.as_bytes());
    ended(child)
}

pub fn start(words: &str) -> Child {
    Process::new(env!("CARGO_BIN_EXE_loxictl"))
        .args(words.split_whitespace())
        .env_remove("LOXID_SERVER")
        .env_remove("LOXID_CONTEXT")
        .env_remove("LOXID_TOKEN_FILE")
        .env("LOXICTL_CONTEXTS", "/nowhere/contexts.yaml")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loxictl was built")
}

pub fn ended(child: Child) -> Run {
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("it was started");
    Run {
        code: status.code().expect("it exits"),
        stdout: String::from_utf8(stdout).expect("it prints text"),
        stderr: String::from_utf8(stderr).expect("it prints text"),
    }
}

/// The daemon's loop, with documents and interfaces but no tables.
async fn obey(mut seat: ControlSeat) {
    let mut state = State {
        interfaces: interfaces(),
        status: status(),
        ..State::default()
    };
    seat.state.send_replace(Arc::new(published(&state)));
    while let Some(command) = seat.commands.recv().await {
        answer(&mut state, command);
        seat.state.send_replace(Arc::new(published(&state)));
    }
}

fn answer(state: &mut State, command: Command) {
    match command {
        Command::PutDocument {
            source,
            document,
            precondition,
            dry_run,
            reply,
            ..
        } => {
            let current = state.documents.get(&source).map(|stored| stored.generation);
            let result = precondition
                .check(current)
                .map(|()| put(state, source, document, dry_run));
            let _ = reply.send(result);
        }
        Command::Attach {
            interface, reply, ..
        } => {
            let _ = reply.send(attach(state, &interface));
        }
        Command::Detach {
            interface, reply, ..
        } => {
            let _ = reply.send(detach(state, &interface));
        }
        Command::Connections { query, reply } => {
            let _ = reply.send(Ok(connections(&query)));
        }
        Command::CreateToken { token, reply, .. } => {
            let secret = Secret::from_random([state.tokens.len() as u8 + 161; 32]);
            let (role, hash) = (token.role.into(), secret.hash());
            let expires = token.expires_in.map(|seconds| 4_000_000_000 + seconds);
            let token = Arc::new(Token::new(token.name, role, hash, 1, expires, 0));
            state.tokens = Arc::new(state.tokens.with(token.clone()));
            let _ = reply.send(Ok((secret, token)));
        }
        Command::RevokeToken { name, reply, .. } => {
            state.tokens = Arc::new(state.tokens.without(&name));
            let _ = reply.send(Ok(()));
        }
        other => panic!("loxictl does not ask for {other:?}"),
    }
}

fn put(state: &mut State, source: Source, document: Document, dry_run: bool) -> Applied {
    let old = state.documents.get(&source);
    let changes = changes(old.map(|stored| &*stored.document), Some(&document));
    let before = old.map_or(0, |stored| stored.generation.0);
    let generation = if dry_run || changes.is_empty() {
        before
    } else {
        state.status.generation + 1
    };
    if !dry_run {
        state.status.generation = generation.max(state.status.generation);
        let stored = StoredDocument {
            generation: Generation(generation),
            document: Arc::new(document),
        };
        state.documents.insert(source.clone(), stored);
    }
    Applied {
        source: source.to_string(),
        generation,
        dry_run,
        changes,
        confirm_until: None,
    }
}

fn attach(state: &mut State, name: &str) -> Result<InterfaceStatus, ControlError> {
    if name.starts_with("lxt") {
        let named = |stored: &StoredDocument| {
            let refuse = Some("refuse-throw-away");
            stored
                .document
                .services()
                .any(|service| service.name.as_deref() == refuse)
        };
        if state.documents.values().any(named) {
            return Err(ControlError::Conflict {
                message: "no slot is free".into(),
                remedy: "detach another interface".into(),
            });
        }
        let throw_away = interface(name, "");
        state.interfaces.push(throw_away);
    }
    let interface = find(state, name)?;
    if name.starts_with("bond") {
        return Err(ControlError::Conflict {
            message: format!("{name} is a bond"),
            remedy: "attach the interfaces below it".into(),
        });
    }
    interface.attached = true;
    interface.path = Path::Xdp;
    interface.slot = Some(0);
    interface.mode = XdpMode::Native;
    Ok(interface.clone())
}

fn detach(state: &mut State, name: &str) -> Result<(), ControlError> {
    let interface = find(state, name)?;
    match interface.attached {
        true => {
            (interface.attached, interface.slot) = (false, None);
            (interface.path, interface.mode) = (Path::None, XdpMode::None);
            Ok(())
        }
        false => Err(ControlError::NotFound {
            what: format!("program attached to {name}"),
        }),
    }
}

fn find<'a>(state: &'a mut State, name: &str) -> Result<&'a mut InterfaceStatus, ControlError> {
    let missing = ControlError::NotFound {
        what: format!("interface {name}"),
    };
    state
        .interfaces
        .iter_mut()
        .find(|interface| interface.name == name)
        .ok_or(missing)
}

fn connections(query: &ConnectionsQuery) -> ConnectionsFound {
    let end = (query.from + u64::from(query.limit)).min(CONNECTIONS);
    let connection = |number: u64| Connection {
        protocol: lb_api::wire::Protocol::Tcp,
        client: format!("10.0.{}.{}:40000", number / 256, number % 256),
        vip: "20.20.20.1:2020".into(),
        backend: "31.31.31.1:8080".into(),
        source: "20.20.20.1:50000".into(),
        mode: None,
        one_sided: false,
        state: ConnectionState::Established,
        idle: 1,
        timeout: 240,
        packets: number,
        bytes: number * 100,
        service: None,
    };
    ConnectionsFound {
        items: (query.from..end).map(connection).collect(),
        next: Some(end).filter(|end| *end < CONNECTIONS),
    }
}

/// The state with services as they follow from documents: the first backend of each is resolved.
fn published(state: &State) -> State {
    let services = state.documents.iter().flat_map(|(source, stored)| {
        stored.document.services().map(move |service| {
            let spec: lb_api::wire::Service = service.into();
            let backends = spec
                .backends
                .iter()
                .enumerate()
                .map(|(index, backend)| BackendStatus {
                    address: backend.address.clone(),
                    port: backend
                        .port
                        .map(|port| port.try_into().expect("it was checked")),
                    weight: backend.weight.try_into().expect("it was checked"),
                    max_connections: None,
                    state: if index == 0 {
                        BackendState::Active
                    } else {
                        BackendState::Unresolved
                    },
                    message: if index == 0 {
                        String::new()
                    } else {
                        "no answer to ARP".into()
                    },
                    health: None,
                    operator: OperatorState::Enabled,
                    load: 0,
                    traffic: Traffic {
                        connections: 6,
                        active_connections: 1,
                        ..Traffic::default()
                    },
                });
            ServiceStatus {
                key: service.key.to_string(),
                name: service.name.clone(),
                source: source.to_string(),
                generation: stored.generation.0,
                backends: backends.collect(),
                conditions: vec![Condition {
                    kind: "Programmed".into(),
                    status: ConditionStatus::True,
                    reason: "Programmed".into(),
                    message: String::new(),
                }],
                announcements: Vec::new(),
                spec,
                traffic: Traffic {
                    packets_in: 7,
                    connections: 12,
                    active_connections: 2,
                    ..Traffic::default()
                },
            }
        })
    });
    State {
        services: services.collect(),
        ..state.clone()
    }
}

fn interfaces() -> Vec<InterfaceStatus> {
    vec![
        interface("bond0", "a bond: attach the interfaces below it"),
        interface("eth0", ""),
    ]
}

fn interface(name: &str, message: &str) -> InterfaceStatus {
    InterfaceStatus {
        name: name.into(),
        ifindex: 2,
        driver: Some("virtio_net".into()),
        queues: 2,
        mtu: 1500,
        mac: "02:00:00:00:00:01".into(),
        message: message.into(),
        ..InterfaceStatus::default()
    }
}

fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        instance: "loxid".into(),
        kernel: "6.12.0".into(),
        uptime: 3723,
        data_plane: DataPlane {
            rx: 10,
            tx: 7,
            passed: 1,
            dropped: 2,
            window: 2000,
            reasons: vec![ReasonCount {
                reason: "no_backend".into(),
                class: "drop".into(),
                packets: 2,
                recent: 1,
                meaning: "no backend can take it".into(),
                remedy: "give the service a backend.".into(),
            }],
        },
        tables: vec![TableUsage {
            name: "connections".into(),
            used: 90,
            capacity: 100,
        }],
        notes: vec!["packets that this box sends to a VIP are not balanced".into()],
        ..Status::default()
    }
}
