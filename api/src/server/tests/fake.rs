//! A daemon that only keeps documents: the other end of the seam.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use lb_core::intent::{Document, Source};
use lb_core::service::{Endpoint, ServiceKey};

use crate::control::{
    Command, ConnectionsFound, ControlError, ControlHandle, ControlSeat, Generation, Precondition,
    Readiness, State, StoredDocument, channel,
};
use crate::edit;
use crate::server::tokens::now;
use crate::token::{Secret, Token, Tokens};
use crate::wire::{
    self, Applied, BackendDescription, BackendState, BackendStatus, Connection, ConnectionState,
    InterfaceStatus, Mode, NewToken, OperatorState, Problem, Protocol, ServiceBackend,
    ServiceStatus, Traffic, XdpMode, changes,
};

/// What a test may look at and set.
#[derive(Clone)]
pub(super) struct Fake {
    pub(super) handle: ControlHandle,
    refuse: Arc<Mutex<Option<ControlError>>>,
    ready: Arc<Mutex<bool>>,
}

impl Fake {
    pub(super) fn start() -> (ControlHandle, Fake) {
        let (handle, seat) = channel();
        let fake = Fake {
            handle: handle.clone(),
            refuse: Arc::default(),
            ready: Arc::new(Mutex::new(true)),
        };
        let daemon = Daemon {
            documents: BTreeMap::new(),
            generation: 0,
            attached: BTreeSet::new(),
            refuse: fake.refuse.clone(),
            ready: fake.ready.clone(),
            tokens: Tokens::default(),
        };
        tokio::spawn(daemon.run(seat));
        (handle, fake)
    }

    /// Every command after this has this answer.
    pub(super) fn refuse_with(&self, error: Option<ControlError>) {
        *self.refuse.lock().unwrap() = error;
    }

    /// Shown after the next command.
    pub(super) fn set_ready(&self, ready: bool) {
        *self.ready.lock().unwrap() = ready;
    }

    /// What must be as before after an error.
    pub(super) fn documents(&self) -> BTreeMap<Source, StoredDocument> {
        self.handle.state().documents.clone()
    }
}

struct Daemon {
    documents: BTreeMap<Source, StoredDocument>,
    generation: u64,
    attached: BTreeSet<String>,
    refuse: Arc<Mutex<Option<ControlError>>>,
    ready: Arc<Mutex<bool>>,
    tokens: Tokens,
}

impl Daemon {
    async fn run(mut self, mut seat: ControlSeat) {
        self.publish(&seat);
        while let Some(command) = seat.commands.recv().await {
            self.answer(command, &seat);
        }
    }

    fn publish(&self, seat: &ControlSeat) {
        let ready = *self.ready.lock().unwrap();
        let state = State {
            documents: self.documents.clone(),
            tokens: Arc::new(self.tokens.clone()),
            services: self
                .documents
                .iter()
                .flat_map(|(s, d)| statuses(s, d))
                .collect(),
            history: Arc::default(),
            interfaces: ["eth0", "eth1"].map(|name| self.interface(name)).into(),
            status: wire::Status {
                version: "0.1.0".into(),
                generation: self.generation,
                ..Default::default()
            },
            readiness: if ready {
                Readiness::Ready
            } else {
                Readiness::NotReady("no tables".into())
            },
        };
        seat.state.send_replace(Arc::new(state));
    }

    fn answer(&mut self, command: Command, seat: &ControlSeat) {
        let refused = self.refuse.lock().unwrap().clone();
        match command {
            Command::PutDocument {
                source,
                document,
                precondition,
                dry_run,
                reply,
                ..
            } => {
                let answer = refused.map_or_else(
                    || self.replace(source, Some(document), &precondition, dry_run),
                    Err,
                );
                self.publish(seat);
                let _ = reply.send(answer);
            }
            Command::DeleteDocument {
                source,
                precondition,
                dry_run,
                reply,
                ..
            } => {
                let there = self.documents.contains_key(&source);
                let missing = ControlError::NotFound {
                    what: format!("document {source}"),
                };
                let answer = match (refused, there) {
                    (Some(error), _) => Err(error),
                    (None, false) => Err(missing),
                    (None, true) => self.replace(source, None, &precondition, dry_run),
                };
                self.publish(seat);
                let _ = reply.send(answer);
            }
            Command::Edit {
                edit,
                precondition,
                dry_run,
                reply,
                ..
            } => {
                let answer = refused.map_or_else(|| edit::apply(&edit, &self.documents), Err);
                let answer = answer.and_then(|document| {
                    self.replace(Source::Api, Some(document), &precondition, dry_run)
                });
                self.publish(seat);
                let _ = reply.send(answer);
            }
            Command::Attach {
                interface, reply, ..
            } => {
                let answer = match (refused, interface.starts_with("eth")) {
                    (Some(error), _) => Err(error),
                    (None, false) => Err(ControlError::NotFound {
                        what: format!("interface {interface}"),
                    }),
                    (None, true) => {
                        self.attached.insert(interface.clone());
                        Ok(self.interface(&interface))
                    }
                };
                self.publish(seat);
                let _ = reply.send(answer);
            }
            Command::Detach {
                interface, reply, ..
            } => {
                let there = self.attached.remove(&interface);
                let missing = ControlError::NotFound {
                    what: format!("attached interface {interface}"),
                };
                self.publish(seat);
                let _ = reply.send(there.then_some(()).ok_or(missing));
            }
            Command::Rollback { reply, .. } => {
                let _ = reply.send(Err(gone()));
            }
            Command::HistoryDetail { reply, .. } => {
                let _ = reply.send(Err(gone()));
            }
            Command::Confirm { reply, .. } => {
                let _ = reply.send(Err(nothing_waits()));
            }
            Command::Revert { reply, .. } => {
                let _ = reply.send(Err(nothing_waits()));
            }
            Command::DescribeBackends {
                service,
                endpoint,
                reply,
            } => {
                let found = self.found(service, &endpoint, OperatorState::Enabled);
                let described = found.map(|items| {
                    let described = items.into_iter().map(|item| BackendDescription {
                        service: item.service,
                        source: item.source,
                        backend: item.backend,
                        check: None,
                        probes: Vec::new(),
                    });
                    described.collect()
                });
                let _ = reply.send(described);
            }
            Command::SetOperatorState {
                service,
                endpoint,
                state,
                reply,
                ..
            } => {
                let answer = self.found(service, &endpoint, state.into());
                let _ = reply.send(refused.map_or(answer, Err));
            }
            Command::Connections { query, reply } => {
                let all = (0..2500).filter(|n| query.filter.state.is_none() || n % 2 == 0);
                let mut rest = all.skip_while(|n| *n < query.from);
                let items = rest
                    .by_ref()
                    .take(query.limit.into())
                    .map(connection)
                    .collect();
                let _ = reply.send(Ok(ConnectionsFound {
                    items,
                    next: rest.next(),
                }));
            }
            Command::CreateToken { token, reply, .. } => {
                let answer = refused.map_or_else(|| self.create_token(&token), Err);
                self.publish(seat);
                let _ = reply.send(answer);
            }
            Command::RevokeToken { name, reply, .. } => {
                let missing = ControlError::NotFound {
                    what: format!("token {name}"),
                };
                let there = self.tokens.get(&name).is_some();
                self.tokens = self.tokens.without(&name);
                self.publish(seat);
                let _ = reply.send(there.then_some(()).ok_or(missing));
            }
            Command::Metrics { reply } => {
                let _ = reply.send(refused.map_or_else(|| Ok("loxid_ready 1\n".into()), Err));
            }
        }
    }

    /// Its secret is the byte of its number, 32 times.
    /// Backends at an endpoint, in this state.
    fn found(
        &self,
        service: Option<ServiceKey>,
        endpoint: &Endpoint,
        operator: OperatorState,
    ) -> Result<Vec<ServiceBackend>, ControlError> {
        let mut found = Vec::new();
        for (source, stored) in &self.documents {
            for status in statuses(source, stored) {
                let is_wanted = service.is_none_or(|key| status.key == key.to_string());
                let backends = status.backends.into_iter().filter(|backend| {
                    is_wanted
                        && backend.address == endpoint.addr.to_string()
                        && backend.port == endpoint.port.map(Into::into)
                });
                found.extend(backends.map(|backend| ServiceBackend {
                    service: status.key.clone(),
                    source: status.source.clone(),
                    backend: BackendStatus {
                        operator,
                        ..backend
                    },
                }));
            }
        }
        match found.is_empty() {
            true => Err(ControlError::NotFound {
                what: format!("backend {endpoint}"),
            }),
            false => Ok(found),
        }
    }

    fn create_token(&mut self, asked: &NewToken) -> Result<(Secret, Arc<Token>), ControlError> {
        if self.tokens.get(&asked.name).is_some() {
            return Err(ControlError::Conflict {
                message: format!("there is a token {}", asked.name),
                remedy: "choose another name".into(),
            });
        }
        let secret = Secret::from_random([self.tokens.len() as u8 + 1; 32]);
        let (name, role) = (asked.name.clone(), asked.role.into());
        let (now, hash) = (now(), secret.hash());
        let expires = asked.expires_in.map(|seconds| now + seconds);
        let token = Arc::new(Token::new(name, role, hash, now, expires, 0));
        self.tokens = self.tokens.with(token.clone());
        Ok((secret, token))
    }

    fn replace(
        &mut self,
        source: Source,
        document: Option<Document>,
        precondition: &Precondition,
        dry_run: bool,
    ) -> Result<Applied, ControlError> {
        let old = self.documents.get(&source);
        precondition.check(old.map(|stored| stored.generation))?;
        let changes = changes(old.map(|stored| &*stored.document), document.as_ref());
        let mut generation = old.map_or(0, |stored| stored.generation.0);
        if !dry_run {
            self.generation += 1;
            generation = self.generation;
            match document {
                Some(document) => {
                    let generation = Generation(generation);
                    let stored = StoredDocument {
                        generation,
                        document: Arc::new(document),
                    };
                    self.documents.insert(source.clone(), stored);
                }
                None => drop(self.documents.remove(&source)),
            }
        }
        Ok(Applied {
            source: source.to_string(),
            generation,
            dry_run,
            confirm_until: None,
            changes,
        })
    }

    fn interface(&self, name: &str) -> InterfaceStatus {
        let attached = self.attached.contains(name);
        InterfaceStatus {
            name: name.into(),
            ifindex: 2,
            slot: attached.then_some(0),
            mode: if attached {
                XdpMode::Native
            } else {
                XdpMode::None
            },
            driver: Some("veth".into()),
            queues: 1,
            mtu: 1500,
            mac: "02:00:00:00:00:01".into(),
            attached,
            ..InterfaceStatus::default()
        }
    }
}

fn gone() -> ControlError {
    let problem = Problem::new("generation", "generation 3 is not kept", "one of 5 to 24");
    ControlError::Gone(problem.remedy("`loxictl history` lists them"))
}

fn nothing_waits() -> ControlError {
    let problem = Problem::new("confirmation", "nothing waits", "there must be a change");
    ControlError::Blocked(problem.remedy("apply one with --confirm"))
}

fn statuses(source: &Source, stored: &StoredDocument) -> Vec<ServiceStatus> {
    let status = |service: &lb_core::service::Service| ServiceStatus {
        key: service.key.to_string(),
        name: service.name.clone(),
        source: source.to_string(),
        generation: stored.generation.0,
        spec: service.into(),
        conditions: Vec::new(),
        announcements: Vec::new(),
        backends: service
            .backends
            .iter()
            .map(|(endpoint, share)| BackendStatus {
                address: endpoint.addr.to_string(),
                port: endpoint.port.map(Into::into),
                weight: share.weight.get(),
                max_connections: share.max_connections.map(Into::into),
                state: BackendState::Active,
                message: String::new(),
                load: 0,
                health: None,
                operator: OperatorState::Enabled,
                traffic: Traffic::default(),
            })
            .collect(),
        traffic: Traffic::default(),
    };
    stored.document.services().map(status).collect()
}

fn connection(number: u64) -> Connection {
    Connection {
        protocol: Protocol::Tcp,
        client: format!("10.0.0.1:{number}"),
        vip: "20.20.20.1:2020".into(),
        backend: "31.31.31.1:8080".into(),
        source: format!("10.0.0.1:{number}"),
        mode: Some(Mode::Dnat),
        one_sided: false,
        state: ConnectionState::Established,
        idle: 1,
        timeout: 1800,
        packets: 4,
        bytes: 400,
        service: Some("20.20.20.1:2020/tcp".into()),
    }
}
