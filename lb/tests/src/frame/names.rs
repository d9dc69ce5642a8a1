//! Numbers that the appliance chooses, by the names that a case gives them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Context, Result};

use super::extension;

/// What each `$name` stands for.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, u32>);

impl Names {
    /// # Errors
    /// A name that is not known.
    pub fn value(&self, name: &str) -> Result<u32> {
        let value = self.0.get(name).copied();
        value.with_context(|| format!("nothing was called {name} before"))
    }

    /// `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`.
    ///
    /// # Errors
    /// What is not understood, or a name that is not known.
    pub fn end(&self, text: &str) -> Result<(IpAddr, u16)> {
        let (address, port) = split(text);
        let port = match port {
            None => 0,
            Some(name) if name.starts_with('$') => u16::try_from(self.value(name)?)?,
            Some(port) => port.parse().with_context(|| format!("port of {text}"))?,
        };
        let known = match address.find('$') {
            None => address.to_owned(),
            Some(at) => {
                let (rest, value) = (&address[..at], self.value(&address[at..])?);
                match address.contains(':') {
                    true => format!("{rest}{value:x}"),
                    false => format!("{rest}{value}"),
                }
            }
        };
        let address = known.parse().with_context(|| format!("address {text}"))?;
        Ok((address, port))
    }

    /// Learns the names in a packet's text that are not known yet from a frame.
    pub fn learn(&mut self, packet: &str, frame: &[u8]) {
        let Some((at, kind)) = packet_at(frame) else {
            return;
        };
        let ports = ports_at(frame).unwrap_or(frame.len());
        let mut words = packet.split_whitespace();
        for (place, word) in [words.next(), words.nth(1)].into_iter().enumerate() {
            let (address, port) = split(word.unwrap_or_default());
            self.insert(
                port.unwrap_or_default(),
                number(frame, ports + place * 2, 2),
            );
            let last = match kind {
                0x0800 => number(frame, at + 12 + place * 4 + 3, 1),
                _ => number(frame, at + 8 + place * 16 + 14, 2),
            };
            self.insert(&address[address.find('$').unwrap_or(0)..], last);
        }
        // Of the outer packet: what is within brackets has been sent by somebody else.
        let own = words.take_while(|word| !word.starts_with(['[', '{']));
        for label in own.filter_map(|word| word.strip_prefix("flow=")) {
            self.insert(label, number(frame, at, 4).map(|first| first & 0xf_ffff));
        }
    }

    fn insert(&mut self, name: &str, value: Option<u32>) {
        if let (true, Some(value)) = (name.starts_with('$'), value) {
            self.0.entry(name.to_owned()).or_insert(value);
        }
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return (address, rest.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some((address, port)) if !port.contains(':') => (address, Some(port)),
        _ => (text, None),
    }
}

/// Some bytes of a frame as a number.
fn number(frame: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = frame.get(at..at + length)?;
    Some(
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte)),
    )
}

/// Where the packet begins in a frame, behind tags and EtherType, and that type.
pub fn packet_at(frame: &[u8]) -> Option<(usize, u16)> {
    let mut at = 12;
    loop {
        match number(frame, at, 2)? as u16 {
            0x8100 | 0x88a8 => at += 4,
            kind => return Some((at + 2, kind)),
        }
    }
}

/// Where the ports are in a frame of TCP or UDP.
pub fn ports_at(frame: &[u8]) -> Option<usize> {
    let (packet, kind) = packet_at(frame)?;
    match kind {
        0x0800 => Some(packet + usize::from(frame.get(packet)? & 15) * 4),
        0x86dd => Some(packet + extension::end(frame.get(packet..)?)?.0),
        _ => None,
    }
}
