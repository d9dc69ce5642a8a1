//! Runs packet cases on a host and says where it differs.

use anyhow::{Context, Result, bail, ensure};

use crate::case::{Case, ExpectedVerdict, Packet, Step};
use crate::frame::{Names, Spec, packet_at, ports_at};
use crate::host::{Fate, Host, Outcome};
use crate::verify;

/// A frame that a case sends.
pub struct Sent {
    /// The step that sends it.
    pub step: usize,
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
    let mut names = Names::default();
    let mut sent = Vec::new();
    for (index, step) in case.steps.iter().enumerate() {
        match step {
            Step::Packet(packet) => {
                let at = || {
                    let (name, line) = (&case.name, packet.line);
                    format!("{name}.case:{line}: {} {}", packet.interface, packet.packet)
                };
                let gone = give(case, packet, host, &mut names).with_context(at)?;
                sent.extend(gone.map(|(slot, frame)| Sent {
                    step: index,
                    line: packet.line,
                    slot,
                    frame,
                }));
            }
            Step::Change(services) => host
                .change(case, services)
                .with_context(|| format!("{}: step {index}: change", case.name))?,
            Step::Wait(ticks) => host.wait(*ticks)?,
        }
    }
    Ok(sent)
}

/// Gives a packet to the host and judges what becomes of it.
fn give(
    case: &Case,
    packet: &Packet,
    host: &mut dyn Host,
    names: &mut Names,
) -> Result<Option<(usize, Vec<u8>)>> {
    let slot = slot(case, &packet.interface)?;
    let frame = incoming(case, packet, names)?;
    if let Some(count) = packet.flood {
        flood(host, slot, frame, count)?;
        return Ok(None);
    }
    let outcome = host.run(slot, &frame)?;
    let expect = packet
        .expect
        .as_ref()
        .context("nothing is said to become of it")?;
    let drop = || (Fate::Drop, Vec::new(), false);
    let (fate, wanted, broken) = match &expect.verdict {
        ExpectedVerdict::Pass => (Fate::Pass, frame.clone(), true),
        ExpectedVerdict::Drop => drop(),
        ExpectedVerdict::Tx { interface, packet } => {
            names.learn(packet, &outcome.frame);
            let (wanted, broken) = outgoing(case, interface, packet, names)?;
            (Fate::Tx(self::slot(case, interface)?), wanted, broken)
        }
    };
    let differs = |what: &str| {
        format!(
            "{what} differs\n  wanted {fate:?} : {}\n  {}\n  got    {:?} : {}\n  {}",
            expect.reason,
            hex(&wanted),
            outcome.fate,
            outcome.reason,
            hex(&outcome.frame),
        )
    };
    ensure!(outcome.reason == expect.reason, differs("reason"));
    ensure!(outcome.fate == fate, differs("verdict"));
    if fate != Fate::Drop {
        ensure!(outcome.frame == wanted, differs("frame"));
    }
    if let (Fate::Tx(_), false) = (outcome.fate, broken) {
        verify::frame(&outcome.frame).with_context(|| differs("validity"))?;
    }
    Ok(Some((slot, frame)))
}

/// A frame from rising source ports. Without a checksum (`nosum`) each of them is valid.
fn flood(host: &mut dyn Host, slot: usize, mut frame: Vec<u8>, count: u16) -> Result<()> {
    let at = ports_at(&frame).context("write TCP or UDP")?;
    let first = u16::from_be_bytes([frame[at], frame[at + 1]]);
    for port in (first..).take(count.into()) {
        frame[at..at + 2].copy_from_slice(&port.to_be_bytes());
        host.run(slot, &frame)?;
    }
    Ok(())
}

fn slot(case: &Case, interface: &str) -> Result<usize> {
    let mut known = case.world.interfaces.iter();
    let found = known.position(|known| known.name == interface);
    found.with_context(|| format!("there is no interface {interface}"))
}

/// From whoever the packet is from, to the interface.
fn incoming(case: &Case, packet: &Packet, names: &Names) -> Result<Vec<u8>> {
    let name = &packet.interface;
    let links = |address| case.world.mac_of(name, address);
    let spec = Spec::parse(&packet.packet, names, &links)?;
    let interface = case.world.interface(name)?;
    let from = match spec.ends {
        Some((source, _)) => links(source)?,
        None => [2, 0, 0, 0, 0, 0x99],
    };
    let frame = spec.frame(from, interface.mac, &interface.tags());
    if spec.ends.is_some() && !spec.broken {
        verify::frame(&frame).context("what comes in is not what a host would send")?;
    }
    Ok(frame)
}

/// From the interface to whoever it leads to; and whether something about it is wrong.
fn outgoing(case: &Case, name: &str, packet: &str, names: &Names) -> Result<(Vec<u8>, bool)> {
    let links = |address| case.world.mac_of(name, address);
    let spec = Spec::parse(packet, names, &links)?;
    let (_, dest) = spec.ends.context("write an IP packet or ARP")?;
    let interface = case.world.interface(name)?;
    let frame = spec.frame(interface.mac, links(dest)?, &interface.tags());
    Ok((frame, spec.broken))
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
    for (index, step) in case.steps.iter().enumerate() {
        match step {
            Step::Change(services) => host.change(case, services)?,
            Step::Wait(ticks) => host.wait(*ticks)?,
            Step::Packet(_) => (),
        }
        for sent in sent.iter().filter(|sent| sent.step == index) {
            let whole = sent.frame.len();
            for length in (host.shortest()..whole).filter(|length| is_tried(*length, whole)) {
                let prefix = &sent.frame[..length];
                let outcome = host.run(sent.slot, prefix)?;
                let at = || format!("{}.case:{}: first {length} bytes", case.name, sent.line);
                survived(prefix, &outcome).with_context(at)?;
                count += 1;
            }
            host.run(sent.slot, &sent.frame)?;
        }
    }
    Ok(count)
}

/// Every length among the headers, and the last ones.
fn is_tried(length: usize, whole: usize) -> bool {
    length < 256 || whole - length < 4
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
        Fate::Tx(_) => sent_whole(frame, outcome)?,
    }
    Ok(())
}

fn sent_whole(frame: &[u8], outcome: &Outcome) -> Result<()> {
    let (packet, kind) = packet_at(&outcome.frame).context("sent without a link header")?;
    let word = |at: usize| {
        let bytes = outcome.frame.get(packet + at..packet + at + 2);
        let bytes = bytes.context("sent without an IP header")?;
        anyhow::Ok(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    };
    let (length, protocol) = match kind {
        0x0800 => (word(2)?, word(8)? & 0xff),
        0x86dd => (40 + word(4)?, word(6)? >> 8),
        0x0806 => {
            ensure!(outcome.reason == "arp_answered", "sent, and ARP");
            return Ok(());
        }
        other => bail!("sent with EtherType {other:04x}"),
    };
    ensure!(
        packet + length <= outcome.frame.len(),
        "sent, but shorter than its header says"
    );
    // An error about a tunnel's packet becomes another one.
    let is_icmp = protocol == 1 || protocol == 58;
    if outcome.reason == "forwarded" && !is_icmp || outcome.reason == "echo_answered" {
        // Tags in and out may differ, and a tunnel adds headers; what is behind stays as it is.
        let link = packet_at(frame).context("no link header came in")?.0;
        let (before, after) = (frame.len() - link, outcome.frame.len() - packet);
        let added = after.checked_sub(before).context("sent, but shortened")?;
        ensure!(
            [0, 20, 28, 40, 48].contains(&added),
            "sent with {added} bytes more"
        );
    }
    Ok(())
}

/// Of a long frame the headers.
fn hex(bytes: &[u8]) -> String {
    let groups: Vec<String> = bytes
        .chunks(2)
        .take(96)
        .map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    groups.join(" ")
}
