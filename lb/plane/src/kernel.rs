//! The XDP plane: regions in pinned maps, programs on pinned links.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use lb_core::plane::{Limits, Op, Plane};
use lb_core::tables::{BackendId, Tables};

use crate::attach::{Asked, AttachError, Attachment, Warning};
use crate::options::{Note, OpenOptions};
use crate::stats::Reader;
use crate::sweep::Swept;

/// Why a plane was not opened. What was pinned still forwards.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "instance {instance:?} is already run by process {}; stop it, or choose another `instance`",
        pid.map_or("?".to_string(), |pid| pid.to_string())
    )]
    AlreadyRunning { instance: String, pid: Option<u32> },
    #[error("instance {0:?}: one to 32 of a-z, 0-9 and `-`")]
    Instance(String),
    #[error("{path} is no bpffs and none could be mounted; run: mount -t bpf bpf {path}")]
    NoBpffs {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("limit {limit}: {value} is not within {least} to {most}")]
    Limit {
        limit: &'static str,
        value: u64,
        least: u64,
        most: u64,
    },
    #[error("the kernel rejects the program; what was attached keeps running. It says:\n{log}")]
    Rejected { log: String },
    #[error("{what} {path}")]
    System {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Why an op failed, or tables could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {}

/// The XDP plane. Dropping it leaves everything forwarding.
pub struct KernelPlane {}

impl KernelPlane {
    /// Opens an instance's pins, or makes them; loads the program and puts it on every link that
    /// is attached. Holds the instance's lock until dropped.
    pub fn open(_options: &OpenOptions) -> Result<(KernelPlane, Vec<Note>), OpenError> {
        todo!()
    }

    /// Attaches an interface of the current network namespace, or keeps it attached.
    pub fn attach(
        &mut self,
        _interface: &str,
        _asked: Asked,
    ) -> Result<(Attachment, Option<Warning>), AttachError> {
        todo!()
    }

    /// Removes the program from an interface.
    pub fn detach(&mut self, _interface: &str) -> Result<(), AttachError> {
        todo!()
    }

    /// What carries our program, as the kernel says. Links whose interface is gone are not listed.
    pub fn attachments(&self) -> Result<Vec<Attachment>, AttachError> {
        todo!()
    }

    /// Releases expired connections of the next slice of the table.
    pub fn sweep_step(&mut self) -> Swept {
        todo!()
    }

    pub fn reader(&self) -> Reader {
        todo!()
    }
}

impl Plane for KernelPlane {
    type Error = PlaneError;

    fn limits(&self) -> Limits {
        todo!()
    }

    fn read(&mut self) -> Result<Tables, PlaneError> {
        todo!()
    }

    fn apply(&mut self, _op: &Op) -> Result<(), PlaneError> {
        todo!()
    }

    fn connections(&mut self) -> Result<BTreeMap<BackendId, u64>, PlaneError> {
        todo!()
    }
}
