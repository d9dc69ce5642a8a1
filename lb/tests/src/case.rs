//! Packet cases: who sends what to whom, and what comes out.
//!
//! ```text
//! # What the case shows.
//! world two-sides
//! service 20.0.0.1:80/tcp dnat round-robin 31.0.0.1:8080 31.0.0.2:8080=2
//! eth0 10.0.0.2:4000 > 20.0.0.1:80 tcp syn
//!   => tx eth1 10.0.0.2:4000 > 31.0.0.1:8080 tcp syn ttl=63 : forwarded
//! ```
//! `world` takes in a file of `world.rs`'s lines, which may follow here, too. A service has a
//! mode, then any of `round-robin`, `maglev`, `reject`, `drop`, `pass` and `last-hop`, then
//! backends with their weights. `source-ports FIRST-LAST` are the ports for NAT. An indented line says what becomes of the
//! packet above it: `tx INTERFACE PACKET`, `pass` or `drop`, and after a colon the reason.
//! `flood N` before a packet sends N of them, from rising source ports, whatever becomes of them.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lb_core::intent::{Document, Intent, Source};
use lb_core::service::{
    Endpoint, MaglevSize, Mode, NoBackend, Policy, Selection, Service, ServiceKey, Weight,
};

use crate::world::World;

#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub world: World,
    pub services: Vec<Service>,
    pub source_ports: Option<RangeInclusive<u16>>,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub struct Step {
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
        services: Vec::new(),
        source_ports: None,
        steps: Vec::new(),
    };
    for (index, line) in text.lines().enumerate() {
        let at = || format!("{}:{}: {line}", path.display(), index + 1);
        case.line(line, index + 1).with_context(at)?;
    }
    Ok(case)
}

impl Case {
    /// Its services as one document.
    ///
    /// # Panics
    /// The services are no document.
    pub fn intent(&self) -> Intent {
        let document = Document::new(self.services.clone()).expect("services of one document");
        Intent {
            documents: [(Source::Api, document)].into(),
        }
    }

    fn line(&mut self, line: &str, number: usize) -> Result<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => (),
            [first, ..] if first.starts_with('#') => (),
            ["world", name] => self.take_in(name)?,
            ["service", key, mode, rest @ ..] => {
                self.services.push(service(key, mode, rest)?);
            }
            ["source-ports", range] => {
                let (first, last) = range.split_once('-').context("write FIRST-LAST")?;
                self.source_ports = Some(first.parse()?..=last.parse()?);
            }
            ["=>", ..] => {
                let step = self.steps.last_mut().context("what came in before this?")?;
                ensure!(step.expect.is_none(), "the packet above has an outcome");
                step.expect = Some(expect(&words[1..])?);
            }
            ["flood", count, interface, ..] => {
                let flood = Some(count.parse()?);
                let expect = None;
                self.step(number, interface, &words[3..], flood, expect);
            }
            [interface, ..] if self.world.interface(interface).is_ok() => {
                self.step(number, interface, &words[1..], None, None);
            }
            words if self.world.line(words)? => (),
            _ => bail!("not understood"),
        }
        Ok(())
    }

    fn step(
        &mut self,
        line: usize,
        interface: &str,
        packet: &[&str],
        flood: Option<u16>,
        expect: Option<Expect>,
    ) {
        let (interface, packet) = (interface.to_owned(), packet.join(" "));
        self.steps.push(Step {
            line,
            interface,
            packet,
            flood,
            expect,
        });
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

fn service(key: &str, mode: &str, rest: &[&str]) -> Result<Service> {
    let key: ServiceKey = key.parse()?;
    let mode: Mode = mode.parse()?;
    let size = MaglevSize::new(251).expect("a prime in range");
    let mut policy = Policy {
        mode,
        selection: Selection::RoundRobin,
        ..Policy::default()
    };
    let mut backends: Vec<(Endpoint, Weight)> = Vec::new();
    for word in rest {
        match *word {
            "round-robin" => policy.selection = Selection::RoundRobin,
            "maglev" => policy.selection = Selection::Maglev(size),
            "reject" => policy.no_backend = NoBackend::Reject,
            "drop" => policy.no_backend = NoBackend::Drop,
            "pass" => policy.no_backend = NoBackend::Pass,
            "last-hop" => policy.last_hop = true,
            backend => {
                let (endpoint, weight) = backend.split_once('=').unwrap_or((backend, "1"));
                backends.push((endpoint.parse()?, Weight::new(weight.parse()?)?));
            }
        }
    }
    Service::new(key, None, policy, backends).map_err(|errors| anyhow::anyhow!("{errors:?}"))
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
