//! Packet cases: who sends what to whom, and what comes out.
//!
//! ```text
//! # What the case shows.
//! world two-sides
//! service 20.0.0.1:80/tcp dnat round-robin 31.0.0.1:8080 31.0.0.2:8080=2
//! eth0 10.0.0.2:4000 > 20.0.0.1:80 tcp syn
//!   => tx eth1 10.0.0.2:4000 > 31.0.0.1:8080 tcp syn ttl=63 : forwarded
//! ```
//! `world` takes in a file of `world.rs`'s lines, which may follow here, too. What services say is
//! in `case/service.rs`; packets are written as in `frame.rs`. `source-ports FIRST-LAST` are the
//! ports for NAT. An indented line says what becomes of the packet above it: `tx INTERFACE PACKET`,
//! `pass` or `drop`, and after a colon the reason.
//!
//! `flood N` before a packet sends N of them, from rising source ports, whatever becomes of them.
//! Between packets, `service` adds a service or changes the one of its key, `remove KEY` removes
//! one, and `wait N` lets N ticks (of 1.07 s) pass, after which expired connections are swept.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lb_core::intent::{Document, Intent, Source};
use lb_core::service::{Service, ServiceKey};

use crate::world::World;

mod service;

/// The services at some time.
pub type Services = BTreeMap<ServiceKey, Service>;

#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub world: World,
    /// At the start.
    pub services: Services,
    pub source_ports: Option<RangeInclusive<u16>>,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub enum Step {
    Packet(Packet),
    /// What is served from here on.
    Change(Services),
    /// Ticks.
    Wait(u32),
}

#[derive(Clone, Debug)]
pub struct Packet {
    /// Of the file, from 1.
    pub line: usize,
    pub interface: String,
    pub packet: String,
    pub flood: Option<u16>,
    pub expect: Option<Expect>,
}

#[derive(Clone, Debug)]
pub struct Expect {
    pub verdict: ExpectedVerdict,
    pub reason: String,
}

#[derive(Clone, Debug)]
pub enum ExpectedVerdict {
    Pass,
    Drop,
    Tx { interface: String, packet: String },
}

/// Where the cases are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bpf/cases")
}

/// All cases, by name.
///
/// # Errors
/// What is not understood, with file and line.
pub fn all() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(directory()).context("bpf/cases")? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "case")
        {
            cases.push(read(&path)?);
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(
        !cases.is_empty(),
        "there are no cases in {}",
        directory().display()
    );
    Ok(cases)
}

fn read(path: &Path) -> Result<Case> {
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let text = std::fs::read_to_string(path)?;
    let mut case = Case {
        name,
        world: World::default(),
        services: Services::new(),
        source_ports: None,
        steps: Vec::new(),
    };
    for (index, line) in text.lines().enumerate() {
        let at = || format!("{}:{}: {line}", path.display(), index + 1);
        case.line(line, index + 1).with_context(at)?;
    }
    Ok(case)
}

/// Services as one document.
///
/// # Errors
/// They are none.
pub fn intent(services: &Services) -> Result<Intent> {
    let document = Document::new(services.values().cloned().collect());
    let document = document.map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    Ok(Intent {
        documents: [(Source::Api, document)].into(),
    })
}

impl Case {
    fn line(&mut self, line: &str, number: usize) -> Result<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => (),
            [first, ..] if first.starts_with('#') => (),
            ["world", name] => self.take_in(name)?,
            ["service", key, rest @ ..] => {
                let service = service::parse(key, rest)?;
                self.change(|services| services.insert(service.key, service));
            }
            ["remove", key] => {
                let key: ServiceKey = key.parse()?;
                let removed = self.change(|services| services.remove(&key));
                ensure!(removed.is_some(), "there is no such service");
            }
            ["wait", ticks] => self.steps.push(Step::Wait(ticks.parse()?)),
            ["source-ports", range] => {
                let (first, last) = range.split_once('-').context("write FIRST-LAST")?;
                self.source_ports = Some(first.parse()?..=last.parse()?);
            }
            ["=>", rest @ ..] => {
                let Some(Step::Packet(packet)) = self.steps.last_mut() else {
                    bail!("what came in before this?")
                };
                ensure!(packet.expect.is_none(), "the packet above has an outcome");
                packet.expect = Some(expect(rest)?);
            }
            ["flood", count, interface, packet @ ..] => {
                self.packet(number, interface, packet, Some(count.parse()?));
            }
            [interface, packet @ ..] if self.world.interface(interface).is_ok() => {
                self.packet(number, interface, packet, None);
            }
            words if self.world.line(words)? => {
                ensure!(self.steps.is_empty(), "the world is as it is at the start");
            }
            _ => bail!("not understood"),
        }
        Ok(())
    }

    /// Changes what is served: at the start, or from this step on. Changes that follow one
    /// another are one.
    fn change<T>(&mut self, change: impl FnOnce(&mut Services) -> T) -> T {
        if self.steps.is_empty() {
            return change(&mut self.services);
        }
        if !matches!(self.steps.last(), Some(Step::Change(_))) {
            let before = self.steps.iter().rev().find_map(|step| match step {
                Step::Change(services) => Some(services.clone()),
                _ => None,
            });
            let before = before.unwrap_or_else(|| self.services.clone());
            self.steps.push(Step::Change(before));
        }
        match self.steps.last_mut() {
            Some(Step::Change(services)) => change(services),
            _ => unreachable!("it was pushed above"),
        }
    }

    fn packet(&mut self, line: usize, interface: &str, packet: &[&str], flood: Option<u16>) {
        self.steps.push(Step::Packet(Packet {
            line,
            interface: interface.to_owned(),
            packet: packet.join(" "),
            flood,
            expect: None,
        }));
    }

    fn take_in(&mut self, world: &str) -> Result<()> {
        let path = directory().join(format!("{world}.world"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            let words: Vec<&str> = line.split_whitespace().collect();
            ensure!(self.world.line(&words)?, "{}: {line}", path.display());
        }
        Ok(())
    }
}

fn expect(words: &[&str]) -> Result<Expect> {
    let [before @ .., ":", reason] = words else {
        bail!("end with `: REASON`")
    };
    let verdict = match before {
        ["pass"] => ExpectedVerdict::Pass,
        ["drop"] => ExpectedVerdict::Drop,
        ["tx", interface, packet @ ..] => ExpectedVerdict::Tx {
            interface: (*interface).to_owned(),
            packet: packet.join(" "),
        },
        _ => bail!("pass, drop or tx?"),
    };
    Ok(Expect {
        verdict,
        reason: (*reason).to_owned(),
    })
}
