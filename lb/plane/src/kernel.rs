//! The XDP plane: regions in pinned maps, programs on pinned links.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use lb_bpf::abi;
use lb_bpf::region::{Part, Region, Regions, element_size, elements};
use lb_core::plane::{Limits, Op, Plane};
use lb_core::tables::{BackendId, Tables};
use libbpf_rs::libbpf_sys::{self, bpf_map_create_opts};
use libbpf_rs::{MapHandle, MapInfo, MapType};

use crate::attach::{self, Asked, AttachError, Attachment, Warning};
use crate::bpffs;
use crate::config::{InvalidLimit, InvalidTunnelSource, MakeError};
use crate::kernel_side::{self, KernelSide};
use crate::links::Links;
use crate::lock::{InstanceLock, LockError};
use crate::options::{Note, OpenOptions};
use crate::pins::Pins;
use crate::program::Programs;
use crate::queues::Queues;
use crate::region_plane::{PlaneError, RegionPlane};
use crate::settings;
use crate::stats::Reader;
use crate::sweep::Swept;
use crate::sys::Mapping;
use crate::workers::Workers;

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
    #[error(transparent)]
    Limit(#[from] InvalidLimit),
    #[error(transparent)]
    TunnelSource(#[from] InvalidTunnelSource),
    #[error("source ports {first}-{last}: give at least 64, none of them 0")]
    SourcePorts { first: u16, last: u16 },
    #[error(
        "{path} is not a map of this version's; stop loxid and remove the directory it is in, which also ends forwarding"
    )]
    Mismatch { path: PathBuf },
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

impl OpenError {
    /// For `map_err`.
    pub(crate) fn system(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
        let path = path.to_owned();
        move |source| OpenError::System { what, path, source }
    }
}

/// The XDP plane. Dropping it leaves everything forwarding.
pub struct KernelPlane {
    plane: RegionPlane,
    links: Links,
    _lock: InstanceLock,
}

impl KernelPlane {
    /// Opens an instance's pins, or makes them; loads the program and puts it on every link that
    /// is attached. Holds the instance's lock until dropped.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing that forwards was changed.
    pub fn open(options: &OpenOptions) -> Result<(KernelPlane, Vec<Note>), OpenError> {
        check(options)?;
        let lock = take_lock(options)?;
        let mut notes = Vec::new();
        let path = &options.bpffs;
        let mounted = bpffs::ensure(path).map_err(|source| OpenError::NoBpffs {
            path: path.clone(),
            source,
        })?;
        if mounted {
            notes.push(Note::BpffsMounted { path: path.clone() });
        }
        let pins = Pins::new(path, &options.instance)
            .map_err(OpenError::system("make directory of pins below", path))?;
        let (config, settings) = settings::open(&pins, options, &mut notes)?;
        let maps = Region::ALL
            .iter()
            .map(|region| region_map(&pins, *region, &config))
            .collect::<Result<Vec<_>, _>>()?;
        let devmap = open_or_create(&pins, &DEVMAP)?;
        let (xskmap, without) = sockets_map(&pins)?;
        let mut named: Vec<(&str, &MapHandle)> = Region::ALL
            .iter()
            .map(|region| region.name())
            .zip(&maps)
            .collect();
        named.extend([
            (DEVMAP.name, &devmap),
            (XSKMAP.name, &xskmap),
            (settings::NAME, &settings),
        ]);
        let mut programs = Programs::load(&config, &named)?;
        if let Some(reason) = without {
            programs.redirector = Err(reason);
        }
        let regions = map_regions(&maps, &config, pins.dir())?;
        let workers = Workers::new(&config, &options.run_dir, &options.instance);
        let side = KernelSide::new(devmap, workers)
            .map_err(OpenError::system("make maps to wait with for", pins.dir()))?;
        let mut plane = RegionPlane::over(regions, Some(side));
        // A predecessor that was killed in the middle of a sweep is dead: we hold its lock.
        plane.host.reap(config.cpu_slots - 1);
        let links = Links::open(pins, programs, &mut notes)?;
        Ok((
            KernelPlane {
                plane,
                links,
                _lock: lock,
            },
            notes,
        ))
    }

    /// Attaches an interface of the current network namespace, or keeps it attached. A change of
    /// path replaces the program on the link: the interface is never without one.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(
        &mut self,
        interface: &str,
        asked: Asked,
        path: attach::Path,
    ) -> Result<(Attachment, Option<Warning>), AttachError> {
        self.links.attach(interface, asked, path)
    }

    /// Is the forwarder loaded?
    ///
    /// # Errors
    /// What the kernel said when it refused it: interfaces can be served by a worker only.
    pub fn forwarder(&self) -> Result<(), &str> {
        self.links.programs().of(attach::Path::Xdp).map(drop)
    }

    /// Is the redirector loaded?
    ///
    /// # Errors
    /// What the kernel said when it refused it: interfaces can be forwarded by XDP only.
    pub fn redirector(&self) -> Result<(), &str> {
        self.links.programs().of(attach::Path::AfXdp).map(drop)
    }

    /// The queues that a worker serves.
    pub fn queues(&self) -> Queues {
        Queues::new(self.regions())
    }

    /// Whether an interface is one that packets arrive on, and nobody else's.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attachable(&self, interface: &str) -> Result<(), AttachError> {
        self.links.attachable(interface)
    }

    /// Removes the program from an interface.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn detach(&mut self, interface: &str) -> Result<(), AttachError> {
        self.links.detach(interface)
    }

    /// What carries our program, as the kernel says. Links whose interface is gone, or is in
    /// another network namespace, are not listed; pins of those that are gone are removed.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attachments(&self) -> Result<Vec<Attachment>, AttachError> {
        self.links.attachments()
    }

    /// Releases expired connections of the next slice of the table.
    pub fn sweep_step(&mut self) -> Swept {
        self.plane.sweep_step()
    }

    pub fn reader(&self) -> Reader {
        self.plane.reader()
    }

    /// The memory that forwarding reads and writes.
    pub fn regions(&self) -> &Regions {
        self.plane.regions()
    }

    /// Where the pins are.
    pub fn pins(&self) -> &Path {
        self.links.pins().dir()
    }

    /// The loaded program of a path, for a test run.
    pub(crate) fn program(&self, path: attach::Path) -> Option<BorrowedFd<'_>> {
        Some(self.links.programs().of(path).ok()?.as_fd())
    }
}

impl Plane for KernelPlane {
    type Error = PlaneError;

    fn limits(&self) -> Limits {
        self.plane.limits()
    }

    fn read(&mut self) -> Result<Tables, PlaneError> {
        self.plane.read()
    }

    fn apply(&mut self, op: &Op) -> Result<(), PlaneError> {
        self.plane.apply(op)
    }

    fn connections(&mut self) -> Result<BTreeMap<BackendId, u64>, PlaneError> {
        self.plane.connections()
    }
}

fn check(options: &OpenOptions) -> Result<(), OpenError> {
    const LEAST_PORTS: usize = 64;
    let name = &options.instance;
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=32).contains(&name.len()) || !name.bytes().all(valid) {
        return Err(OpenError::Instance(name.clone()));
    }
    let (first, last) = (*options.source_ports.start(), *options.source_ports.end());
    if first == 0 || options.source_ports.len() < LEAST_PORTS {
        return Err(OpenError::SourcePorts { first, last });
    }
    Ok(())
}

fn take_lock(options: &OpenOptions) -> Result<InstanceLock, OpenError> {
    let path = options.run_dir.join(format!("{}.lock", options.instance));
    InstanceLock::take(&path).map_err(|error| match error {
        LockError::Held(pid) => OpenError::AlreadyRunning {
            instance: options.instance.clone(),
            pid,
        },
        LockError::Io(source) => OpenError::System {
            what: "lock",
            path,
            source,
        },
    })
}

/// What a map must be like.
pub(crate) struct Shape {
    pub name: &'static str,
    pub kind: MapType,
    pub value_bytes: u32,
    pub entries: u32,
    pub flags: u32,
}

const DEVMAP: Shape = Shape {
    name: "devmap",
    kind: MapType::Devmap,
    value_bytes: 4,
    entries: abi::LB_MAX_INTERFACES,
    flags: 0,
};

/// The sockets of workers: a place for each row of the region of queues.
pub(crate) const XSKMAP: Shape = Shape {
    name: "xskmap",
    kind: MapType::Xskmap,
    value_bytes: 4,
    entries: abi::LB_MAX_INTERFACES * abi::LB_MAX_QUEUES,
    flags: 0,
};

fn region_map(
    pins: &Pins,
    region: Region,
    config: &abi::lb_config,
) -> Result<MapHandle, OpenError> {
    open_or_create(pins, &region_shape(region, config))
}

fn region_shape(region: Region, config: &abi::lb_config) -> Shape {
    Shape {
        name: region.name(),
        kind: MapType::Array,
        value_bytes: element_size(region) as u32,
        entries: elements(region, config),
        flags: libbpf_sys::BPF_F_MMAPABLE,
    }
}

/// The pinned map, or a map that is then pinned.
fn open_or_create(pins: &Pins, shape: &Shape) -> Result<MapHandle, OpenError> {
    let path = pins.map(shape.name);
    if path.exists() {
        return open_map(&path, shape);
    }
    let map = create_map(&path, shape)?;
    crate::sys::pin(map.as_fd(), &path).map_err(OpenError::system("pin", &path))?;
    Ok(map)
}

/// The map of workers' sockets. On a kernel without AF_XDP another one stands in for it, so that
/// the forwarder, which asks nobody, is what it is elsewhere; and the reason why.
fn sockets_map(pins: &Pins) -> Result<(MapHandle, Option<String>), OpenError> {
    let path = pins.map(XSKMAP.name);
    match open_or_create(pins, &XSKMAP) {
        Err(OpenError::System { source, .. }) if !path.exists() => {
            let reason = format!(
                "the kernel makes no map of AF_XDP's sockets (CONFIG_XDP_SOCKETS): {source}"
            );
            let stand_in = Shape {
                kind: MapType::Array,
                ..XSKMAP
            };
            Ok((create_map(&path, &stand_in)?, Some(reason)))
        }
        map => Ok((map?, None)),
    }
}

pub(crate) fn open_map(path: &Path, shape: &Shape) -> Result<MapHandle, OpenError> {
    let failed = |error| OpenError::system("open", path)(kernel_side::error(error));
    let map = MapHandle::from_pinned_path(path).map_err(failed)?;
    let info = MapInfo::new(map.as_fd())
        .map_err(|error| OpenError::system("look at", path)(kernel_side::error(error)))?;
    let found = (info.map_type(), info.info.value_size, info.info.max_entries);
    if found != (shape.kind, shape.value_bytes, shape.entries) {
        return Err(OpenError::Mismatch {
            path: path.to_owned(),
        });
    }
    Ok(map)
}

pub(crate) fn create_map(path: &Path, shape: &Shape) -> Result<MapHandle, OpenError> {
    let options = bpf_map_create_opts {
        map_flags: shape.flags,
        ..kernel_side::options()
    };
    kernel_side::create(
        shape.kind,
        shape.name,
        shape.value_bytes,
        shape.entries,
        &options,
    )
    .map_err(OpenError::system("make the map for", path))
}

/// The regions and `xskmap` of pins that a daemon made, for a worker.
pub(crate) fn open_pinned(pins: &Pins) -> Result<(Regions, MapHandle), OpenError> {
    let config = settings::read(pins)?;
    let maps = Region::ALL
        .iter()
        .map(|region| {
            let shape = region_shape(*region, &config);
            open_map(&pins.map(shape.name), &shape)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let regions = map_regions(&maps, &config, pins.dir())?;
    Ok((regions, open_map(&pins.map(XSKMAP.name), &XSKMAP)?))
}

fn map_regions(
    maps: &[MapHandle],
    config: &abi::lb_config,
    dir: &Path,
) -> Result<Regions, OpenError> {
    let mut mappings = Vec::new();
    let mut parts = Vec::new();
    for (region, map) in Region::ALL.into_iter().zip(maps) {
        let (stride, count) = (element_size(region), elements(region, config) as usize);
        let mapping = Mapping::new(map.as_fd(), stride * count)
            .map_err(OpenError::system("map into memory a map of", dir))?;
        parts.push(Part {
            base: mapping.base(),
            stride,
            count,
        });
        mappings.push(mapping);
    }
    let parts = parts.try_into().expect("one part for each region");
    // SAFETY: each part is a mapping of its size (a map of this shape was created, or checked when
    // opened), page aligned; the mappings go along as the keeper. The kernel's programs and other
    // hosts change them by the core's atomics only.
    Ok(unsafe { Regions::from_raw(parts, config, Box::new(mappings)) })
}

impl From<MakeError> for OpenError {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Limit(limit) => OpenError::Limit(limit),
            MakeError::TunnelSource(source) => OpenError::TunnelSource(source),
            MakeError::Random(error) => OpenError::System {
                what: "read random numbers for",
                path: PathBuf::from(settings::NAME),
                source: io::Error::other(error.to_string()),
            },
        }
    }
}
