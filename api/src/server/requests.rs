//! Answers counted by route and status, for the daemon's metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;

/// Counters of all answers.
#[derive(Debug, Default)]
pub struct Requests {
    counts: Mutex<BTreeMap<(String, u16), u64>>,
}

/// Answers of one status on one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestCount {
    /// As the router has it (`/v1/documents/{*source}`), or `unknown`.
    pub route: String,
    pub status: u16,
    pub answers: u64,
}

impl Requests {
    pub(super) fn count(&self, route: &str, status: StatusCode) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts
            .entry((route.to_owned(), status.as_u16()))
            .or_default() += 1;
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
}
