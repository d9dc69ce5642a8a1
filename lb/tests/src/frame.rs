//! Packets as text, and their bytes.
//!
//! ```text
//! 10.0.0.2:4000 > 20.0.0.1:80 tcp syn,ack seq=1 ack=2 ttl=63 data=hello
//! 10.0.0.2:4000 > 20.0.0.1:53 udp data=hi            nosum: without a checksum
//! 10.0.0.2 > 20.0.0.1 icmp echo id=1 seq=2 data=abc
//! 10.0.0.9 > 20.0.0.1 icmp unreachable code=1 [20.0.0.1:80 > 10.0.0.2:4000 tcp]
//! arp who-has 20.0.0.1 tell 10.0.0.2
//! arp 20.0.0.1 is-at 02:00:00:00:00:0a to 10.0.0.2
//! raw 86dd 6000...                                    an ethertype and what follows
//! ```
//! Of any IPv4 packet: `ttl=` (64), `id=`, `tos=`, `df`, `mf`, `offset=` bytes, `options=` hex,
//! `len=` bytes of payload; of any frame `cut=` bytes and `pad=` zeroes at its end, `from=` and
//! `to=` MAC addresses. A quoted packet, in brackets, has `quote=` bytes (8) after its IP header.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};

/// The values of `$names`, which stand for ports that the appliance chose.
pub type Ports = BTreeMap<String, u16>;

/// A line's frame, but for its link addresses.
pub struct Spec {
    /// From the EtherType on.
    pub payload: Vec<u8>,
    pub ethertype: u16,
    /// IPv4 (or ARP) ends, by which the link addresses are found.
    pub ends: Option<(Ipv4Addr, Ipv4Addr)>,
    pub from: Option<[u8; 6]>,
    pub to: Option<[u8; 6]>,
    cut: Option<usize>,
    pad: usize,
}

impl Spec {
    /// Reads a packet; `$names` of ports must be known.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(text: &str, ports: &Ports) -> Result<Spec> {
        let (head, quote) = match text.split_once('[') {
            Some((head, rest)) => {
                let quote = rest
                    .trim_end()
                    .strip_suffix(']')
                    .context("`[` without `]`")?;
                (head, Some(quote))
            }
            None => (text, None),
        };
        let words: Vec<&str> = head.split_whitespace().collect();
        let mut spec = match words.first().copied() {
            Some("arp") => arp(&words[1..])?,
            Some("raw") => raw(&words[1..])?,
            _ => {
                let ip = ip(&words, quote, ports)?;
                Spec {
                    payload: ip.bytes,
                    ends: Some(ip.ends),
                    ..Spec::of(0x0800)
                }
            }
        };
        let fields = Fields::of(&words);
        spec.from = fields.get("from").map(mac).transpose()?;
        spec.to = fields.get("to").map(mac).transpose()?;
        spec.cut = fields.number("cut")?;
        spec.pad = fields.number("pad")?.unwrap_or(0);
        Ok(spec)
    }

    fn of(ethertype: u16) -> Spec {
        Spec {
            payload: Vec::new(),
            ethertype,
            ends: None,
            from: None,
            to: None,
            cut: None,
            pad: 0,
        }
    }

    /// The frame with these link addresses, where it has none of its own.
    pub fn frame(&self, from: [u8; 6], to: [u8; 6]) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend(self.to.unwrap_or(to));
        frame.extend(self.from.unwrap_or(from));
        frame.extend(self.ethertype.to_be_bytes());
        frame.extend(&self.payload);
        frame.resize(frame.len() + self.pad, 0);
        frame.truncate(self.cut.unwrap_or(usize::MAX));
        frame
    }
}

/// `key=value` words.
struct Fields<'a>(Vec<&'a str>);

impl<'a> Fields<'a> {
    fn of(words: &[&'a str]) -> Self {
        Fields(words.to_vec())
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        let value = |word: &&'a str| word.strip_prefix(key)?.strip_prefix('=');
        self.0.iter().find_map(value)
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    fn number<T: TryFrom<u64>>(&self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        let value: u64 = text.parse().with_context(|| format!("{key}={text}"))?;
        Ok(Some(
            T::try_from(value)
                .ok()
                .with_context(|| format!("{key}={text}: too large"))?,
        ))
    }

    fn data(&self) -> Result<Vec<u8>> {
        let mut data = self.get("data").unwrap_or_default().as_bytes().to_vec();
        if let Some(length) = self.number::<usize>("len")? {
            data.extend((0..length).map(|index| index as u8));
        }
        Ok(data)
    }
}

struct Ip {
    bytes: Vec<u8>,
    ends: (Ipv4Addr, Ipv4Addr),
}

fn ip(words: &[&str], quote: Option<&str>, ports: &Ports) -> Result<Ip> {
    let [source, ">", dest, protocol, ..] = words else {
        bail!("`{}`: write FROM > TO PROTOCOL", words.join(" "));
    };
    let fields = Fields::of(&words[4..]);
    let (source, sport) = end(source, ports)?;
    let (dest, dport) = end(dest, ports)?;
    let ends = (source, dest);
    let offset: u16 = fields.number("offset")?.unwrap_or(0);
    let (number, body) = match *protocol {
        "tcp" if offset == 0 => (6, tcp(ends, sport, dport, words.get(4), &fields)?),
        "udp" if offset == 0 => (17, udp(ends, sport, dport, &fields)?),
        "icmp" if offset == 0 => (1, icmp(&words[4..], &fields, quote, ports)?),
        "tcp" => (6, fields.data()?),
        "udp" => (17, fields.data()?),
        "icmp" => (1, fields.data()?),
        other => (
            other.parse().with_context(|| format!("protocol {other}"))?,
            fields.data()?,
        ),
    };
    let options = fields
        .get("options")
        .map(hex)
        .transpose()?
        .unwrap_or_default();
    let header = 20 + options.len();
    let mut bytes = vec![
        0x40 | (header / 4) as u8,
        fields.number("tos")?.unwrap_or(0),
    ];
    bytes.extend(((header + body.len()) as u16).to_be_bytes());
    bytes.extend(fields.number::<u16>("id")?.unwrap_or(0).to_be_bytes());
    let flags = u16::from(fields.has("df")) << 14 | u16::from(fields.has("mf")) << 13;
    bytes.extend((flags | (offset / 8)).to_be_bytes());
    bytes.extend([fields.number("ttl")?.unwrap_or(64), number, 0, 0]);
    bytes.extend(source.octets());
    bytes.extend(dest.octets());
    bytes.extend(options);
    let check = checksum(&[&bytes]);
    bytes[10..12].copy_from_slice(&check.to_be_bytes());
    bytes.extend(body);
    Ok(Ip { bytes, ends })
}

fn end(text: &str, ports: &Ports) -> Result<(Ipv4Addr, u16)> {
    let (address, port) = text.split_once(':').unwrap_or((text, "0"));
    let port = match ports.get(port) {
        Some(port) => *port,
        None => port.parse().with_context(|| format!("port of {text}"))?,
    };
    Ok((
        address.parse().with_context(|| format!("address {text}"))?,
        port,
    ))
}

const FLAGS: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];

fn tcp(
    ends: (Ipv4Addr, Ipv4Addr),
    sport: u16,
    dport: u16,
    flags: Option<&&str>,
    fields: &Fields,
) -> Result<Vec<u8>> {
    let bit = |name: &str| FLAGS.iter().position(|flag| *flag == name);
    let names = flags
        .iter()
        .flat_map(|names| names.split(','))
        .filter_map(bit);
    let flags = names.fold(0u8, |flags, bit| flags | 1 << bit);
    let options = fields.get("opts").map(hex).transpose()?.unwrap_or_default();
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
    let check = checksum(&[&pseudo(ends, 6, bytes.len()), &bytes]);
    bytes[16..18].copy_from_slice(&check.to_be_bytes());
    Ok(bytes)
}

fn udp(ends: (Ipv4Addr, Ipv4Addr), sport: u16, dport: u16, fields: &Fields) -> Result<Vec<u8>> {
    let data = fields.data()?;
    let mut bytes = Vec::new();
    bytes.extend(sport.to_be_bytes());
    bytes.extend(dport.to_be_bytes());
    bytes.extend((8 + data.len() as u16).to_be_bytes());
    bytes.extend([0; 2]);
    bytes.extend(data);
    if !fields.has("nosum") {
        let check = match checksum(&[&pseudo(ends, 17, bytes.len()), &bytes]) {
            0 => 0xffff,
            check => check,
        };
        bytes[6..8].copy_from_slice(&check.to_be_bytes());
    }
    Ok(bytes)
}

fn icmp(words: &[&str], fields: &Fields, quote: Option<&str>, ports: &Ports) -> Result<Vec<u8>> {
    let kind = words.first().copied().context("which kind of ICMP?")?;
    let (kind, code) = match kind {
        "echo" => (8, 0),
        "echo-reply" => (0, 0),
        "unreachable" => (3, 0),
        "port-unreachable" => (3, 3),
        "too-big" => (3, 4),
        "time-exceeded" => (11, 0),
        other => (
            other
                .parse()
                .with_context(|| format!("kind of ICMP {other}"))?,
            0,
        ),
    };
    let mut bytes = vec![kind, fields.number("code")?.unwrap_or(code), 0, 0];
    bytes.extend(
        fields
            .number::<u16>("id")?
            .filter(|_| kind == 8 || kind == 0)
            .unwrap_or(0)
            .to_be_bytes(),
    );
    let last = fields.number::<u16>("seq")?.or(fields.number("mtu")?);
    bytes.extend(last.unwrap_or(0).to_be_bytes());
    match quote {
        Some(text) => bytes.extend(quoted(text, ports)?),
        None => bytes.extend(fields.data()?),
    }
    let check = checksum(&[&bytes]);
    bytes[2..4].copy_from_slice(&check.to_be_bytes());
    Ok(bytes)
}

fn quoted(text: &str, ports: &Ports) -> Result<Vec<u8>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut packet = ip(&words, None, ports)?.bytes;
    let header = usize::from(packet[0] & 15) * 4;
    let kept = Fields::of(&words).number::<usize>("quote")?.unwrap_or(8);
    packet.truncate(header + kept);
    Ok(packet)
}

fn arp(words: &[&str]) -> Result<Spec> {
    let (operation, sender, sender_mac, target, target_mac) = match words {
        ["who-has", target, "tell", sender, rest @ ..] => {
            let from = Fields::of(rest).get("from").map(mac).transpose()?;
            (1u16, *sender, from, *target, Some([0; 6]))
        }
        [sender, "is-at", at, "to", target, rest @ ..] => (
            2,
            *sender,
            Some(mac(at)?),
            *target,
            Fields::of(rest).get("to").map(mac).transpose()?,
        ),
        _ => bail!(
            "`arp {}`: write who-has ADDRESS tell ADDRESS",
            words.join(" ")
        ),
    };
    let (sender, target): (Ipv4Addr, Ipv4Addr) = (sender.parse()?, target.parse()?);
    let mut spec = Spec::of(0x0806);
    spec.payload.extend([0, 1, 8, 0, 6, 4]);
    spec.payload.extend(operation.to_be_bytes());
    spec.payload.extend(sender_mac.unwrap_or([0; 6]));
    spec.payload.extend(sender.octets());
    spec.payload.extend(target_mac.unwrap_or([0; 6]));
    spec.payload.extend(target.octets());
    spec.ends = Some((sender, target));
    Ok(spec)
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
        payload: hex(&digits)?,
        ..Spec::of(ethertype)
    })
}

fn hex(text: &str) -> Result<Vec<u8>> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2).unwrap_or("?"), 16);
    (0..text.len())
        .step_by(2)
        .map(|at| byte(at).with_context(|| format!("hex {text}")))
        .collect()
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

fn pseudo((source, dest): (Ipv4Addr, Ipv4Addr), protocol: u8, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(source.octets());
    bytes.extend(dest.octets());
    bytes.extend([0, protocol]);
    bytes.extend((length as u16).to_be_bytes());
    bytes
}

/// The Internet checksum (RFC 1071) of pieces; all but the last have an even length.
pub fn checksum(pieces: &[&[u8]]) -> u16 {
    let words = pieces.iter().flat_map(|piece| piece.chunks(2));
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u64 = words.map(word).sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
