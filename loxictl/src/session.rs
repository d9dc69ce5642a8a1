//! One run of the program: whom it asks, where it prints, and what an error means for a person.

use std::path::Path;

use lb_api::client::{ApiError, ChangeOptions, Client, ClientError, ConnectionsRequest, Target};
use lb_api::control::Generation;
pub use lb_api::control::Precondition;
use lb_api::wire::{
    Applied, Attach, AttachAs, Connection, ConnectionsPage, Document, DocumentStatus,
    InterfaceStatus, ServiceBackend, ServiceStatus, Status,
};
use lb_core::intent::Source;

use crate::cli::Global;
use crate::failure::{Failure, Kind, Result};
use crate::output::Output;

#[cfg(test)]
mod tests;

pub struct Session {
    client: Client,
    pub output: Output,
}

impl Session {
    pub fn new(global: &Global) -> Self {
        Self {
            client: Client::new(global.server.clone()),
            output: Output::new(global.output, global.no_color),
        }
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
        };
        self.client
            .put_document(source, document, &options)
            .await
            .map_err(failure)
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
        Target::Http { .. } => {
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
