//! TCP and UDP.
//!
//! TCP has its flags first (`syn,ack`), and `seq=`, `ack=`, `win=`, `mss=`, `opts=` hex. UDP has
//! `nosum`. Both have `data=`, `len=` and `badsum`.

use std::net::IpAddr;

use anyhow::Result;

use super::checksum::{checksum, pseudo, spoiled};
use super::fields::Fields;

const FLAGS: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];

pub fn tcp(
    ends: (IpAddr, IpAddr),
    (sport, dport): (u16, u16),
    flags: Option<&str>,
    fields: &Fields,
) -> Result<Vec<u8>> {
    let bit = |name: &str| FLAGS.iter().position(|flag| *flag == name);
    let names = flags
        .iter()
        .flat_map(|names| names.split(','))
        .filter_map(bit);
    let flags = names.fold(0u8, |flags, bit| flags | 1 << bit);
    let mut options = Vec::new();
    if let Some(size) = fields.number::<u16>("mss")? {
        options.extend([2, 4]);
        options.extend(size.to_be_bytes());
    }
    options.extend(fields.bytes("opts")?);
    let mut bytes = Vec::new();
    bytes.extend(sport.to_be_bytes());
    bytes.extend(dport.to_be_bytes());
    bytes.extend(fields.number::<u32>("seq")?.unwrap_or(0).to_be_bytes());
    bytes.extend(fields.number::<u32>("ack")?.unwrap_or(0).to_be_bytes());
    bytes.extend([(((20 + options.len()) / 4) << 4) as u8, flags]);
    bytes.extend(fields.number::<u16>("win")?.unwrap_or(0).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(options);
    bytes.extend(fields.data()?);
    let mut check = checksum(&[&pseudo(ends, 6, bytes.len()), &bytes]);
    if fields.has("badsum") {
        check = spoiled(check);
    }
    bytes[16..18].copy_from_slice(&check.to_be_bytes());
    Ok(bytes)
}

pub fn udp(
    ends: (IpAddr, IpAddr),
    (sport, dport): (u16, u16),
    data: Vec<u8>,
    fields: &Fields,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.extend(sport.to_be_bytes());
    bytes.extend(dport.to_be_bytes());
    bytes.extend((8 + data.len() as u16).to_be_bytes());
    bytes.extend([0; 2]);
    bytes.extend(data);
    if !fields.has("nosum") {
        let mut check = checksum(&[&pseudo(ends, 17, bytes.len()), &bytes]);
        if fields.has("badsum") {
            check = spoiled(check);
        }
        // 0 says that there is none (RFC 768).
        let check = if check == 0 { 0xffff } else { check };
        bytes[6..8].copy_from_slice(&check.to_be_bytes());
    }
    Ok(bytes)
}
