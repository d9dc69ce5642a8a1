//! Runs packet cases on a host and says where it differs.

use anyhow::{Context, Result, bail, ensure};

use crate::case::{Case, ExpectedVerdict, Step};
use crate::frame::{Ports, Spec};
use crate::host::{Fate, Host, Outcome, names};
use crate::verify;

/// A frame that a case sends.
pub struct Sent {
    pub line: usize,
    pub slot: usize,
    pub frame: Vec<u8>,
}

/// Runs a case and returns what was sent.
///
/// # Errors
/// The first packet with another outcome than expected: its line, both outcomes.
pub fn run(case: &Case, host: &mut dyn Host) -> Result<Vec<Sent>> {
    host.start(case)
        .with_context(|| format!("{}: set up", case.name))?;
    let mut ports = Ports::new();
    let mut sent = Vec::new();
    for step in &case.steps {
        let at = || {
            format!(
                "{}.case:{}: {} {}",
                case.name, step.line, step.interface, step.packet
            )
        };
        self::step(case, step, host, &mut ports, &mut sent).with_context(at)?;
    }
    Ok(sent)
}

fn step(
    case: &Case,
    step: &Step,
    host: &mut dyn Host,
    ports: &mut Ports,
    sent: &mut Vec<Sent>,
) -> Result<()> {
    let slot = slot(case, &step.interface)?;
    let frame = incoming(case, step, ports)?;
    if let Some(count) = step.flood {
        return flood(host, slot, frame, count);
    }
    let outcome = host.run(slot, &frame)?;
    sent.push(Sent {
        line: step.line,
        slot,
        frame: frame.clone(),
    });
    let expect = step
        .expect
        .as_ref()
        .context("nothing is said to become of it")?;
    let wanted = match &expect.verdict {
        ExpectedVerdict::Pass => Outcome {
            fate: Fate::Pass,
            reason: "",
            frame,
        },
        ExpectedVerdict::Drop => Outcome {
            fate: Fate::Drop,
            reason: "",
            frame: Vec::new(),
        },
        ExpectedVerdict::Tx { interface, packet } => {
            bind(packet, &outcome.frame, ports);
            let fate = Fate::Tx(self::slot(case, interface)?);
            Outcome {
                fate,
                reason: "",
                frame: outgoing(case, interface, packet, ports)?,
            }
        }
    };
    let differs = |what: &str| {
        format!(
            "{what} differs\n  wanted {:?} : {}\n  {}\n  got    {:?} : {}\n  {}",
            wanted.fate,
            expect.reason,
            hex(&wanted.frame),
            outcome.fate,
            outcome.reason,
            hex(&outcome.frame),
        )
    };
    ensure!(outcome.reason == expect.reason, differs("reason"));
    ensure!(outcome.fate == wanted.fate, differs("verdict"));
    if wanted.fate != Fate::Drop {
        ensure!(outcome.frame == wanted.frame, differs("frame"));
    }
    if let Fate::Tx(_) = outcome.fate {
        verify::frame(&outcome.frame).with_context(|| differs("validity"))?;
    }
    Ok(())
}

/// A frame from rising source ports. Without a checksum (`nosum`) each of them is valid.
fn flood(host: &mut dyn Host, slot: usize, mut frame: Vec<u8>, count: u16) -> Result<()> {
    let first = u16::from_be_bytes([frame[34], frame[35]]);
    for port in (first..).take(count.into()) {
        frame[34..36].copy_from_slice(&port.to_be_bytes());
        host.run(slot, &frame)?;
    }
    Ok(())
}

fn slot(case: &Case, interface: &str) -> Result<usize> {
    let found = names(&case.world)
        .iter()
        .position(|name| *name == interface);
    found.with_context(|| format!("there is no interface {interface}"))
}

/// From whoever the packet is from, to the interface.
fn incoming(case: &Case, step: &Step, ports: &Ports) -> Result<Vec<u8>> {
    let mut spec = Spec::parse(&step.packet, ports)?;
    let interface = case.world.interface(&step.interface)?;
    let from = match spec.ends {
        Some((source, _)) => case.world.mac_of(&step.interface, source)?,
        None => [2, 0, 0, 0, 0, 0x99],
    };
    let mut to = interface.mac;
    if spec.ethertype == 0x0806 {
        to = [0xff; 6];
        if spec.payload[8..14] == [0; 6] {
            spec.payload[8..14].copy_from_slice(&from);
        }
    }
    Ok(spec.frame(from, to))
}

/// From the interface to whoever it leads to.
fn outgoing(case: &Case, interface: &str, packet: &str, ports: &Ports) -> Result<Vec<u8>> {
    let mut spec = Spec::parse(packet, ports)?;
    let (_, dest) = spec.ends.context("write an IPv4 packet or ARP")?;
    let to = case.world.mac_of(interface, dest)?;
    if spec.ethertype == 0x0806 && spec.payload[18..24] == [0; 6] {
        spec.payload[18..24].copy_from_slice(&to);
    }
    Ok(spec.frame(case.world.interface(interface)?.mac, to))
}

/// Takes `$names` that are not known yet from the ports of a frame.
fn bind(packet: &str, frame: &[u8], ports: &mut Ports) {
    let words = packet.split_whitespace();
    for (word, at) in words.zip([34, 0, 36]) {
        let Some((_, name)) = word
            .split_once(':')
            .filter(|(_, name)| name.starts_with('$'))
        else {
            continue;
        };
        if let (false, Some(bytes)) = (ports.contains_key(name), frame.get(at..at + 2)) {
            ports.insert(name.to_owned(), u16::from_be_bytes([bytes[0], bytes[1]]));
        }
    }
}

/// Gives every prefix of a case's packets to the host, after the packets before it, and checks
/// that it is survived: what is passed is whole, and what is sent is as long as it says.
///
/// # Errors
/// The first prefix that isn't.
pub fn prefixes(case: &Case, host: &mut dyn Host) -> Result<usize> {
    let sent = run(case, host)?;
    host.start(case)?;
    let mut count = 0;
    for sent in &sent {
        for length in host.shortest()..sent.frame.len() {
            let prefix = &sent.frame[..length];
            let outcome = host.run(sent.slot, prefix)?;
            let at = || format!("{}.case:{}: first {length} bytes", case.name, sent.line);
            survived(prefix, &outcome).with_context(at)?;
            count += 1;
        }
        host.run(sent.slot, &sent.frame)?;
    }
    Ok(count)
}

/// What must hold of any frame whatsoever.
///
/// # Errors
/// What doesn't.
pub fn survived(frame: &[u8], outcome: &Outcome) -> Result<()> {
    match outcome.fate {
        Fate::Pass => ensure!(
            outcome.frame == frame,
            "passed, but changed: {}",
            hex(&outcome.frame)
        ),
        Fate::Drop => (),
        Fate::Tx(_) if outcome.frame.get(12..14) == Some(&[8, 0]) => {
            let Some(length) = outcome.frame.get(16..18) else {
                bail!("sent without an IP header")
            };
            let length = 14 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            ensure!(
                length <= outcome.frame.len(),
                "sent, but shorter than its header says"
            );
            let forwarded = outcome.reason == "forwarded" || outcome.reason == "echo_answered";
            ensure!(
                !forwarded || outcome.frame.len() == frame.len(),
                "sent with another length"
            );
        }
        Fate::Tx(_) => ensure!(
            outcome.reason == "arp_answered",
            "sent, and neither IPv4 nor ARP"
        ),
    }
    Ok(())
}

/// Of a long frame the headers.
fn hex(bytes: &[u8]) -> String {
    let groups: Vec<String> = bytes
        .chunks(2)
        .take(64)
        .map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    groups.join(" ")
}
