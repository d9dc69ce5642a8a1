//! What the reconciler needs of a plane beyond tables.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use lb_core::addr::Mac;
use lb_core::plane::Plane;
use lb_core::tables::InterfaceSlot;
use lb_plane::attach::{Asked, AttachError, Attachment, Path, Warning};
use lb_plane::queues::{QueueStatus, TooManyQueues, Wanted};
use lb_plane::sweep::Swept;
use lb_plane::{KernelPlane, Reader, announce, multicast};

/// A plane that packets reach through interfaces.
pub trait DataPlane: Plane {
    fn attach(
        &mut self,
        interface: &str,
        asked: Asked,
        path: Path,
    ) -> Result<(Attachment, Option<Warning>), AttachError>;
    /// Whether packets arrive on an interface, and nobody else has it.
    fn attachable(&self, interface: &str) -> Result<(), AttachError>;
    /// Whether the program of the path `xdp` is loaded, or what the kernel said.
    fn forwarder(&self) -> Result<(), &str>;
    /// The same of the path `afxdp`.
    fn redirector(&self) -> Result<(), &str>;
    /// Asks a worker to serve these queues of an interface.
    fn want(
        &mut self,
        slot: InterfaceSlot,
        ifindex: u32,
        queues: u32,
        wanted: Wanted,
    ) -> Result<(), TooManyQueues>;
    fn unwant(&mut self, slot: InterfaceSlot);
    /// Queues that are wanted or served.
    fn queues(&self) -> Vec<QueueStatus>;
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
        path: Path,
    ) -> Result<(Attachment, Option<Warning>), AttachError> {
        KernelPlane::attach(self, interface, asked, path)
    }

    fn attachable(&self, interface: &str) -> Result<(), AttachError> {
        KernelPlane::attachable(self, interface)
    }

    fn forwarder(&self) -> Result<(), &str> {
        KernelPlane::forwarder(self)
    }

    fn redirector(&self) -> Result<(), &str> {
        KernelPlane::redirector(self)
    }

    fn want(
        &mut self,
        slot: InterfaceSlot,
        ifindex: u32,
        queues: u32,
        wanted: Wanted,
    ) -> Result<(), TooManyQueues> {
        KernelPlane::queues(self).want(slot, ifindex, queues, wanted)
    }

    fn unwant(&mut self, slot: InterfaceSlot) {
        KernelPlane::queues(self).unwant(slot);
    }

    fn queues(&self) -> Vec<QueueStatus> {
        KernelPlane::queues(self).read()
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
