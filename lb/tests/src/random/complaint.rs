//! ICMP errors about frames that came out.

use super::Random;
use crate::frame::{checksum, packet_at};

/// 31.0.0.253 and 2001:db8:31::fd.
const ROUTER4: [u8; 4] = [31, 0, 0, 253];
const ROUTER6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0x31, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfd];

/// Too big, unreachable, or time exceeded, from the next router to whoever a frame's packet is
/// from, quoting more or less of it. None: it carries no IP.
pub fn complained(frame: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let (packet, kind) = packet_at(frame)?;
    let mut error = [&frame[6..12], &frame[..6], &frame[12..packet]].concat();
    let more = *random.pick(&[0, 0, 8, 28, 100]);
    let quote = |least: usize| {
        let whole = &frame[packet..];
        &whole[..(least + more).min(whole.len()) & !3]
    };
    match kind {
        0x0800 => error.extend(version4(quote(28), random)?),
        0x86dd => error.extend(version6(quote(48), random)?),
        _ => return None,
    }
    Some(error)
}

fn version4(quote: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let kind = random.pick(&[[3, 4], [3, 1], [11, 0]]);
    let length = (28 + quote.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 1, 0, 0]);
    packet.extend(ROUTER4);
    packet.extend(quote.get(12..16)?);
    let check = checksum(&[&packet]);
    packet[10..12].copy_from_slice(&check.to_be_bytes());
    packet.extend(message(*kind, quote, &[]));
    Some(packet)
}

fn version6(quote: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let kind = random.pick(&[[2, 0], [1, 3], [3, 0]]);
    let ends = [&ROUTER6, quote.get(8..24)?].concat();
    let length = ((8 + quote.len()) as u16).to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length);
    packet.extend([58, 64]);
    packet.extend(&ends);
    let pseudo = [&ends[..], &length, &[0, 58]].concat();
    packet.extend(message(*kind, quote, &pseudo));
    Some(packet)
}

fn message(kind: [u8; 2], quote: &[u8], pseudo: &[u8]) -> Vec<u8> {
    // An MTU of 1300.
    let mut message = [&kind[..], &[0, 0, 0, 0, 5, 20], quote].concat();
    let check = checksum(&[pseudo, &message]);
    message[2..4].copy_from_slice(&check.to_be_bytes());
    message
}
