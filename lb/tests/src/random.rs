//! Packets at random, near to valid ones, from a seed: the same every time.

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
        let near = frame.len().min(14 + 20 + 20 + 28);
        let at = random.below(near);
        match random.below(10) {
            0 => frame[at] ^= 1 << random.below(8),
            1 => frame[at] = random.byte(),
            2 => frame.truncate(random.below(frame.len() + 1).max(14)),
            3 => frame.extend(std::iter::repeat_n(0, random.below(64))),
            // TTL, protocol, fragment, flags: what decides most.
            4 => set(frame, 22, *random.pick(&[0, 1, 2, 64, 255])),
            5 => set(frame, 23, *random.pick(&[1, 6, 17, 50])),
            6 => set(frame, 20, *random.pick(&[0, 0x20, 0x40, 0x60, 1])),
            7 => set(frame, 47, random.byte()),
            // Another client end.
            8 => set(frame, 29, random.below(8) as u8),
            _ => set(frame, 35, random.below(32) as u8),
        }
    }
}

fn set(frame: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = frame.get_mut(at) {
        *byte = value;
    }
}
