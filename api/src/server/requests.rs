//! Answers counted by route and status, and timed, for the daemon's metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use prometheus::{Histogram, HistogramOpts};

/// Counters of all answers.
#[derive(Debug)]
pub struct Requests {
    counts: Mutex<BTreeMap<(String, u16), u64>>,
    seconds: Histogram,
    auth_failures: AtomicU64,
}

/// Answers of one status on one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestCount {
    /// As the router has it (`/v1/documents/{*source}`), or `unknown`.
    pub route: String,
    pub status: u16,
    pub answers: u64,
}

impl Default for Requests {
    fn default() -> Self {
        let options = HistogramOpts::new(
            "loxid_api_request_duration_seconds",
            "Time from a request's head to its answer's.",
        )
        .buckets(vec![0.000_5, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0, 30.0]);
        Self {
            counts: Mutex::default(),
            seconds: Histogram::with_opts(options).expect("a valid name, and buckets in order"),
            auth_failures: AtomicU64::new(0),
        }
    }
}

impl Requests {
    pub(super) fn count(&self, route: &str, status: StatusCode, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts
            .entry((route.to_owned(), status.as_u16()))
            .or_default() += 1;
    }

    pub(super) fn count_auth_failure(&self) {
        self.auth_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Those that are not 0, by route and status.
    pub fn snapshot(&self) -> Vec<RequestCount> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |((route, status), answers): (&(String, u16), &u64)| RequestCount {
            route: route.clone(),
            status: *status,
            answers: *answers,
        };
        counts.iter().map(count).collect()
    }

    /// How long answers took.
    pub fn seconds(&self) -> Histogram {
        self.seconds.clone()
    }

    /// Requests whose credentials were missing or wrong.
    pub fn auth_failures(&self) -> u64 {
        self.auth_failures.load(Ordering::Relaxed)
    }
}
