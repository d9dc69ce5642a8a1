//! What the daemon measures of itself.

use std::collections::BTreeMap;

use lb_api::control::Readiness;
use lb_api::server::RequestCount;
use prometheus::{Histogram, HistogramOpts};

use super::Sources;
use super::page::{Page, by_name};
use crate::reconcile::{Counters, KINDS};

/// What is measured by the daemon itself.
pub struct Own {
    pub pass_seconds: Histogram,
    /// Changes of documents, by result: `ok`, `refused`, `failed`.
    pub applies: BTreeMap<&'static str, u64>,
    /// Seconds since the epoch; None: no document was changed.
    pub last_apply: Option<f64>,
    pub started: f64,
}

impl Own {
    pub fn new(started: f64) -> Self {
        let options = HistogramOpts::new(
            "loxid_reconcile_duration_seconds",
            "Duration of a pass over all tables.",
        )
        .buckets(vec![0.000_1, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0]);
        Own {
            pass_seconds: Histogram::with_opts(options)
                .expect("a valid name, and buckets in order"),
            applies: ["ok", "refused", "failed"].map(|result| (result, 0)).into(),
            last_apply: None,
            started,
        }
    }
}

pub fn add(page: &mut Page, sources: &Sources) {
    let Sources { own, state, .. } = sources;
    let commit = option_env!("LOXID_COMMIT").unwrap_or("unknown");
    let build = [env!("CARGO_PKG_VERSION"), commit, sources.kernel];
    page.gauges(
        "loxid_build_info",
        "Version of loxid and of the kernel.",
        ["version", "commit", "kernel"],
        &[(build, 1.0)],
    );
    page.gauge(
        "loxid_start_time_seconds",
        "When the daemon started, since the epoch.",
        own.started,
    );
    let is_ready = state.readiness == Readiness::Ready;
    page.gauge(
        "loxid_ready",
        "1: the tables follow the documents.",
        is_ready.into(),
    );
    documents(page, own, state.status.generation as f64);
    if let Some((_, counters)) = sources.plane {
        passes(page, own, counters);
    }
    requests(page, sources.requests);
    page.counter(
        "loxid_api_auth_failures_total",
        "Requests whose token was missing, unknown or expired.",
        sources.api.auth_failures() as f64,
    );
    page.register(sources.api.seconds());
}

fn documents(page: &mut Page, own: &Own, generation: f64) {
    page.gauge(
        "loxid_config_generation",
        "Generation of the newest document.",
        generation,
    );
    if let Some(at) = own.last_apply {
        page.gauge(
            "loxid_config_last_apply_timestamp_seconds",
            "When a document was changed last.",
            at,
        );
    }
    let applies = own.applies.iter().map(|(result, count)| (*result, *count));
    page.counters(
        "loxid_config_apply_total",
        "Changes of documents, by result.",
        ["result"],
        &by_name(applies),
    );
}

fn passes(page: &mut Page, own: &Own, counters: &Counters) {
    let passes = [
        ("ok", counters.passes - counters.failed),
        ("failed", counters.failed),
    ];
    page.counters(
        "loxid_reconcile_total",
        "Passes over all tables, by result.",
        ["result"],
        &by_name(passes),
    );
    let corrections =
        KINDS.map(|kind| (kind, counters.corrections.get(kind).copied().unwrap_or(0)));
    page.counters(
        "loxid_reconcile_corrections_total",
        "Rows found changed by somebody else, and repaired.",
        ["kind"],
        &by_name(corrections),
    );
    page.register(own.pass_seconds.clone());
}

fn requests(page: &mut Page, counts: &[RequestCount]) {
    let answers: Vec<_> = counts
        .iter()
        .map(|count| {
            let labels = [count.route.clone(), count.status.to_string()];
            (labels, count.answers as f64)
        })
        .collect();
    page.counters(
        "loxid_api_requests_total",
        "Answers of the API, by route and status.",
        ["route", "code"],
        &answers,
    );
}
