//! Packets as text, and their bytes.
//!
//! ```text
//! 10.0.0.2:4000 > 20.0.0.1:80 tcp syn,ack seq=1 ack=2 ttl=63 data=hello
//! [2001:db8::2]:4000 > [2001:db8:20::1]:53 udp data=hi      nosum: without a checksum
//! 10.0.0.2 > 20.0.0.1 icmp echo id=1 seq=2 data=abc
//! 2001:db8::9 > 2001:db8:20::1 icmp6 too-big mtu=1280 [[2001:db8:20::1]:80 > [2001:db8::2]:4000 tcp]
//! 31.0.0.254 > 31.0.0.1 ipip {10.0.0.2:4000 > 20.0.0.1:80 tcp syn}
//! 31.0.0.254:$port > 31.0.0.1:6080 gue nosum {10.0.0.2:4000 > 20.0.0.1:80 tcp syn}
//! arp who-has 20.0.0.1 tell 10.0.0.2
//! arp 20.0.0.1 is-at 02:00:00:00:00:0a to 10.0.0.2
//! nd who-has 2001:db8::100 tell 2001:db8::2
//! nd 2001:db8::100 is-at 02:00:00:00:00:0a to 2001:db8::2
//! raw 88cc 0207...                                    an EtherType and what follows
//! ```
//! The parts: headers of IP in `ip`, of IPv6 alone in `extension`, TCP and UDP in `transport`,
//! ICMP in `icmp`, ARP and neighbour discovery in `neighbour`. Of any frame: `cut=` bytes of it,
//! `pad=` zeroes at its end, `from=` and `to=` MAC addresses, `vlan=ID` or `vlan=OUTER.INNER`
//! with `tpid=88a8` for the outer tag's type (8100) and `pcp=` for the priority.
//!
//! A `$name` stands for a number that the appliance chooses: a port, or the last part of an
//! address (`198.18.0.$outer`). It is learned where a case first expects it.

use std::net::IpAddr;

use anyhow::{Context, Result};

mod checksum;
mod extension;
mod fields;
mod icmp;
mod ip;
mod names;
mod neighbour;
mod transport;

#[cfg(test)]
mod tests;

pub use checksum::checksum;
pub use names::{Names, packet_at, ports_at};

use fields::{Fields, Text};

/// A VLAN tag: its type and what it says (priority and id).
pub type Tag = (u16, u16);

/// A line's frame.
pub struct Spec {
    pub ethertype: u16,
    /// Behind the EtherType.
    pub payload: Vec<u8>,
    /// Who sends it to whom; None: neither IP nor what finds its neighbours.
    pub ends: Option<(IpAddr, IpAddr)>,
    pub from: Option<[u8; 6]>,
    pub to: Option<[u8; 6]>,
    /// Outer first; None: those of the interface.
    pub tags: Option<Vec<Tag>>,
    /// A checksum is wrong, or the frame is not whole.
    pub broken: bool,
    cut: Option<usize>,
    pad: usize,
}

/// The link address that stands for an address where a packet is seen.
pub type Links<'a> = &'a dyn Fn(IpAddr) -> Result<[u8; 6]>;

impl Spec {
    /// Reads a packet; its `$names` must be known.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(text: &str, names: &Names, links: Links) -> Result<Spec> {
        let text = Text::of(text)?;
        let words = &text.words;
        let mut spec = match words.first().copied() {
            Some("arp") => neighbour::arp(&words[1..], links)?,
            Some("nd") => neighbour::discovery(&words[1..], links)?,
            Some("raw") => raw(&words[1..])?,
            _ => {
                let packet = ip::packet(&text, names)?;
                Spec {
                    payload: packet.bytes,
                    ends: Some(packet.ends),
                    ..Spec::of(ip::ethertype(packet.ends.0))
                }
            }
        };
        let fields = Fields(words);
        spec.from = fields.get("from").map(mac).transpose()?.or(spec.from);
        spec.to = fields.get("to").map(mac).transpose()?.or(spec.to);
        spec.tags = tags(&fields)?;
        spec.cut = fields.number("cut")?;
        spec.broken = spec.cut.is_some() || fields.has("badsum");
        spec.pad = fields.number("pad")?.unwrap_or(0);
        Ok(spec)
    }

    fn of(ethertype: u16) -> Spec {
        Spec {
            ethertype,
            payload: Vec::new(),
            ends: None,
            from: None,
            to: None,
            tags: None,
            broken: false,
            cut: None,
            pad: 0,
        }
    }

    /// The frame with these link addresses and tags, where it has none of its own.
    pub fn frame(&self, from: [u8; 6], to: [u8; 6], tags: &[Tag]) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend(self.to.unwrap_or(to));
        frame.extend(self.from.unwrap_or(from));
        for (kind, control) in self.tags.as_deref().unwrap_or(tags) {
            frame.extend(kind.to_be_bytes());
            frame.extend(control.to_be_bytes());
        }
        frame.extend(self.ethertype.to_be_bytes());
        frame.extend(&self.payload);
        frame.resize(frame.len() + self.pad, 0);
        frame.truncate(self.cut.unwrap_or(usize::MAX));
        frame
    }
}

/// `vlan=`, `tpid=` and `pcp=`; `vlan=none` is a frame without tags.
fn tags(fields: &Fields) -> Result<Option<Vec<Tag>>> {
    let Some(ids) = fields.get("vlan") else {
        return Ok(None);
    };
    if ids == "none" {
        return Ok(Some(Vec::new()));
    }
    let outer = fields.get("tpid").unwrap_or("8100");
    let outer = u16::from_str_radix(outer, 16).with_context(|| format!("tpid={outer}"))?;
    let priority = fields.number::<u16>("pcp")?.unwrap_or(0) << 13;
    let tag = |(place, id): (usize, &str)| {
        let id: u16 = id.parse().with_context(|| format!("vlan={ids}"))?;
        Ok((if place == 0 { outer } else { 0x8100 }, id | priority))
    };
    ids.split('.')
        .enumerate()
        .map(tag)
        .collect::<Result<_>>()
        .map(Some)
}

fn raw(words: &[&str]) -> Result<Spec> {
    let ethertype = words.first().context("raw: which EtherType?")?;
    let digits: String = words[1..]
        .iter()
        .filter(|word| !word.contains('='))
        .copied()
        .collect();
    let ethertype = u16::from_str_radix(ethertype, 16)?;
    Ok(Spec {
        payload: fields::hex(&digits)?,
        ..Spec::of(ethertype)
    })
}

/// `02:00:00:00:00:0a`
///
/// # Errors
/// Text that is no MAC address.
pub fn mac(text: &str) -> Result<[u8; 6]> {
    let mac: lb_core::addr::Mac = text
        .parse()
        .with_context(|| format!("MAC address {text}"))?;
    Ok(mac.0)
}
