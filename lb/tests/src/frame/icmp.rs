//! ICMP (RFC 792) and ICMPv6 (RFC 4443).
//!
//! A kind by name or number, then `code=`, and of echoes `id=`, `seq=`, of `too-big` `mtu=`, of
//! `param-problem` `pointer=`. An error quotes a packet in brackets, of which there are `quote=`
//! bytes behind the IP headers: in ICMP 8, in ICMPv6 as many as fit into 1280 bytes.

use std::net::IpAddr;

use anyhow::{Context, Result};

use super::checksum::{checksum, pseudo, spoiled};
use super::fields::{Fields, Text};
use super::ip;
use super::names::Names;

/// Of an ICMPv6 error, so that it reaches everybody: 1280 less the headers (RFC 4443, 2.4c).
const QUOTE6_MOST: usize = 1280 - 40 - 8;

/// # Errors
/// What is not understood.
pub fn message(
    ends: (IpAddr, IpAddr),
    kind: Option<&str>,
    fields: &Fields,
    quote: Option<&str>,
    names: &Names,
) -> Result<Vec<u8>> {
    let kind = kind.context("which kind of ICMP?")?;
    let version4 = ends.0.is_ipv4();
    let (number, code) = if version4 {
        number4(kind)
    } else {
        number6(kind)
    }?;
    let mut bytes = vec![number, fields.number("code")?.unwrap_or(code), 0, 0];
    bytes.extend(rest(kind, version4, fields)?.to_be_bytes());
    match quote {
        Some(text) => bytes.extend(quoted(text, names)?),
        None => bytes.extend(fields.data()?),
    }
    let pseudo = if version4 {
        Vec::new()
    } else {
        pseudo(ends, 58, bytes.len())
    };
    let mut check = checksum(&[&pseudo, &bytes]);
    if fields.has("badsum") {
        check = spoiled(check);
    }
    bytes[2..4].copy_from_slice(&check.to_be_bytes());
    Ok(bytes)
}

fn number4(kind: &str) -> Result<(u8, u8)> {
    Ok(match kind {
        "echo" => (8, 0),
        "echo-reply" => (0, 0),
        "unreachable" => (3, 0),
        "port-unreachable" => (3, 3),
        "too-big" => (3, 4),
        "time-exceeded" => (11, 0),
        "param-problem" => (12, 0),
        other => (
            other
                .parse()
                .with_context(|| format!("kind of ICMP {other}"))?,
            0,
        ),
    })
}

fn number6(kind: &str) -> Result<(u8, u8)> {
    Ok(match kind {
        "echo" => (128, 0),
        "echo-reply" => (129, 0),
        "unreachable" => (1, 0),
        "port-unreachable" => (1, 4),
        "too-big" => (2, 0),
        "time-exceeded" => (3, 0),
        "param-problem" => (4, 0),
        other => (
            other
                .parse()
                .with_context(|| format!("kind of ICMPv6 {other}"))?,
            0,
        ),
    })
}

/// The four bytes behind the checksum.
fn rest(kind: &str, version4: bool, fields: &Fields) -> Result<u32> {
    Ok(match kind {
        "echo" | "echo-reply" => {
            let id: u32 = fields.number::<u16>("id")?.unwrap_or(0).into();
            id << 16 | u32::from(fields.number::<u16>("seq")?.unwrap_or(0))
        }
        "too-big" => fields.number("mtu")?.unwrap_or(0),
        "param-problem" if version4 => fields.number::<u32>("pointer")?.unwrap_or(0) << 24,
        "param-problem" => fields.number("pointer")?.unwrap_or(0),
        _ => 0,
    })
}

fn quoted(text: &str, names: &Names) -> Result<Vec<u8>> {
    let text = Text::of(text)?;
    let mut packet = ip::packet(&text, names)?;
    let kept = Fields(&text.words).number::<usize>("quote")?;
    match (kept, packet.ends.0.is_ipv4()) {
        (Some(kept), _) => packet.bytes.truncate(packet.header + kept),
        (None, true) => packet.bytes.truncate(packet.header + 8),
        (None, false) => packet.bytes.truncate(QUOTE6_MOST),
    }
    Ok(packet.bytes)
}
