//! A plane over regions, whoever keeps them: plain memory, or the kernel's maps. What the kernel
//! needs besides (devmap entries, and a wait after a bank is switched) is its [`KernelSide`].

use std::collections::BTreeMap;
use std::io;

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_bpf::user::UserHost;
use lb_core::plane::{Limits, Op, Plane};
use lb_core::tables::{BackendId, BackendKey, HopId, Image, InterfaceSlot, RouteRow, Tables};

use crate::codec::{EncodeError, arena, backend, bank, filter, hop, image, interface, service};
use crate::config;
use crate::kernel_side::KernelSide;
use crate::loads::Loads;
use crate::stats::Reader;
use crate::sweep::{STEPS, Swept};
use crate::workers::StuckWorker;

/// Why an op failed, or tables could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("interface slot {slot}, ifindex {ifindex}: devmap")]
    Devmap {
        slot: u8,
        ifindex: u32,
        #[source]
        source: io::Error,
    },
    #[error("wait for packets that read the old bank")]
    Wait(#[source] io::Error),
    #[error(transparent)]
    Worker(#[from] StuckWorker),
}

/// The regions, the connection table's operations, and how far the sweep is.
pub struct RegionPlane {
    regions: Regions,
    pub(crate) host: UserHost,
    pub(crate) kernel: Option<KernelSide>,
    sweep_line: u32,
    /// Packets may still read what a publication has replaced: nothing of it is written.
    is_unsettled: bool,
    loads: Loads,
}

impl RegionPlane {
    /// A plane over plain memory, for packet cases, agreement and fuzzing: no root, no kernel.
    /// Packets run through `UserHost`s of the caller's on [`RegionPlane::regions`], with cpu slots
    /// below the last one, which is the plane's own.
    pub fn in_memory(config: &abi::lb_config) -> Self {
        Self::over(Regions::heap(config), None)
    }

    pub(crate) fn over(regions: Regions, kernel: Option<KernelSide>) -> Self {
        let host = UserHost::new(&regions, regions.config().cpu_slots - 1);
        RegionPlane {
            regions,
            host,
            kernel,
            sweep_line: 0,
            is_unsettled: false,
            loads: Loads::default(),
        }
    }

    /// The memory that forwarding reads.
    pub fn regions(&self) -> &Regions {
        &self.regions
    }

    pub fn reader(&self) -> Reader {
        Reader::new(&self.regions)
    }

    /// Releases expired connections of the next slice of the table.
    pub fn sweep_step(&mut self) -> Swept {
        let lines = self.regions.len(Region::ConnForward);
        let slice = lines.div_ceil(STEPS).min(lines - self.sweep_line);
        let stats = self.host.sweep(self.sweep_line, slice);
        self.sweep_line = (self.sweep_line + slice) % lines;
        Swept {
            released: stats.released,
            live: stats.live,
        }
    }

    fn active(&self) -> u32 {
        control(&self.regions).active & abi::LB_ACTIVE_BANK
    }

    fn put_interface(
        &mut self,
        slot: InterfaceSlot,
        row: &lb_core::tables::InterfaceRow,
    ) -> Result<(), PlaneError> {
        // A hop may lead here as soon as the row is there: the devmap comes first.
        if let Some(kernel) = &self.kernel {
            let ifindex = row.ifindex;
            kernel
                .put_devmap(slot, ifindex)
                .map_err(|source| PlaneError::Devmap {
                    slot: slot.0,
                    ifindex,
                    source,
                })?;
        }
        Ok(interface::put(&self.regions, slot, row)?)
    }

    fn drop_interface(&mut self, slot: InterfaceSlot) -> Result<(), PlaneError> {
        interface::drop(&self.regions, slot)?;
        if let Some(kernel) = &self.kernel {
            kernel
                .drop_devmap(slot)
                .map_err(|source| PlaneError::Devmap {
                    slot: slot.0,
                    ifindex: 0,
                    source,
                })?;
        }
        Ok(())
    }

    /// Fills the idle bank, switches to it, and waits until nothing reads the other one.
    fn publish(&mut self, wanted: &Image) -> Result<(), PlaneError> {
        let regions = &self.regions;
        let made = bank::encode(wanted, regions)?;
        let control = control(regions);
        let present = control.active & abi::LB_ACTIVE_BANK;
        let idle = 1 - present;
        let routes = image::read_routes(regions, present);
        let routes_differ = routes.as_ref() != Some(&wanted.routes);
        made.write(regions, idle);
        // The counters of a key are its own: another's at this id begin at 0.
        for (id, row) in &wanted.services {
            let before = service::read(regions, present, *id);
            if before.is_none_or(|before| before.key != row.key) {
                service::forget(regions, *id)?;
            }
        }
        let route_generation = control
            .route_generation
            .wrapping_add(u32::from(routes_differ));
        // One word: no packet sees a part of it without the others.
        let word = abi::lb_control {
            active: active(idle, wanted),
            route_generation,
            ..control
        };
        regions.store_u64(Region::Control, 0, GENERATION_WORD, control.generation + 1);
        regions.store_u64(Region::Control, 0, 0, first_word(&word));
        self.is_unsettled = true;
        self.settle()
    }

    /// Waits until nobody reads what is no longer published.
    fn settle(&mut self) -> Result<(), PlaneError> {
        if let Some(kernel) = self.kernel.as_ref().filter(|_| self.is_unsettled) {
            kernel.wait_for_readers().map_err(PlaneError::Wait)?;
            kernel.wait_for_workers(&self.regions)?;
        }
        self.is_unsettled = false;
        Ok(())
    }

    fn read_interfaces(&self, tables: &mut Tables) -> Result<(), PlaneError> {
        for (slot, row) in interface::read_all(&self.regions) {
            let in_devmap = match &self.kernel {
                Some(kernel) => kernel.devmap(slot).map_err(|source| PlaneError::Devmap {
                    slot: slot.0,
                    ifindex: row.ifindex,
                    source,
                })?,
                None => Some(row.ifindex),
            };
            // Without its devmap entry it is as if the row were not there: it is put again.
            if in_devmap == Some(row.ifindex) {
                tables.interfaces.insert(slot, row);
            }
        }
        Ok(())
    }

    /// Runs that the services refer to; the rest of an arena is free.
    fn read_arenas(&self, tables: &mut Tables) {
        for row in tables.image.services.values() {
            if let Some(range) = row.slots
                && let Some(slots) = arena::read_slots(&self.regions, range)
            {
                tables.slots.insert(range.first_word, slots);
            }
            if let Some(range) = row.members
                && let Some(members) = arena::read_members(&self.regions, range)
            {
                tables.members.insert(range.first, members);
            }
            // Of none that are treated otherwise there is nothing in the arena.
            if let Some(range) = row.sources.filter(|range| range.count != 0)
                && let Some(boundaries) = arena::read_sources(&self.regions, range)
            {
                tables.sources.insert(range.first, boundaries);
            }
        }
    }

    /// Rows with a next hop, and those that routes lead to.
    fn read_hops(&self, tables: &mut Tables) {
        let ids = (0..self.regions.len(Region::Hops)).map(HopId);
        let resolved = ids.filter_map(|id| Some((id, Some(hop::read(&self.regions, id)?))));
        tables.hops = resolved.collect();
        for row in tables.image.routes.values() {
            if let RouteRow::Via(id) = row {
                tables.hops.entry(*id).or_insert(None);
            }
        }
    }
}

impl Plane for RegionPlane {
    type Error = PlaneError;

    fn limits(&self) -> Limits {
        config::limits(self.regions.config())
    }

    fn read(&mut self) -> Result<Tables, PlaneError> {
        let mut tables = Tables::default();
        self.read_interfaces(&mut tables)?;
        tables.backends = backend::read_all(&self.regions).collect();
        let keys: Vec<BackendKey> = tables.backends.values().map(|row| row.key).collect();
        tables.image = image::read(&self.regions, self.active(), keys.iter());
        if control(&self.regions).active != active(self.active(), &tables.image) {
            tables.image = image::spoilt(tables.image);
        }
        self.read_hops(&mut tables);
        self.read_arenas(&mut tables);
        Ok(tables)
    }

    fn apply(&mut self, op: &Op) -> Result<(), PlaneError> {
        self.settle()?;
        let regions = &self.regions;
        match op {
            Op::PutInterface(slot, row) => return self.put_interface(*slot, row),
            Op::PutHop(id, hop) => hop::put(regions, *id, *hop)?,
            Op::PutBackend(id, row) => backend::put(regions, *id, row)?,
            Op::PutMembers { first, members } => arena::put_members(regions, *first, members)?,
            Op::PutSlots { first_word, slots } => arena::put_slots(regions, *first_word, slots)?,
            Op::PutSources { first, boundaries } => {
                arena::put_sources(regions, *first, boundaries)?;
            }
            Op::Publish(image) => return self.publish(image),
            Op::FlushService(id) => {
                self.host.flush_service(id.0.into());
                service::forget(&self.regions, *id)?;
            }
            Op::FlushDenied(id) => drop(self.host.flush_denied(id.0.into())),
            // What nobody refers to is free: there is nothing to clear.
            Op::DropMembers { .. } | Op::DropSlots { .. } | Op::DropSources { .. } => (),
            Op::DropBackend(id) => backend::drop(regions, *id)?,
            Op::DropHop(id) => hop::put(regions, *id, None)?,
            Op::DropInterface(slot) => return self.drop_interface(*slot),
        }
        Ok(())
    }

    fn connections(&mut self) -> Result<BTreeMap<BackendId, u64>, PlaneError> {
        let mut counts = Vec::new();
        let reader = self.reader();
        let before = Loads::look(&self.regions, &reader);
        self.host.connections_by_backend(&mut counts);
        let used = (0..)
            .map(BackendId)
            .zip(counts)
            .filter(|(_, count)| *count != 0)
            .collect();
        self.loads.mend(&self.regions, &reader, &before, &used);
        Ok(used)
    }
}

const GENERATION_WORD: usize = std::mem::offset_of!(abi::lb_control, generation) / 8;

/// `control.active` of an image in a bank.
fn active(bank: u32, image: &Image) -> u32 {
    let wild = if filter::is_wild(image) {
        abi::LB_ACTIVE_WILD
    } else {
        0
    };
    bank | wild
}

fn control(regions: &Regions) -> abi::lb_control {
    regions.read(Region::Control, 0)
}

fn first_word(control: &abi::lb_control) -> u64 {
    let bytes = zerocopy::IntoBytes::as_bytes(control);
    u64::from_ne_bytes(bytes[..8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests;
