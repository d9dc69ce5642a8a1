//! What the reconciler needs of a plane beyond tables.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use lb_core::addr::Mac;
use lb_core::plane::Plane;
use lb_plane::attach::{Asked, AttachError, Attachment, Warning};
use lb_plane::sweep::Swept;
use lb_plane::{KernelPlane, Reader, announce, multicast};

/// A plane that packets reach through interfaces.
pub trait DataPlane: Plane {
    fn attach(
        &mut self,
        interface: &str,
        asked: Asked,
    ) -> Result<(Attachment, Option<Warning>), AttachError>;
    fn detach(&mut self, interface: &str) -> Result<(), AttachError>;
    fn attachments(&self) -> Result<Vec<Attachment>, AttachError>;
    /// Joins a link-level group on an interface, beyond the process.
    fn join(&mut self, interface: &str, group: Mac) -> io::Result<()>;
    fn leave(&mut self, interface: &str, group: Mac) -> io::Result<()>;
    fn joined(&self, interface: &str) -> io::Result<BTreeSet<Mac>>;
    /// Sends frames by devices (ifindexes). Returns why some were not sent, by their place.
    fn transmit(&mut self, frames: &[(u32, Vec<u8>)]) -> BTreeMap<usize, io::Error>;
    fn sweep_step(&mut self) -> Swept;
    fn reader(&self) -> Reader;
}

impl DataPlane for KernelPlane {
    fn attach(
        &mut self,
        interface: &str,
        asked: Asked,
    ) -> Result<(Attachment, Option<Warning>), AttachError> {
        KernelPlane::attach(self, interface, asked)
    }

    fn detach(&mut self, interface: &str) -> Result<(), AttachError> {
        KernelPlane::detach(self, interface)
    }

    fn attachments(&self) -> Result<Vec<Attachment>, AttachError> {
        KernelPlane::attachments(self)
    }

    fn join(&mut self, interface: &str, group: Mac) -> io::Result<()> {
        multicast::join(interface, group)
    }

    fn leave(&mut self, interface: &str, group: Mac) -> io::Result<()> {
        multicast::leave(interface, group)
    }

    fn joined(&self, interface: &str) -> io::Result<BTreeSet<Mac>> {
        multicast::joined(interface)
    }

    fn transmit(&mut self, frames: &[(u32, Vec<u8>)]) -> BTreeMap<usize, io::Error> {
        announce::transmit(frames)
    }

    fn sweep_step(&mut self) -> Swept {
        KernelPlane::sweep_step(self)
    }

    fn reader(&self) -> Reader {
        KernelPlane::reader(self)
    }
}
