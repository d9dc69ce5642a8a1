//! IP headers, and what is behind them.
//!
//! Of any packet: `ttl=` or `hlim=` (64), `tos=` or `tc=` (the whole byte), `len=` bytes of
//! payload, and `id=`, `mf`, `offset=` bytes of fragments. Of IPv4: `df`, `options=` hex. Of IPv6:
//! `flow=` label, `ext=` headers. What is behind: `tcp`, `udp`, `icmp`, `icmp6`, `ipip` and `gue`
//! with a packet in braces, or a protocol's number.

use std::net::IpAddr;

use anyhow::{Context, Result, bail, ensure};

use super::checksum::{checksum, octets};
use super::fields::{Fields, Text};
use super::names::Names;
use super::{extension, icmp, transport};

pub struct Packet {
    pub bytes: Vec<u8>,
    pub ends: (IpAddr, IpAddr),
    /// Of IPv6 with its extension headers.
    pub header: usize,
}

/// The EtherType of packets to and from an address.
pub fn ethertype(address: IpAddr) -> u16 {
    if address.is_ipv4() { 0x0800 } else { 0x86dd }
}

/// # Errors
/// What is not understood.
pub fn packet(text: &Text, names: &Names) -> Result<Packet> {
    let [source, ">", dest, protocol, ..] = text.words[..] else {
        bail!("`{}`: write FROM > TO PROTOCOL", text.words.join(" "));
    };
    let ((source, sport), (dest, dport)) = (names.end(source)?, names.end(dest)?);
    let ends = (source, dest);
    ensure!(source.is_ipv4() == dest.is_ipv4(), "ends of two families");
    let fields = Fields(&text.words[4..]);
    let later = fields.number::<u16>("offset")?.unwrap_or(0) != 0;
    let inner = text.inner.map(|inner| packet(&Text::of(inner)?, names));
    let inner = inner.transpose()?;
    let carried = || match &inner {
        Some(inner) => Ok(inner.bytes.clone()),
        None => fields.data(),
    };
    let flags = text.words.get(4).copied();
    let (number, body) = match protocol {
        "tcp" if !later => (6, transport::tcp(ends, (sport, dport), flags, &fields)?),
        "udp" | "gue" if !later => (
            17,
            transport::udp(ends, (sport, dport), carried()?, &fields)?,
        ),
        "icmp" if !later => (1, icmp::message(ends, flags, &fields, text.inner, names)?),
        "icmp6" if !later => (58, icmp::message(ends, flags, &fields, text.inner, names)?),
        "tcp" => (6, fields.data()?),
        "udp" => (17, fields.data()?),
        "icmp" => (1, fields.data()?),
        "icmp6" => (58, fields.data()?),
        "ipip" => {
            let inner = inner.as_ref().context("which packet does it carry?")?;
            (if inner.ends.0.is_ipv4() { 4 } else { 41 }, carried()?)
        }
        other => (
            other.parse().with_context(|| format!("protocol {other}"))?,
            fields.data()?,
        ),
    };
    match source {
        IpAddr::V4(_) => version4(ends, number, &body, &fields),
        IpAddr::V6(_) => version6(ends, number, &body, &fields, names),
    }
}

fn version4(ends: (IpAddr, IpAddr), number: u8, body: &[u8], fields: &Fields) -> Result<Packet> {
    let options = fields.bytes("options")?;
    let header = 20 + options.len();
    let offset = fields.number::<u16>("offset")?.unwrap_or(0) / 8;
    let flags = u16::from(fields.has("df")) << 14 | u16::from(fields.has("mf")) << 13;
    let mut bytes = vec![0x40 | (header / 4) as u8, service(fields)?];
    bytes.extend(length(header + body.len())?);
    bytes.extend(fields.number::<u16>("id")?.unwrap_or(0).to_be_bytes());
    bytes.extend((flags | offset).to_be_bytes());
    bytes.extend([hops(fields)?, number, 0, 0]);
    bytes.extend(octets(ends.0));
    bytes.extend(octets(ends.1));
    bytes.extend(options);
    let check = checksum(&[&bytes]);
    bytes[10..12].copy_from_slice(&check.to_be_bytes());
    bytes.extend(body);
    Ok(Packet {
        bytes,
        ends,
        header,
    })
}

fn version6(
    ends: (IpAddr, IpAddr),
    number: u8,
    body: &[u8],
    fields: &Fields,
    names: &Names,
) -> Result<Packet> {
    let (next, chain) = extension::chain(fields, number)?;
    let label = match fields.get("flow") {
        Some(name) if name.starts_with('$') => names.value(name)?,
        _ => fields.number("flow")?.unwrap_or(0),
    };
    let first = 6 << 28 | u32::from(service(fields)?) << 20 | label & 0xf_ffff;
    let mut bytes = first.to_be_bytes().to_vec();
    bytes.extend(length(chain.len() + body.len())?);
    bytes.extend([next, hops(fields)?]);
    bytes.extend(octets(ends.0));
    bytes.extend(octets(ends.1));
    bytes.extend(chain);
    let header = bytes.len();
    bytes.extend(body);
    Ok(Packet {
        bytes,
        ends,
        header,
    })
}

fn length(bytes: usize) -> Result<[u8; 2]> {
    let length = u16::try_from(bytes).with_context(|| format!("{bytes} bytes are no packet"))?;
    Ok(length.to_be_bytes())
}

fn hops(fields: &Fields) -> Result<u8> {
    Ok(fields
        .number("ttl")?
        .or(fields.number("hlim")?)
        .unwrap_or(64))
}

fn service(fields: &Fields) -> Result<u8> {
    Ok(fields.number("tos")?.or(fields.number("tc")?).unwrap_or(0))
}
