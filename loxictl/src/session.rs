//! One run of the program: whom it asks, where it prints, and what an error means for a person.

use std::ops::ControlFlow;
use std::path::Path;

pub use lb_api::client::ChangeOptions;
use lb_api::client::Heard;
use lb_api::client::{ApiError, Client, ClientError, ConnectionsRequest, Credentials, Target};
use lb_api::control::Generation;
pub use lb_api::control::Precondition;
use lb_api::wire::{
    Applied, Attach, AttachAs, BackendDescription, Confirmation, Connection, ConnectionsPage,
    CreatedToken, Document, DocumentStatus, Event, EventId, EventKind, HistoryDetail, HistoryEntry,
    InterfaceStatus, NewToken, OperatorState, ServiceBackend, ServiceStatus, Status, Token,
};
use lb_core::intent::Source;
use lb_core::service::{Endpoint, ServiceKey};

use crate::cli::{DEFAULT_SERVER, Global};
use crate::contexts;
use crate::failure::{Failure, Kind, Result};
use crate::output::Output;

#[cfg(test)]
mod tests;

pub struct Session {
    client: Client,
    pub output: Output,
}

impl Session {
    pub fn new(global: &Global) -> Result<Self> {
        let (target, files) = contexts::chosen(global)?;
        let credentials = Credentials::load(&files, &target).map_err(contexts::of_credentials)?;
        Ok(Self {
            client: Client::with_credentials(target, credentials),
            output: Output::new(global.output, global.no_color),
        })
    }

    /// For commands that ask nobody: what is wrong with files and contexts is not theirs.
    pub fn offline(global: &Global) -> Self {
        let here = DEFAULT_SERVER.parse().expect("the default is a server");
        Self {
            client: Client::new(here),
            output: Output::new(global.output, global.no_color),
        }
    }

    /// Whom it asks.
    pub fn target(&self) -> &Target {
        self.client.target()
    }

    pub async fn tokens(&self) -> Result<Vec<Token>> {
        Ok(self.client.tokens().await.map_err(failure)?.items)
    }

    pub async fn create_token(&self, token: &NewToken) -> Result<CreatedToken> {
        self.client.create_token(token).await.map_err(failure)
    }

    pub async fn revoke_token(&self, name: &str) -> Result<()> {
        self.client.revoke_token(name).await.map_err(failure)
    }

    pub async fn documents(&self) -> Result<Vec<DocumentStatus>> {
        Ok(self.client.documents().await.map_err(failure)?.items)
    }

    /// A document and its generation, if somebody made it.
    pub async fn document(&self, source: &Source) -> Result<Option<(Document, Generation)>> {
        self.client.document(source).await.map_err(failure)
    }

    /// Replaces a document whole, or only says what would change.
    pub async fn put_document(
        &self,
        source: &Source,
        document: &Document,
        precondition: Precondition,
        dry_run: bool,
    ) -> Result<Applied> {
        let options = ChangeOptions {
            precondition,
            dry_run,
            ..ChangeOptions::default()
        };
        self.put(source, document, &options).await
    }

    /// The same with everything that can be said of a change.
    pub async fn put(
        &self,
        source: &Source,
        document: &Document,
        options: &ChangeOptions,
    ) -> Result<Applied> {
        self.client
            .put_document(source, document, options)
            .await
            .map_err(failure)
    }

    pub async fn history(&self, source: Option<&Source>) -> Result<Vec<HistoryEntry>> {
        Ok(self.client.history(source).await.map_err(failure)?.items)
    }

    pub async fn generation(&self, generation: u64) -> Result<HistoryDetail> {
        self.client.generation(generation).await.map_err(failure)
    }

    pub async fn rollback(&self, generation: u64, options: &ChangeOptions) -> Result<Applied> {
        self.client
            .rollback(generation, options)
            .await
            .map_err(failure)
    }

    pub async fn confirm(&self, generation: Option<u64>) -> Result<Confirmation> {
        self.client.confirm(generation).await.map_err(failure)
    }

    pub async fn revert(&self, generation: Option<u64>) -> Result<Applied> {
        self.client.revert(generation).await.map_err(failure)
    }

    pub async fn events(&self, kinds: &[EventKind]) -> Result<Vec<Event>> {
        Ok(self.client.events(kinds).await.map_err(failure)?.items)
    }

    pub async fn listen(
        &self,
        kinds: &[EventKind],
        since: Option<EventId>,
        hear: impl FnMut(Heard) -> ControlFlow<()>,
    ) -> Result<()> {
        self.client
            .listen(kinds, since, hear)
            .await
            .map_err(failure)
    }

    pub async fn metrics(&self) -> Result<String> {
        self.client.metrics().await.map_err(failure)
    }

    /// What `put_document` would change.
    pub async fn diff(&self, source: &Source, document: &Document) -> Result<Applied> {
        self.client.diff(source, document).await.map_err(failure)
    }

    pub async fn services(&self) -> Result<Vec<ServiceStatus>> {
        Ok(self.client.services().await.map_err(failure)?.items)
    }

    pub async fn backends(&self) -> Result<Vec<ServiceBackend>> {
        Ok(self.client.backends().await.map_err(failure)?.items)
    }

    pub async fn describe_backend(
        &self,
        service: Option<&ServiceKey>,
        endpoint: &Endpoint,
    ) -> Result<Vec<BackendDescription>> {
        let described = self.client.describe_backend(service, endpoint).await;
        Ok(described.map_err(failure)?.items)
    }

    pub async fn set_operator_state(
        &self,
        service: Option<&ServiceKey>,
        endpoint: &Endpoint,
        state: OperatorState,
    ) -> Result<Vec<ServiceBackend>> {
        let set = self
            .client
            .set_operator_state(service, endpoint, state)
            .await;
        Ok(set.map_err(failure)?.items)
    }

    pub async fn interfaces(&self) -> Result<Vec<InterfaceStatus>> {
        Ok(self.client.interfaces().await.map_err(failure)?.items)
    }

    pub async fn attach(&self, name: &str, how: AttachAs) -> Result<InterfaceStatus> {
        self.client
            .attach(&Attach {
                name: name.into(),
                mode: how.mode,
                datapath: how.datapath,
            })
            .await
            .map_err(failure)
    }

    pub async fn detach(&self, name: &str) -> Result<()> {
        self.client.detach(name).await.map_err(failure)
    }

    pub async fn connections(&self, request: &ConnectionsRequest) -> Result<ConnectionsPage> {
        self.client.connections(request).await.map_err(failure)
    }

    /// The first connection that is found, on whichever page.
    pub async fn first_connection(
        &self,
        mut request: ConnectionsRequest,
    ) -> Result<Option<Connection>> {
        loop {
            let page = self.connections(&request).await?;
            match (page.items.into_iter().next(), page.next) {
                (Some(connection), _) => return Ok(Some(connection)),
                (None, None) => return Ok(None),
                (None, next) => request.cursor = next,
            }
        }
    }

    pub async fn status(&self) -> Result<Status> {
        self.client.status().await.map_err(failure)
    }
}

fn failure(error: ClientError) -> Failure {
    match error {
        ClientError::Api(error) => refused(&error),
        ClientError::Unreachable { ref target, .. } => {
            Failure::new(Kind::Unreachable, error.to_string()).remedy(unreachable_remedy(target))
        }
        ClientError::Foreign { .. } => Failure::runtime(error.to_string())
            .remedy("is it loxid that listens there, of the version of this loxictl? See --server"),
    }
}

/// What the API's status means for the exit code. The error's text has its remedy.
fn refused(error: &ApiError) -> Failure {
    let kind = match error.status {
        400 | 413 | 415 | 422 => Kind::Usage,
        404 => Kind::NotFound,
        409 | 412 => Kind::Conflict,
        503 => Kind::Unreachable,
        _ => Kind::Runtime,
    };
    let failure = Failure::new(kind, error.to_string());
    match error.status {
        412 => failure.remedy(
            "somebody changed it meanwhile: `loxictl diff -f FILE` shows how it differs from yours",
        ),
        403 if error.error.remedy.is_none() => failure.remedy(
            "this needs the admin role: over the unix socket as root or as a member of loxid-admin",
        ),
        _ => failure,
    }
}

/// What can be wrong between us and loxid.
fn unreachable_remedy(target: &Target) -> String {
    match target {
        Target::Http { .. } | Target::Https { .. } => {
            "is loxid running there, and does its configuration have this listener? See --server"
                .into()
        }
        Target::Unix(path) => match std::fs::symlink_metadata(path) {
            Ok(_) => socket_remedy(path),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                permission_remedy()
            }
            Err(_) => format!(
                "{} does not exist: start loxid (systemctl start loxid), or say where it listens with --server or LOXID_SERVER",
                path.display()
            ),
        },
    }
}

fn socket_remedy(path: &Path) -> String {
    use nix::unistd::{AccessFlags, access};
    match access(path, AccessFlags::R_OK | AccessFlags::W_OK) {
        Err(_) => permission_remedy(),
        Ok(()) => {
            "the socket is there, but nobody answers: is loxid running (systemctl status loxid)?"
                .into()
        }
    }
}

fn permission_remedy() -> String {
    "you may not use the socket: become root, or a member of the group loxid (to look) or loxid-admin (to change)".into()
}
