//! How many packets of each reason came lately: by comparing readings of the counters.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use lb_plane::stats::Totals;

#[cfg(test)]
mod tests;

/// How far back "lately" goes.
const WINDOW: Duration = Duration::from_secs(5);

/// Readings are further apart than this; others replace the newest.
const APART: Duration = Duration::from_millis(500);

#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// The oldest first; the first is the one that is compared with.
    readings: VecDeque<(Instant, BTreeMap<&'static str, u64>)>,
}

impl Recent {
    pub fn counted(&mut self, totals: &Totals, now: Instant) {
        let counts = totals.reasons.iter();
        let counts = counts.map(|reason| (reason.name, reason.count)).collect();
        let before_newest = self.readings.len().checked_sub(2);
        let before_newest = before_newest.and_then(|index| self.readings.get(index));
        if before_newest.is_some_and(|(time, _)| now < *time + APART) {
            self.readings.pop_back();
        }
        self.readings.push_back((now, counts));
        // The second may take the first's place once it is old enough itself.
        while self
            .readings
            .get(1)
            .is_some_and(|(time, _)| *time + WINDOW <= now)
        {
            self.readings.pop_front();
        }
    }

    /// How long the time is that `of` counts over; 0 after one reading.
    pub fn window_ms(&self) -> u64 {
        let ends = self.readings.front().zip(self.readings.back());
        ends.map_or(0, |((first, _), (last, _))| {
            last.duration_since(*first)
                .as_millis()
                .try_into()
                .unwrap_or(u64::MAX)
        })
    }

    pub fn of(&self, reason: &str) -> u64 {
        let count = |(_, counts): &(Instant, BTreeMap<&'static str, u64>)| {
            counts.get(reason).copied().unwrap_or(0)
        };
        let ends = self.readings.front().zip(self.readings.back());
        ends.map_or(0, |(first, last)| count(last).saturating_sub(count(first)))
    }
}
