//! Metrics in the text format of Prometheus. Names are API; every reason is there with 0.
//!
//! Counters of packets and connections are the data plane's and survive restarts; the daemon's
//! own begin at 0 with it.

mod process;

use std::collections::BTreeMap;

use lb_api::control::{Readiness, State};
use lb_api::server::RequestCount;
use lb_api::wire::{BackendState, BackendStatus, XdpMode};
use lb_core::service::{Endpoint, Protocol};
use lb_core::tables::BackendId;
use lb_plane::stats::{Class, ConnState, Traffic};
use prometheus::{
    CounterVec, Encoder, GaugeVec, Histogram, HistogramOpts, Opts, Registry, TextEncoder,
};

use crate::reconcile::{Counters, KINDS, Outcome};
use crate::state::Figures;

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

/// Everything that is shown.
pub struct Sources<'a> {
    pub own: &'a Own,
    pub kernel: &'a str,
    pub state: &'a State,
    pub figures: &'a Figures,
    pub requests: &'a [RequestCount],
    /// None: there is no plane.
    pub plane: Option<(&'a Outcome, &'a Counters)>,
}

pub fn text(sources: &Sources) -> String {
    let mut page = Page {
        registry: Registry::new(),
    };
    daemon(&mut page, sources);
    services(&mut page, sources);
    backends(&mut page, sources);
    packets(&mut page, sources);
    connections(&mut page, sources);
    process::add(&mut page);
    let mut text = Vec::new();
    // Writing to memory cannot fail, and families without samples are never registered.
    let _ = TextEncoder::new().encode(&page.registry.gather(), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The families of one scrape.
pub(crate) struct Page {
    registry: Registry,
}

type Sample<'a> = (&'a [&'a str], f64);

impl Page {
    fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        samples: impl IntoIterator<Item = Sample<'a>>,
    ) {
        let family =
            CounterVec::new(Opts::new(name, help), labels).expect("names and labels are valid");
        let mut has_samples = false;
        for (values, value) in samples {
            family.with_label_values(values).inc_by(value);
            has_samples = true;
        }
        if has_samples {
            self.registry
                .register(Box::new(family))
                .expect("each name is given once");
        }
    }

    fn gauges<'a>(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        samples: impl IntoIterator<Item = Sample<'a>>,
    ) {
        let family =
            GaugeVec::new(Opts::new(name, help), labels).expect("names and labels are valid");
        let mut has_samples = false;
        for (values, value) in samples {
            family.with_label_values(values).set(value);
            has_samples = true;
        }
        if has_samples {
            self.registry
                .register(Box::new(family))
                .expect("each name is given once");
        }
    }

    pub(crate) fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.counters(name, help, &[], [(&[][..], value)]);
    }

    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help, &[], [(&[][..], value)]);
    }
}

fn daemon(page: &mut Page, sources: &Sources) {
    let Sources { own, state, .. } = sources;
    let commit = option_env!("LOXID_COMMIT").unwrap_or("unknown");
    let build = [env!("CARGO_PKG_VERSION"), commit, sources.kernel];
    page.gauges(
        "loxid_build_info",
        "Version of loxid and of the kernel.",
        &["version", "commit", "kernel"],
        [(&build[..], 1.0)],
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
    page.gauge(
        "loxid_config_generation",
        "Generation of the newest document.",
        state.status.generation as f64,
    );
    if let Some(at) = own.last_apply {
        page.gauge(
            "loxid_config_last_apply_timestamp_seconds",
            "When a document was changed last.",
            at,
        );
    }
    let applies: Vec<_> = own
        .applies
        .iter()
        .map(|(result, count)| ([*result], *count as f64))
        .collect();
    page.counters(
        "loxid_config_apply_total",
        "Changes of documents, by result.",
        &["result"],
        samples(&applies),
    );
    if let Some((_, counters)) = sources.plane {
        let passes = [
            (["ok"], (counters.passes - counters.failed) as f64),
            (["failed"], counters.failed as f64),
        ];
        page.counters(
            "loxid_reconcile_total",
            "Passes over all tables, by result.",
            &["result"],
            samples(&passes),
        );
        let corrections = KINDS.map(|kind| {
            (
                [kind],
                counters.corrections.get(kind).copied().unwrap_or(0) as f64,
            )
        });
        page.counters(
            "loxid_reconcile_corrections_total",
            "Rows found changed by somebody else, and repaired.",
            &["kind"],
            samples(&corrections),
        );
        page.registry
            .register(Box::new(own.pass_seconds.clone()))
            .expect("each name is given once");
    }
    let requests: Vec<_> = sources
        .requests
        .iter()
        .map(|count| {
            (
                [count.route.clone(), count.status.to_string()],
                count.answers as f64,
            )
        })
        .collect();
    let requests: Vec<_> = requests
        .iter()
        .map(|([route, code], count)| ([route.as_str(), code.as_str()], *count))
        .collect();
    page.counters(
        "loxid_api_requests_total",
        "Answers of the API, by route and status.",
        &["route", "code"],
        samples(&requests),
    );
    let modes: Vec<_> = state
        .interfaces
        .iter()
        .filter_map(|interface| match interface.mode {
            XdpMode::None => None,
            XdpMode::Native => Some(([interface.name.as_str(), "native"], 1.0)),
            XdpMode::Generic => Some(([interface.name.as_str(), "generic"], 1.0)),
        })
        .collect();
    page.gauges(
        "loxid_interface_xdp_mode",
        "1: the program runs on the interface in this mode.",
        &["interface", "mode"],
        samples(&modes),
    );
}

fn services(page: &mut Page, sources: &Sources) {
    let with_row: Vec<(String, &str, Traffic, f64)> = sources
        .plane
        .iter()
        .flat_map(|(outcome, _)| crate::state::rows(outcome))
        .map(|(id, key)| {
            let traffic = sources
                .figures
                .services
                .get(&id)
                .copied()
                .unwrap_or_default();
            let active = sources
                .figures
                .usage
                .active_by_service
                .get(&id)
                .copied()
                .unwrap_or(0);
            (
                key.to_string(),
                protocol(key.protocol),
                traffic,
                active as f64,
            )
        })
        .collect();
    let rows: Vec<_> = with_row
        .iter()
        .map(|(key, protocol, traffic, _)| ([key.as_str(), *protocol], *traffic))
        .collect();
    traffic_of(page, "loxid_service", "service", &rows);
    let active: Vec<_> = with_row
        .iter()
        .map(|(key, protocol, _, active)| ([key.as_str(), *protocol], *active))
        .collect();
    page.gauges(
        "loxid_service_active_connections",
        "Connections that are neither closed nor reset.",
        &["service", "protocol"],
        samples(&active),
    );
    let programmed: Vec<_> = sources
        .state
        .services
        .iter()
        .map(|service| {
            let is_up = service.conditions.iter().any(|condition| {
                condition.kind == "Programmed"
                    && condition.status == lb_api::wire::ConditionStatus::True
            });
            (
                [service.key.as_str(), service.source.as_str()],
                f64::from(u8::from(is_up)),
            )
        })
        .collect();
    page.gauges(
        "loxid_service_up",
        "1: packets are forwarded as the document says.",
        &["service", "source"],
        samples(&programmed),
    );
    let states: Vec<_> = sources
        .state
        .services
        .iter()
        .flat_map(|service| {
            STATES.map(|(state, name)| {
                let backends = service.backends.iter();
                let count = backends.filter(|backend| backend.state == state).count();
                (
                    [service.key.as_str(), service.source.as_str(), name],
                    count as f64,
                )
            })
        })
        .collect();
    page.gauges(
        "loxid_service_backends",
        "Backends of a service, by state.",
        &["service", "source", "state"],
        samples(&states),
    );
}

const STATES: [(BackendState, &str); 4] = [
    (BackendState::Active, "active"),
    (BackendState::Draining, "draining"),
    (BackendState::Unresolved, "unresolved"),
    (BackendState::Unknown, "unknown"),
];

/// Backend rows with their endpoints. A backend that several services lead to is there once.
fn backends(page: &mut Page, sources: &Sources) {
    let mut rows: BTreeMap<BackendId, (Endpoint, Protocol)> = BTreeMap::new();
    for (outcome, _) in sources.plane.iter() {
        for ((_, key), status) in &outcome.conditions {
            let with_row = status
                .backends
                .iter()
                .filter_map(|(endpoint, backend)| Some((backend.id?, *endpoint)));
            rows.extend(with_row.map(|(id, endpoint)| (id, (endpoint, key.protocol))));
        }
    }
    let named: Vec<_> = rows
        .iter()
        .map(|(id, (endpoint, proto))| {
            let traffic = sources
                .figures
                .backends
                .get(id)
                .copied()
                .unwrap_or_default();
            let active = sources
                .figures
                .usage
                .active_by_backend
                .get(id)
                .copied()
                .unwrap_or(0);
            (
                endpoint.to_string(),
                protocol(*proto),
                traffic,
                active as f64,
            )
        })
        .collect();
    let traffic: Vec<_> = named
        .iter()
        .map(|(name, protocol, traffic, _)| ([name.as_str(), *protocol], *traffic))
        .collect();
    traffic_of(page, "loxid_backend", "backend", &traffic);
    let active: Vec<_> = named
        .iter()
        .map(|(name, protocol, _, active)| ([name.as_str(), *protocol], *active))
        .collect();
    page.gauges(
        "loxid_backend_active_connections",
        "Connections that are neither closed nor reset.",
        &["backend", "protocol"],
        samples(&active),
    );
    let members: Vec<_> = sources
        .state
        .services
        .iter()
        .flat_map(|service| {
            let backends = service.backends.iter();
            backends.map(move |backend| {
                (
                    &service.key,
                    &service.source,
                    endpoint(&backend.address, backend.port),
                    backend,
                )
            })
        })
        .collect();
    let of_members = |value: &dyn Fn(&BackendStatus) -> f64| -> Vec<([&str; 3], f64)> {
        members
            .iter()
            .map(|(key, source, endpoint, backend)| {
                (
                    [key.as_str(), source.as_str(), endpoint.as_str()],
                    value(backend),
                )
            })
            .collect()
    };
    let is_up = |backend: &BackendStatus| backend.state == BackendState::Active;
    page.gauges(
        "loxid_backend_up",
        "1: the backend takes connections of a service.",
        &["service", "source", "backend"],
        samples(&of_members(&|backend| is_up(backend).into())),
    );
    let weights = of_members(&|backend| backend.weight.into());
    page.gauges(
        "loxid_backend_weight",
        "Weight of a backend in a service.",
        &["service", "source", "backend"],
        samples(&weights),
    );
}

/// `..._packets_total`, `..._bytes_total` by direction, and `..._connections_total`.
fn traffic_of(page: &mut Page, prefix: &str, label: &str, rows: &[([&str; 2], Traffic)]) {
    let both = |pick: &dyn Fn(&Traffic) -> (u64, u64)| -> Vec<([&str; 3], f64)> {
        rows.iter()
            .flat_map(|([name, protocol], traffic)| {
                let (inward, outward) = pick(traffic);
                [
                    ([*name, *protocol, "in"], inward as f64),
                    ([*name, *protocol, "out"], outward as f64),
                ]
            })
            .collect()
    };
    let labels = [label, "protocol", "direction"];
    let packets = both(&|traffic| (traffic.packets_in, traffic.packets_out));
    page.counters(
        &format!("{prefix}_packets_total"),
        "Packets from (in) and to (out) clients.",
        &labels,
        samples(&packets),
    );
    let bytes = both(&|traffic| (traffic.bytes_in, traffic.bytes_out));
    page.counters(
        &format!("{prefix}_bytes_total"),
        "Bytes of IP packets from (in) and to (out) clients.",
        &labels,
        samples(&bytes),
    );
    let connections: Vec<_> = rows
        .iter()
        .map(|(labels, traffic)| (*labels, traffic.connections as f64))
        .collect();
    page.counters(
        &format!("{prefix}_connections_total"),
        "Connections begun.",
        &labels[..2],
        samples(&connections),
    );
    let dropped: Vec<_> = rows
        .iter()
        .map(|(labels, traffic)| (*labels, traffic.dropped as f64))
        .collect();
    page.counters(
        &format!("{prefix}_dropped_packets_total"),
        "Packets dropped.",
        &labels[..2],
        samples(&dropped),
    );
}

fn packets(page: &mut Page, sources: &Sources) {
    if sources.plane.is_none() {
        return;
    }
    let totals = &sources.figures.totals;
    let of = |class: Class| -> Vec<([&str; 1], f64)> {
        let reasons = totals.reasons.iter().filter(|reason| reason.class == class);
        reasons
            .map(|reason| ([reason.name], reason.count as f64))
            .collect()
    };
    let sum = |class: Class| of(class).iter().map(|(_, count)| count).sum::<f64>();
    let (tx, passed, dropped) = (sum(Class::Tx), sum(Class::Pass), sum(Class::Drop));
    page.counter(
        "loxid_rx_packets_total",
        "Packets received: tx + passes + drops, exactly.",
        tx + passed + dropped,
    );
    page.counter("loxid_tx_packets_total", "Packets handed to a driver.", tx);
    page.counters(
        "loxid_drops_total",
        "Packets dropped, by reason.",
        &["reason"],
        samples(&of(Class::Drop)),
    );
    page.counters(
        "loxid_passes_total",
        "Packets left to the stack, by reason.",
        &["reason"],
        samples(&of(Class::Pass)),
    );
    let answers: Vec<_> = totals
        .answers
        .iter()
        .map(|(kind, count)| ([*kind], *count as f64))
        .collect();
    page.counters(
        "loxid_answers_total",
        "Frames made in answer to dropped packets.",
        &["kind"],
        samples(&answers),
    );
}

fn connections(page: &mut Page, sources: &Sources) {
    let Some((outcome, _)) = sources.plane else {
        return;
    };
    let Figures { totals, usage, .. } = sources.figures;
    let states: Vec<_> = usage
        .by_state
        .iter()
        .map(|(state, count)| ([ConnState::name(*state)], *count as f64))
        .collect();
    page.gauges(
        "loxid_conn_states",
        "Connections by state.",
        &["state"],
        samples(&states),
    );
    let entries: f64 = states.iter().map(|(_, count)| count).sum();
    page.gauges(
        "loxid_conn_entries",
        "Entries of a connection table in use.",
        &["table"],
        samples(&[(["conn4"], entries)]),
    );
    page.gauge(
        "loxid_conn_capacity",
        "Entries that a connection table has.",
        usage.capacity as f64,
    );
    let evicted: Vec<_> = totals
        .conn_events
        .iter()
        .filter_map(|(event, count)| Some(([event.strip_prefix("evicted_")?], *count as f64)))
        .collect();
    page.counters(
        "loxid_conn_evictions_total",
        "Entries given up for another connection, by what they were.",
        &["why"],
        samples(&evicted),
    );
    let event = |name: &str| {
        totals
            .conn_events
            .iter()
            .find(|(event, _)| *event == name)
            .map_or(0, |(_, count)| *count) as f64
    };
    page.counter(
        "loxid_conn_inserted_total",
        "Connections remembered.",
        event("inserted"),
    );
    page.counter(
        "loxid_snat_early_reuse_total",
        "Source ports used again before their rest was over.",
        event("source_early"),
    );
    let reason = |name: &str| {
        totals
            .reasons
            .iter()
            .find(|reason| reason.name == name)
            .map_or(0, |reason| reason.count) as f64
    };
    page.counter(
        "loxid_conn_insert_failures_total",
        "Packets dropped for want of an entry.",
        reason("table_full") + reason("table_contended"),
    );
    page.gauge(
        "loxid_snat_ports_max",
        "Source ports that connections to one backend can have.",
        sources.figures.source_ports as f64,
    );
    page.counter(
        "loxid_snat_failures_total",
        "Packets dropped for want of a source port.",
        reason("source_ports_exhausted"),
    );
    let used: Vec<_> = outcome
        .usage
        .iter()
        .map(|(table, used, _)| ([*table], *used as f64))
        .collect();
    page.gauges(
        "loxid_table_entries",
        "Rows of a table in use.",
        &["table"],
        samples(&used),
    );
    let capacity: Vec<_> = outcome
        .usage
        .iter()
        .map(|(table, _, capacity)| ([*table], *capacity as f64))
        .collect();
    page.gauges(
        "loxid_table_capacity",
        "Rows that a table has.",
        &["table"],
        samples(&capacity),
    );
}

fn samples<'a, const N: usize>(
    rows: &'a [([&'a str; N], f64)],
) -> impl Iterator<Item = Sample<'a>> {
    rows.iter()
        .map(|(labels, value)| (labels.as_slice(), *value))
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

fn endpoint(address: &str, port: u16) -> String {
    match address.contains(':') {
        true => format!("[{address}]:{port}"),
        false => format!("{address}:{port}"),
    }
}
