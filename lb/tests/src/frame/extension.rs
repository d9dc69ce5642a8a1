//! IPv6 extension headers (RFC 8200, 4): `ext=` and any of `hop`, `dest`, `route`, `frag`,
//! `auth`, with commas between them and in the order of the packet.
//!
//! A fragment header has `id=`, `offset=` bytes and `mf`; `mf` or `offset=` alone ask for one,
//! behind the others.

use anyhow::{Result, bail};

use super::fields::Fields;

const HOP: u8 = 0;
const ROUTE: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// The first header's number and the bytes of all, in front of a header of number `last`.
///
/// # Errors
/// A header that isn't known.
pub fn chain(fields: &Fields, last: u8) -> Result<(u8, Vec<u8>)> {
    let mut names: Vec<&str> = fields
        .get("ext")
        .map_or(Vec::new(), |names| names.split(',').collect());
    let fragmented = fields.has("mf") || fields.get("offset").is_some();
    if fragmented && !names.contains(&"frag") {
        names.push("frag");
    }
    let (mut next, mut chain) = (last, Vec::new());
    for name in names.into_iter().rev() {
        let (number, mut header) = header(name, fields, next)?;
        header.extend(&chain);
        (next, chain) = (number, header);
    }
    Ok((next, chain))
}

fn header(name: &str, fields: &Fields, next: u8) -> Result<(u8, Vec<u8>)> {
    // Options are one PadN of six bytes; the routing header is an experiment's (RFC 4727) that is
    // over.
    Ok(match name {
        "hop" => (HOP, vec![next, 0, 1, 4, 0, 0, 0, 0]),
        "dest" => (DESTINATION, vec![next, 0, 1, 4, 0, 0, 0, 0]),
        // Sixteen bytes, so that a length is counted.
        "dest16" => (DESTINATION, [&[next, 1, 1, 12][..], &[0; 12]].concat()),
        "route" => (ROUTE, vec![next, 0, 253, 0, 0, 0, 0, 0]),
        "auth" => (AUTHENTICATION, [&[next, 4][..], &[0; 22]].concat()),
        "frag" => {
            let offset: u16 = fields.number("offset")?.unwrap_or(0);
            let place = (offset & !7) | u16::from(fields.has("mf"));
            let mut header = vec![next, 0];
            header.extend(place.to_be_bytes());
            header.extend(fields.number::<u32>("id")?.unwrap_or(0).to_be_bytes());
            (FRAGMENT, header)
        }
        other => bail!("ext={other}: no such header"),
    })
}

/// Where the headers of an IPv6 packet are over, and the number of what follows.
pub fn end(packet: &[u8]) -> Option<(usize, u8)> {
    let (mut at, mut next) = (40, *packet.get(6)?);
    loop {
        let length = usize::from(*packet.get(at + 1).unwrap_or(&0));
        let header = match next {
            HOP | ROUTE | DESTINATION => (length + 1) * 8,
            FRAGMENT => 8,
            AUTHENTICATION => (length + 2) * 4,
            _ => return Some((at, next)),
        };
        next = *packet.get(at)?;
        at += header;
    }
}
