//! What one client may take of the server, and what guessing costs.
//!
//! Both tables are bounded: an attacker with many addresses fills them and gets nothing more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::identity::Client;

#[cfg(test)]
mod tests;

/// Clients that are remembered at most.
const CLIENTS_MAX: usize = 4096;

/// How long a failure counts.
const FAILURE_AGE: Duration = Duration::from_secs(60);

/// How long the first failure's answer waits; each further one twice as long.
const DELAY_FIRST: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_millis(3200);

/// Limits of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, of each listener: no listener's clients lock out another's.
    pub connections: usize,
    /// From a connection's first byte, or from the answer before, to the end of a request's head;
    /// of a TLS handshake as well.
    pub header: Duration,
    /// Age of a connection at which it is closed.
    pub connection: Duration,
    /// Of each client that isn't an admin of this box.
    pub requests: Rate,
}

/// Requests of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    /// At once, after a pause.
    pub burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            header: Duration::from_secs(10),
            connection: Duration::from_secs(600),
            requests: Rate {
                per_second: 100,
                burst: 500,
            },
        }
    }
}

/// A bucket of requests for each client.
#[derive(Debug)]
pub(super) struct Rates {
    rate: Rate,
    buckets: BTreeMap<Client, Bucket>,
}

/// Filled at `at` with `requests`, and by the rate since.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    requests: f64,
    at: Instant,
}

impl Rates {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            rate,
            buckets: BTreeMap::new(),
        }
    }

    /// Takes one request, or says when there will be one.
    pub(super) fn take(&mut self, client: Client, now: Instant) -> Result<(), Duration> {
        let full = Bucket {
            requests: self.rate.burst.into(),
            at: now,
        };
        let mut bucket = self.buckets.get(&client).copied().unwrap_or(full);
        bucket.requests = self.filled(bucket, now);
        bucket.at = now;
        let taken = bucket.requests - 1.0;
        let answer = match taken >= 0.0 {
            true => {
                bucket.requests = taken;
                Ok(())
            }
            false => Err(Duration::from_secs_f64(
                -taken / f64::from(self.rate.per_second.max(1)),
            )),
        };
        if !self.buckets.contains_key(&client) {
            self.make_room(now);
        }
        self.buckets.insert(client, bucket);
        answer
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        let more = since * f64::from(self.rate.per_second);
        (bucket.requests + more).min(self.rate.burst.into())
    }

    /// Full buckets are as good as none; if all are in use, the one that rested longest goes.
    fn make_room(&mut self, now: Instant) {
        if self.buckets.len() < CLIENTS_MAX {
            return;
        }
        let burst = f64::from(self.rate.burst);
        let full: Vec<Client> = self
            .buckets
            .iter()
            .filter(|(_, bucket)| self.filled(**bucket, now) >= burst)
            .map(|(client, _)| *client)
            .collect();
        for client in &full {
            self.buckets.remove(client);
        }
        if full.is_empty() {
            let oldest = self.buckets.iter().min_by_key(|(_, bucket)| bucket.at);
            let oldest = oldest.map(|(client, _)| *client);
            oldest.map(|client| self.buckets.remove(&client));
        }
    }
}

/// Credentials that were wrong, by client.
#[derive(Debug, Default)]
pub(super) struct Failures {
    clients: BTreeMap<Client, (u32, Instant)>,
}

impl Failures {
    /// Counts one more, and says how long its answer waits.
    pub(super) fn add(&mut self, client: Client, now: Instant) -> Duration {
        self.clients
            .retain(|_, (_, last)| now.saturating_duration_since(*last) < FAILURE_AGE);
        if self.clients.len() >= CLIENTS_MAX && !self.clients.contains_key(&client) {
            // Nobody is forgotten for a newcomer's sake, who waits as long as anybody.
            return DELAY_MAX;
        }
        let (count, last) = self.clients.entry(client).or_insert((0, now));
        *count = count.saturating_add(1);
        *last = now;
        let doublings = (*count - 1).min(16);
        (DELAY_FIRST * 2u32.pow(doublings)).min(DELAY_MAX)
    }
}
