//! Packets at random, near to valid ones, from a seed: the same every time.

use crate::frame::packet_at;

mod complaint;

pub use complaint::complained;

/// xorshift64* (Vigna, 2016).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed | 1)
    }

    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 0 to `end` - 1.
    pub fn below(&mut self, end: usize) -> usize {
        (((self.word() >> 32) * end as u64) >> 32) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A byte that is more often than not at some edge.
    fn byte(&mut self) -> u8 {
        match self.below(4) {
            0 => *self.pick(&[0, 1, 0x7f, 0x80, 0xff, 0x45, 6, 17]),
            _ => self.word() as u8,
        }
    }
}

/// Changes a frame, by up to four small steps; often not at all.
pub fn mutate(frame: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.below(5).saturating_sub(1) {
        if frame.is_empty() {
            return;
        }
        // Headers are where things happen.
        let near = frame.len().min(14 + 8 + 40 + 20 + 48);
        let at = random.below(near);
        match random.below(12) {
            0 => frame[at] ^= 1 << random.below(8),
            1 => frame[at] = random.byte(),
            2 => frame.truncate(random.below(frame.len() + 1).max(14)),
            3 => frame.extend(std::iter::repeat_n(0, random.below(64))),
            4 => retag(frame, random),
            _ => match packet_at(frame) {
                Some((packet, 0x0800)) => of_version4(frame, packet, random),
                Some((packet, 0x86dd)) => of_version6(frame, packet, random),
                _ => (),
            },
        }
    }
}

/// TTL, protocol, fragment, another client end, flags: what decides most.
fn of_version4(frame: &mut [u8], packet: usize, random: &mut Random) {
    match random.below(6) {
        0 => set(frame, packet + 8, *random.pick(&[0, 1, 2, 64, 255])),
        1 => set(frame, packet + 9, *random.pick(&[1, 4, 6, 17, 41, 50])),
        2 => set(frame, packet + 6, *random.pick(&[0, 0x20, 0x40, 0x60, 1])),
        3 => set(frame, packet + 15, random.below(8) as u8),
        4 => set(frame, packet + 33, random.byte()),
        _ => set(frame, packet + 21, random.below(32) as u8),
    }
}

/// Hop limit, next header, length, another client end, flags.
fn of_version6(frame: &mut [u8], packet: usize, random: &mut Random) {
    match random.below(7) {
        0 => set(frame, packet + 7, *random.pick(&[0, 1, 2, 64, 255])),
        1 => set(
            frame,
            packet + 6,
            *random.pick(&[0, 6, 17, 43, 44, 50, 58, 59, 60]),
        ),
        2 => set(frame, packet + 5, random.byte()),
        3 => set(frame, packet + 23, random.below(8) as u8),
        4 => set(
            frame,
            packet + 40,
            *random.pick(&[6, 17, 44, 58, 60, 128, 135, 15]),
        ),
        5 => set(frame, packet + 53, random.byte()),
        _ => set(frame, packet + 41, random.below(32) as u8),
    }
}

fn set(frame: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = frame.get_mut(at) {
        *byte = value;
    }
}

/// Takes a frame's tags away, or gives it others.
fn retag(frame: &mut Vec<u8>, random: &mut Random) {
    const IDS: [u16; 6] = [0, 7, 100, 200, 101, 0xf064];
    let Some((packet, kind)) = packet_at(frame) else {
        return;
    };
    let mut link = Vec::new();
    for _ in 0..random.below(4) {
        let kind: u16 = *random.pick(&[0x8100, 0x8100, 0x88a8]);
        link.extend(kind.to_be_bytes());
        link.extend(random.pick(&IDS).to_be_bytes());
    }
    link.extend(kind.to_be_bytes());
    frame.splice(12..packet, link);
}

/// A frame that came out goes back in from the other side, its ends swapped.
pub fn answered(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let (packet, addresses, length) = match packet_at(&frame) {
        Some((packet, 0x0800)) => (packet, packet + 12, 4),
        Some((packet, 0x86dd)) => (packet, packet + 8, 16),
        _ => return frame,
    };
    let ports = packet + if length == 4 { 20 } else { 40 };
    if frame.len() >= ports + 4 {
        swap(&mut frame, 0, 6);
        swap(&mut frame, addresses, length);
        swap(&mut frame, ports, 2);
    }
    frame
}

/// Two neighbouring pieces of some bytes.
fn swap(frame: &mut [u8], at: usize, length: usize) {
    let (first, second) = frame[at..at + 2 * length].split_at_mut(length);
    first.swap_with_slice(second);
}
