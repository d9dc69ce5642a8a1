//! The types of `/v1`: camelCase keys, unknown keys refused, units in each field's text.

mod announce;
mod change;
mod check;
mod connection;
mod convert;
mod document;
mod error;
mod event;
mod history;
mod interface;
mod invalid;
mod list;
mod service;
mod status;
mod time;
mod token;

pub use announce::{Announce, AnnounceState, AnnounceWhen, Announcement};
pub use change::{Applied, Change, ChangeKind, changes};
pub use check::{
    BackendDescription, Check, Health, OperatorState, ProbeResult, ProbeStatus, SetOperatorState,
    Verdict,
};
pub use connection::{Connection, ConnectionState, ConnectionsPage};
pub(crate) use convert::edit_problems;
pub use convert::{
    endpoint, interface_name, parse_service_key, parse_source, service_key, service_path,
};
pub use document::{Backend, Document, Mode, NoBackend, Protocol, Select, Service};
pub use error::{ErrorBody, ErrorDetail, ErrorEnvelope};
pub use event::{Event, EventGap, EventId, EventIdError, EventKind, Severity};
pub use history::{
    CONFIRM_MAX, Comment, Confirmation, HistoryAction, HistoryDetail, HistoryEntry, confirm_span,
    summary,
};
pub use interface::{
    Attach, AttachAs, AttachMode, Datapath, InterfaceStatus, Path, Socket, SocketState, XdpMode,
};
pub use invalid::{Invalid, Problem};
pub use list::List;
pub use service::{
    BackendState, BackendStatus, Condition, ConditionStatus, ServiceBackend, ServiceStatus, Share,
    Traffic,
};
pub use status::{DataPlane, DocumentStatus, ReasonCount, Status, TableUsage, WorkerStatus};
pub use time::{Timestamp, TimestampError, parse_span};
pub use token::{CreatedToken, NewToken, Role, Token, token_name};
