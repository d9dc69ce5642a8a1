//! The families of one scrape.

use std::fmt::Debug;

use prometheus::core::Collector;
use prometheus::{CounterVec, Encoder, GaugeVec, Opts, Registry, TextEncoder};

#[derive(Default)]
pub struct Page {
    registry: Registry,
}

/// The values of a sample's labels, in the order of their names, and its value.
pub type Sample<L, const N: usize> = ([L; N], f64);

const NO_LABELS: [&str; 0] = [];

impl Page {
    /// A family of counters. Without samples there is no family.
    pub fn counters<L: AsRef<str> + Debug, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: &[Sample<L, N>],
    ) {
        let family =
            CounterVec::new(Opts::new(name, help), &labels).expect("names and labels are valid");
        for (values, value) in samples {
            family.with_label_values(values).inc_by(*value);
        }
        if !samples.is_empty() {
            self.register(family);
        }
    }

    /// A family of gauges. Without samples there is no family.
    pub fn gauges<L: AsRef<str> + Debug, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: &[Sample<L, N>],
    ) {
        let family =
            GaugeVec::new(Opts::new(name, help), &labels).expect("names and labels are valid");
        for (values, value) in samples {
            family.with_label_values(values).set(*value);
        }
        if !samples.is_empty() {
            self.register(family);
        }
    }

    pub fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.counters(name, help, NO_LABELS, &[(NO_LABELS, value)]);
    }

    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help, NO_LABELS, &[(NO_LABELS, value)]);
    }

    pub fn register(&mut self, family: impl Collector + 'static) {
        self.registry
            .register(Box::new(family))
            .expect("each name is given once");
    }

    pub fn text(&self) -> String {
        let mut text = Vec::new();
        // Writing to memory cannot fail, and families without samples are never registered.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Samples of a family with one label.
pub fn by_name<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> Vec<Sample<&'a str, 1>> {
    counts
        .into_iter()
        .map(|(name, count)| ([name], count as f64))
        .collect()
}
