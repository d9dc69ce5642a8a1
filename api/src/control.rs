//! The seam to the daemon.
//!
//! ```text
//!   server ── Command + oneshot reply ──> the daemon's loop (the only writer)
//!          <── watch: Arc<State> ───────  published after every change and on its tick
//! ```
//! Reads are answered from the snapshot and never wait for the loop; what changes something, or
//! reads the tables, is a command.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lb_core::health::OperatorState;
use lb_core::intent::{Document, Source};
use lb_core::service::{Endpoint, Protocol, ServiceKey};
use tokio::sync::{mpsc, oneshot, watch};

use crate::edit::Edit;
use crate::events::EventLog;
use crate::token::{Secret, Token, Tokens};
use crate::wire::{
    Applied, AttachAs, BackendDescription, Comment, Confirmation, Connection, ConnectionState,
    HistoryDetail, HistoryEntry, InterfaceStatus, Invalid, NewToken, Problem, ServiceBackend,
    ServiceStatus, Status, Timestamp,
};

/// Commands that wait for the loop at most; more are refused as unavailable.
pub const COMMANDS_MAX: usize = 64;

/// How long a command may take.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Most connections on a page.
pub const PAGE_MAX: u16 = 1000;

/// Where the answer to a command goes. An error here means that nobody waits for it.
pub type Reply<T> = oneshot::Sender<Result<T, ControlError>>;

/// What the daemon can be asked for.
#[derive(Debug)]
pub enum Command {
    /// Replaces a source's document whole.
    PutDocument {
        source: Source,
        document: Document,
        precondition: Precondition,
        dry_run: bool,
        terms: Terms,
        actor: Actor,
        reply: Reply<Applied>,
    },
    /// `NotFound` if there is none.
    DeleteDocument {
        source: Source,
        precondition: Precondition,
        dry_run: bool,
        actor: Actor,
        reply: Reply<Applied>,
    },
    /// Edits the document `api`: `edit::apply` says what becomes of it.
    Edit {
        edit: Edit,
        precondition: Precondition,
        dry_run: bool,
        actor: Actor,
        reply: Reply<Applied>,
    },
    /// Attaches the program; `Ok` also if it is attached so.
    Attach {
        interface: String,
        how: AttachAs,
        actor: Actor,
        reply: Reply<InterfaceStatus>,
    },
    /// Takes the program off; `NotFound` if it is not attached.
    Detach {
        interface: String,
        actor: Actor,
        reply: Reply<()>,
    },
    /// Makes an earlier generation's contents its document again, as a generation of its own.
    Rollback {
        generation: Generation,
        /// Of the document.
        precondition: Precondition,
        dry_run: bool,
        terms: Terms,
        actor: Actor,
        reply: Reply<Applied>,
    },
    HistoryDetail {
        generation: Generation,
        reply: Reply<HistoryDetail>,
    },
    /// Keeps the change that waits to be confirmed; a conflict if none does.
    Confirm {
        precondition: Precondition,
        actor: Actor,
        reply: Reply<Confirmation>,
    },
    /// Takes it back without waiting for its deadline.
    Revert {
        precondition: Precondition,
        actor: Actor,
        reply: Reply<Applied>,
    },
    Connections {
        query: ConnectionsQuery,
        reply: Reply<ConnectionsFound>,
    },
    /// A conflict if one of that name is there. `token` was checked.
    CreateToken {
        token: NewToken,
        actor: Actor,
        reply: Reply<(Secret, Arc<Token>)>,
    },
    /// `NotFound` if there is none.
    RevokeToken {
        name: String,
        actor: Actor,
        reply: Reply<()>,
    },
    /// A backend in a service, or in all that lead to it; `NotFound` if it is in none.
    DescribeBackends {
        service: Option<ServiceKey>,
        endpoint: Endpoint,
        reply: Reply<Vec<BackendDescription>>,
    },
    /// The same, of what an operator says of it. Whom something is said of may be enabled though
    /// no service has it.
    SetOperatorState {
        service: Option<ServiceKey>,
        endpoint: Endpoint,
        state: OperatorState,
        actor: Actor,
        reply: Reply<Vec<ServiceBackend>>,
    },
    /// In the text format of Prometheus.
    Metrics { reply: Reply<String> },
}

/// A number that grows with every change; of a document, that of its last change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a change is remembered, and whether it stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    pub comment: Option<Comment>,
    /// It reverts after this time unless it is confirmed.
    pub confirm: Option<Duration>,
}

/// What must be so for a change to be made (RFC 9110, 13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    #[default]
    None,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: *`
    Present,
    /// `If-Match: "7"`: one of these.
    Generation(Vec<Generation>),
}

impl Precondition {
    /// `current`: the document's generation, if there is a document.
    pub fn check(&self, current: Option<Generation>) -> Result<(), ControlError> {
        let holds = match self {
            Self::None => true,
            Self::Absent => current.is_none(),
            Self::Present => current.is_some(),
            Self::Generation(wanted) => current.is_some_and(|current| wanted.contains(&current)),
        };
        if holds {
            Ok(())
        } else {
            Err(ControlError::Precondition { current })
        }
    }
}

/// Who asks for a change: for the audit line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `root (uid 0)`, `token NAME`, `certificate SUBJECT`, or `anyone` over TCP.
    pub who: String,
    /// `unix`, or the peer's address.
    pub from: String,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.who, self.from)
    }
}

/// Which connections, and which of those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionsQuery {
    pub filter: ConnectionFilter,
    /// Position in the table to begin at.
    pub from: u64,
    /// 1 to `PAGE_MAX`.
    pub limit: u16,
}

/// All that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    pub service: Option<ServiceKey>,
    pub client: Option<End>,
    pub backend: Option<End>,
    pub protocol: Option<Protocol>,
    pub state: Option<ConnectionState>,
}

/// An address, with any port or this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub addr: IpAddr,
    pub port: Option<NonZeroU16>,
}

/// At most `limit` connections, and the position after the last one looked at, if there are
/// positions left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionsFound {
    pub items: Vec<Connection>,
    pub next: Option<u64>,
}

/// What is so: published whole.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// In the order of precedence.
    pub documents: BTreeMap<Source, StoredDocument>,
    /// Of all documents, in the order of source and key.
    pub services: Vec<ServiceStatus>,
    /// In the order of names.
    pub interfaces: Vec<InterfaceStatus>,
    /// Generations that are kept, newest first.
    pub history: Arc<Vec<HistoryEntry>>,
    pub status: Status,
    pub tokens: Arc<Tokens>,
    pub readiness: Readiness,
}

/// A document and when it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    pub generation: Generation,
    pub document: Arc<Document>,
}

/// Whether the tables follow the documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// Why not.
    NotReady(String),
}

impl Default for Readiness {
    fn default() -> Self {
        Self::NotReady("starting".into())
    }
}

/// Why a command was not done. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// 422
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// 404. `what`: `document kube/prod`, `service 20.20.20.1:2020/tcp`, `interface eth7`.
    #[error("there is no {what}")]
    NotFound { what: String },
    /// 404, where a value names something that is gone.
    #[error("{0}")]
    Gone(Problem),
    /// 409, where a value can't be what it is just then.
    #[error("{0}")]
    Blocked(Problem),
    /// 409
    #[error("{message}; {remedy}")]
    Conflict { message: String, remedy: String },
    /// 412
    #[error("{}", precondition(.current))]
    Precondition { current: Option<Generation> },
    /// 413: the appliance's tables have no room for it.
    #[error("{message}; {remedy}")]
    TooLarge { message: String, remedy: String },
    /// 507: it could not be stored.
    #[error("{message}; {remedy}")]
    Storage { message: String, remedy: String },
    /// 503
    #[error("{message}")]
    Unavailable { message: String },
}

fn precondition(current: &Option<Generation>) -> String {
    match current {
        Some(current) => {
            format!("the document is of generation {current}, not of the one asked for")
        }
        None => "there is no such document".into(),
    }
}

/// The server's end of the seam.
#[derive(Clone, Debug)]
pub struct ControlHandle {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<Arc<State>>,
    events: Arc<EventLog>,
}

/// The daemon's end of the seam.
#[derive(Debug)]
pub struct ControlSeat {
    pub commands: mpsc::Receiver<Command>,
    pub state: watch::Sender<Arc<State>>,
    pub events: Arc<EventLog>,
}

/// Both ends. The state is empty and not ready until the daemon publishes one.
pub fn channel() -> (ControlHandle, ControlSeat) {
    let (command_sender, command_receiver) = mpsc::channel(COMMANDS_MAX);
    let (state_sender, state_receiver) = watch::channel(Arc::new(State::default()));
    let events = Arc::new(EventLog::new(Timestamp::of(SystemTime::now()).0));
    let handle = ControlHandle {
        commands: command_sender,
        state: state_receiver,
        events: events.clone(),
    };
    (
        handle,
        ControlSeat {
            commands: command_receiver,
            state: state_sender,
            events,
        },
    )
}

impl ControlHandle {
    /// The snapshot published last.
    pub fn state(&self) -> Arc<State> {
        self.state.borrow().clone()
    }

    /// What happened.
    pub fn events(&self) -> Arc<EventLog> {
        self.events.clone()
    }

    /// The daemon's end is gone.
    pub fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// Sends a command and waits for its reply, `REPLY_TIMEOUT` at most.
    pub async fn call<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .try_send(command(reply))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    unavailable(format!("{COMMANDS_MAX} commands wait already; try again"))
                }
                mpsc::error::TrySendError::Closed(_) => unavailable("the daemon is stopping"),
            })?;
        match tokio::time::timeout(REPLY_TIMEOUT, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(unavailable("the daemon stopped before it answered")),
            Err(_) => Err(unavailable(format!(
                "no answer within {} s; the change may still be made",
                REPLY_TIMEOUT.as_secs()
            ))),
        }
    }
}

fn unavailable(message: impl Into<String>) -> ControlError {
    ControlError::Unavailable {
        message: message.into(),
    }
}
