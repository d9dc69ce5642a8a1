//! The types of `/v1`: camelCase keys, unknown keys refused, units in each field's text.

mod change;
mod connection;
mod convert;
mod document;
mod error;
mod interface;
mod invalid;
mod list;
mod service;
mod status;

pub use change::{Applied, Change, ChangeKind, changes};
pub use connection::{Connection, ConnectionState, ConnectionsPage};
pub(crate) use convert::edit_problems;
pub use convert::{
    endpoint, interface_name, parse_service_key, parse_source, service_key, service_path,
};
pub use document::{Backend, Document, Mode, NoBackend, Protocol, Select, Service};
pub use error::{ErrorBody, ErrorDetail, ErrorEnvelope};
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
