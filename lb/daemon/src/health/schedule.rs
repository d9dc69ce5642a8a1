//! When who is asked: pure, time and randomness are arguments.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::board::TargetId;

/// The first questions are spread over an interval, but over this time at most: what is not known
/// gets connections meanwhile.
const FIRST_WITHIN: Duration = Duration::from_millis(500);

#[derive(Default)]
pub struct Schedule {
    queue: BinaryHeap<Reverse<(Instant, TargetId)>>,
}

impl Schedule {
    /// Somebody who has not been asked yet.
    pub fn add(&mut self, id: TargetId, interval: Duration, now: Instant, random: u64) {
        let due = now + share(interval.min(FIRST_WITHIN), random);
        self.queue.push(Reverse((due, id)));
    }

    /// Somebody who has just been asked, and was to be asked at `due`: an interval later, give or
    /// take a tenth, and never in the past.
    pub fn again(
        &mut self,
        id: TargetId,
        interval: Duration,
        due: Instant,
        now: Instant,
        random: u64,
    ) {
        let next = due + interval.mul_f64(0.9) + share(interval.mul_f64(0.2), random);
        self.queue.push(Reverse((next.max(now), id)));
    }

    /// When somebody is due next.
    pub fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((due, _))| *due)
    }

    /// Somebody who is due, and since when.
    pub fn take(&mut self, now: Instant) -> Option<(Instant, TargetId)> {
        self.next().filter(|due| *due <= now)?;
        self.queue.pop().map(|Reverse(entry)| entry)
    }
}

/// A part of a span.
fn share(span: Duration, random: u64) -> Duration {
    span.mul_f64(random as f64 / u64::MAX as f64)
}

/// Random enough to spread work: splitmix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
