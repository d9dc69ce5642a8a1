//! The pinned links: attach, keep, replace, detach.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use libbpf_rs::libbpf_sys::{XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};

use crate::attach::{self, Asked, AttachError, Attachment, Mode, Warning};
use crate::kernel::OpenError;
use crate::netlink::{RawLink, Requests};
use crate::options::Note;
use crate::pins::{Pins, links_in};
use crate::program::{self, Programs};
use crate::sys::{self, LinkInfo};

/// ENOTSUPP, which the kernel uses within and sometimes lets out.
const ENOTSUPP: i32 = 524;

/// The links of an instance, and the programs of which one is on each.
pub(crate) struct Links {
    pins: Pins,
    programs: Programs,
}

impl Links {
    /// Puts our program of the same path on every link that is pinned, and takes over those of
    /// another ABI. Where that program was not loaded, the one that is there stays.
    pub fn open(pins: Pins, programs: Programs, notes: &mut Vec<Note>) -> Result<Self, OpenError> {
        if let Ok(forwarder) = &programs.forwarder {
            let stages = pins.stages(forwarder.stages_id);
            sys::pin(forwarder.stages.as_fd(), &stages)
                .map_err(OpenError::system("pin", &stages))?;
        }
        let links = Links { pins, programs };
        let dir = links.pins.dir().to_owned();
        for path in links
            .pins
            .links()
            .map_err(OpenError::system("list", &dir))?
        {
            if !links
                .update(&path)
                .map_err(OpenError::system("update", &path))?
            {
                notes.push(Note::DeadLink { path });
            }
        }
        for other in links
            .pins
            .others()
            .map_err(OpenError::system("list", &dir))?
        {
            links
                .take_over(&other)
                .map_err(OpenError::system("take over", &other))?;
            notes.push(Note::OtherAbi { path: other });
        }
        // A forwarder that could not be replaced still needs its own.
        if let Ok(forwarder) = &links.programs.forwarder {
            links
                .pins
                .forget_stages(forwarder.stages_id)
                .map_err(OpenError::system("tidy", &dir))?;
        }
        Ok(links)
    }

    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Replaces a pinned link's program by ours of the same path, if that was loaded. False: the
    /// link was dead, and is removed.
    fn update(&self, path: &Path) -> io::Result<bool> {
        let link = sys::open_pin(path)?;
        let info = sys::link_info(link.as_fd())?;
        if info.ifindex == 0 {
            std::fs::remove_file(path)?;
            return Ok(false);
        }
        if let Ok(program) = self.programs.of(path_of(&info)?) {
            sys::link_update(link.as_fd(), program.as_fd())?;
        }
        Ok(true)
    }

    /// Links of an instance with another ABI get our program and our directory: no interface is
    /// ever without one. Their maps go.
    fn take_over(&self, other: &Path) -> io::Result<()> {
        for path in links_in(other)? {
            if self.update(&path)? {
                let link = sys::open_pin(&path)?;
                let info = sys::link_info(link.as_fd())?;
                // A program over maps that go would forward by what nobody tends any more.
                if self.programs.of(path_of(&info)?).is_err()
                    && let Ok(other) = self.programs.of(other_than(path_of(&info)?))
                {
                    sys::link_update(link.as_fd(), other.as_fd())?;
                }
                std::fs::rename(&path, self.pins.link(info.ifindex))?;
            }
        }
        std::fs::remove_dir_all(other)
    }

    pub fn attach(
        &mut self,
        interface: &str,
        asked: Asked,
        by: attach::Path,
    ) -> Result<(Attachment, Option<Warning>), AttachError> {
        let link = find(interface)?;
        refuse_kind(interface, &link)?;
        let program = self.program(interface, by)?;
        let path = self.pins.link(link.ifindex);
        let failed = |call| failed(interface, call);
        match self.pinned(&path).map_err(failed("open the pinned link"))? {
            Some((pinned, info)) if info.ifindex == link.ifindex => {
                let present = link.xdp.map_or(Mode::Native, |(mode, _)| mode);
                if !asked.is(present) {
                    return self.change_mode(interface, &link, present, asked, by);
                }
                sys::link_update(pinned.as_fd(), program.as_fd())
                    .map_err(failed("update the link"))?;
            }
            Some(_) => std::fs::remove_file(&path).map_err(failed("remove a dead link"))?,
            None => (),
        }
        if !path.exists() {
            if let Some((_, program_id)) = link.xdp {
                return Err(AttachError::Foreign {
                    interface: interface.into(),
                    program_id,
                });
            }
            self.create(interface, link.ifindex, asked, program)?;
        }
        self.describe(interface)
    }

    fn program(&self, interface: &str, path: attach::Path) -> Result<&OwnedFd, AttachError> {
        self.programs
            .of(path)
            .map_err(|log| AttachError::NoProgram {
                interface: interface.into(),
                path,
                log: log.into(),
            })
    }

    /// The other mode can't be had beside the present one: for a moment the interface has none.
    fn change_mode(
        &mut self,
        interface: &str,
        link: &RawLink,
        present: Mode,
        asked: Asked,
        by: attach::Path,
    ) -> Result<(Attachment, Option<Warning>), AttachError> {
        self.detach(interface)?;
        let program = self.program(interface, by)?;
        if let Err(error) = self.create(interface, link.ifindex, asked, program) {
            let before = if present == Mode::Native {
                Asked::Native
            } else {
                Asked::Generic
            };
            self.create(interface, link.ifindex, before, program)?;
            return Err(error);
        }
        self.describe(interface)
    }

    /// Makes a link and pins it. Unpinned it would go with its descriptor.
    fn create(
        &self,
        interface: &str,
        ifindex: u32,
        asked: Asked,
        program: &OwnedFd,
    ) -> Result<(), AttachError> {
        let program = program.as_fd();
        let native = || sys::link_create(program, ifindex, XDP_FLAGS_DRV_MODE);
        let generic = || sys::link_create(program, ifindex, XDP_FLAGS_SKB_MODE);
        let link = match asked {
            Asked::Generic => generic(),
            Asked::Native => native(),
            Asked::Auto => native().or_else(|error| {
                if has_no_native(&error) {
                    generic()
                } else {
                    Err(error)
                }
            }),
        };
        let link = link.map_err(|source| match source {
            source if asked == Asked::Native && has_no_native(&source) => AttachError::NoNative {
                interface: interface.into(),
            },
            source => failed(interface, "attach")(source),
        })?;
        sys::pin(link.as_fd(), &self.pins.link(ifindex)).map_err(failed(interface, "pin the link"))
    }

    pub fn attachable(&self, interface: &str) -> Result<(), AttachError> {
        let link = find(interface)?;
        refuse_kind(interface, &link)?;
        let is_ours = self.pins.link(link.ifindex).exists();
        match link.xdp {
            Some((_, program_id)) if !is_ours => Err(AttachError::Foreign {
                interface: interface.into(),
                program_id,
            }),
            _ => Ok(()),
        }
    }

    pub fn detach(&mut self, interface: &str) -> Result<(), AttachError> {
        let link = find(interface)?;
        let path = self.pins.link(link.ifindex);
        let failed = |call| failed(interface, call);
        let Some((pinned, _)) = self.pinned(&path).map_err(failed("open the pinned link"))? else {
            return Err(AttachError::NotAttached {
                interface: interface.into(),
            });
        };
        sys::link_detach(pinned.as_fd()).map_err(failed("detach"))?;
        std::fs::remove_file(&path).map_err(failed("remove the pinned link"))
    }

    /// Removes pins whose interface is gone. Those of other network namespaces are alive.
    fn forget_dead(&self) -> io::Result<()> {
        for path in self.pins.links()? {
            if let Some((_, info)) = self.pinned(&path)?
                && info.ifindex == 0
            {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    pub fn attachments(&self) -> Result<Vec<Attachment>, AttachError> {
        // Nothing depends on it, and the next call tries again.
        let _ = self.forget_dead();
        let links = Requests::new()?.links()?;
        let mut attachments = Vec::new();
        for (name, link) in &links {
            let failed = failed(name, "open the pinned link");
            let pinned = self.pinned(&self.pins.link(link.ifindex)).map_err(failed)?;
            if let Some((_, info)) = pinned.filter(|(_, info)| info.ifindex == link.ifindex) {
                attachments.push(self.attachment(name, link, &info)?);
            }
        }
        Ok(attachments)
    }

    fn pinned(&self, path: &Path) -> io::Result<Option<(OwnedFd, LinkInfo)>> {
        let link = match sys::open_pin(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            link => link?,
        };
        let info = sys::link_info(link.as_fd())?;
        Ok(Some((link, info)))
    }

    fn attachment(
        &self,
        name: &str,
        link: &RawLink,
        info: &LinkInfo,
    ) -> Result<Attachment, AttachError> {
        let queues = sys::queues(name).unwrap_or((link.rx_queues, link.tx_queues));
        Ok(Attachment {
            name: name.to_owned(),
            ifindex: link.ifindex,
            mode: link.xdp.map_or(Mode::Native, |(mode, _)| mode),
            path: path_of(info).map_err(failed(name, "look at the link's program"))?,
            driver: sys::driver(name).or_else(|| link.kind.clone()),
            rx_queues: queues.0,
            tx_queues: queues.1,
            link_id: info.id,
            program_id: info.program_id,
        })
    }

    fn describe(&self, interface: &str) -> Result<(Attachment, Option<Warning>), AttachError> {
        let link = find(interface)?;
        let pinned = self.pinned(&self.pins.link(link.ifindex));
        let (_, info) = pinned
            .map_err(failed(interface, "open the pinned link"))?
            .ok_or_else(|| AttachError::NotAttached {
                interface: interface.into(),
            })?;
        let attachment = self.attachment(interface, &link, &info)?;
        let warning = (attachment.mode == Mode::Generic).then(|| Warning::Generic {
            interface: interface.into(),
            driver: attachment.driver.clone(),
        });
        Ok((attachment, warning))
    }
}

impl Asked {
    fn is(self, mode: Mode) -> bool {
        match self {
            Asked::Auto => true,
            Asked::Native => mode == Mode::Native,
            Asked::Generic => mode == Mode::Generic,
        }
    }
}

/// Which program is on a link.
fn path_of(link: &LinkInfo) -> io::Result<attach::Path> {
    let program = sys::program_by_id(link.program_id)?;
    Ok(program::path_of(&sys::program_info(program.as_fd())?.name))
}

fn other_than(path: attach::Path) -> attach::Path {
    match path {
        attach::Path::Xdp => attach::Path::AfXdp,
        attach::Path::AfXdp => attach::Path::Xdp,
    }
}

fn find(interface: &str) -> Result<RawLink, AttachError> {
    let mut links = Requests::new()?.links()?;
    links.remove(interface).ok_or_else(|| AttachError::Unknown {
        interface: interface.into(),
    })
}

/// Interfaces on which the program would not see what it should.
fn refuse_kind(interface: &str, link: &RawLink) -> Result<(), AttachError> {
    let advice = match link.kind.as_deref() {
        _ if link.loopback => "packets that the box sends to itself are not forwarded",
        Some("bond") => "attach the interfaces that it is made of",
        Some("vlan") => "attach the interface below it",
        Some("bridge") => "attach its ports",
        _ => return Ok(()),
    };
    let kind = link.kind.clone().unwrap_or_else(|| "loopback".into());
    Err(AttachError::Kind {
        interface: interface.into(),
        kind,
        advice,
    })
}

fn has_no_native(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | ENOTSUPP))
}

fn failed(interface: &str, call: &'static str) -> impl FnOnce(io::Error) -> AttachError {
    let interface = interface.to_owned();
    move |source| AttachError::System {
        interface,
        call,
        source,
    }
}
