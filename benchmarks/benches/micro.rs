//! Micro: what deciding costs, without a kernel. `cargo bench -p lb-benchmarks`.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use lb_core::addr::{Mac, Prefix};
use lb_core::compile::{Assignments, Compiled, Previous, compile};
use lb_core::facts::{Facts, Link, Route};
use lb_core::intent::{Document, Intent, Source};
use lb_core::maglev;
use lb_core::plan::plan;
use lb_core::plane::Limits;
use lb_core::service::*;
use lb_core::tables::{InterfaceSlot, Tables};

const SERVICES: [u32; 2] = [1, 1000];
const BACKENDS: u32 = 10;
const IFINDEX: u32 = 2;
const LIMITS: Limits = Limits {
    services: 10_000,
    backends: 16_384,
    hops: 4_096,
    vips: 4_096,
    slot_words: 1 << 23,
    members: 1 << 17,
    sources: 1 << 17,
    route_nodes: 4_096,
    connections: 1 << 20,
    connections6: 1 << 18,
    affinities: 1 << 17,
};

fn maglev_tables(criterion: &mut Criterion) {
    let members: Vec<Vec<(Endpoint, u16)>> = (0..1000)
        .map(|service| {
            (0..BACKENDS)
                .map(|backend| (endpoint(service, backend), 1))
                .collect()
        })
        .collect();
    let mut group = criterion.benchmark_group("maglev");
    group.sample_size(10);
    group.bench_function("1000 tables of 16381 slots, 10 backends each", |bencher| {
        bencher.iter(|| {
            for members in &members {
                black_box(maglev::table(MaglevSize::DEFAULT, members));
            }
        });
    });
    group.finish();
}

fn compiles(criterion: &mut Criterion) {
    let facts = facts();
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10);
    for services in SERVICES {
        let (before, after) = (intent(services, BACKENDS), intent(services, BACKENDS + 1));
        let compiled = compiled(&before, &facts);
        group.bench_function(BenchmarkId::new("from nothing", services), |bencher| {
            bencher.iter(|| {
                compiled_after(&before, &facts, &Tables::default(), &Assignments::default())
            });
        });
        group.bench_function(BenchmarkId::new("nothing changed", services), |bencher| {
            bencher
                .iter(|| compiled_after(&before, &facts, &compiled.tables, &compiled.assignments));
        });
        group.bench_function(
            BenchmarkId::new("a backend more in each", services),
            |bencher| {
                bencher.iter(|| {
                    compiled_after(&after, &facts, &compiled.tables, &compiled.assignments)
                });
            },
        );
    }
    group.finish();
}

fn plans(criterion: &mut Criterion) {
    let facts = facts();
    let mut group = criterion.benchmark_group("plan");
    for services in SERVICES {
        let want = compiled(&intent(services, BACKENDS), &facts).tables;
        group.bench_function(BenchmarkId::new("from nothing", services), |bencher| {
            bencher.iter_batched(
                Tables::default,
                |have| plan(&have, &want),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("nothing changed", services), |bencher| {
            bencher.iter(|| plan(&want, &want));
        });
    }
    group.finish();
}

fn compiled(intent: &Intent, facts: &Facts) -> Compiled {
    compiled_after(intent, facts, &Tables::default(), &Assignments::default())
}

fn compiled_after(
    intent: &Intent,
    facts: &Facts,
    tables: &Tables,
    assignments: &Assignments,
) -> Compiled {
    let (live, retiring) = (BTreeMap::new(), BTreeSet::new());
    compile(
        intent,
        facts,
        &Previous {
            tables,
            live: &live,
            retiring: &retiring,
            assignments,
        },
        &LIMITS,
    )
}

fn intent(services: u32, backends: u32) -> Intent {
    let services = (0..services)
        .map(|number| service(number, backends))
        .collect();
    let document = Document::new(services).expect("services are valid");
    Intent {
        documents: BTreeMap::from([(Source::Api, document)]),
    }
}

fn service(number: u32, backends: u32) -> Service {
    let vip = Ipv4Addr::from(0xc0a8_0000 + number / 16);
    let key = ServiceKey {
        vip: vip.into(),
        ports: Ports::One(port(8000 + number % 16)),
        protocol: Protocol::Tcp,
    };
    let policy = Policy {
        mode: Mode::Dnat,
        selection: Selection::Maglev(MaglevSize::DEFAULT),
        persist: None,
        no_backend: NoBackend::default(),
        idle: None,
        last_hop: false,
        mss_clamp: None,
        sources: Sources::default(),
        ..Policy::default()
    };
    let backends = (0..backends)
        .map(|backend| (endpoint(number, backend), Share::default()))
        .collect();
    Service::new(key, None, policy, backends).expect("the service is valid")
}

fn endpoint(service: u32, backend: u32) -> Endpoint {
    Endpoint {
        addr: Ipv4Addr::from(0x0a00_0002 + service * 32 + backend).into(),
        port: Some(port(9000)),
    }
}

fn port(number: u32) -> NonZeroU16 {
    u16::try_from(number)
        .ok()
        .and_then(NonZeroU16::new)
        .expect("a port")
}

/// One link, on which all backends are neighbours.
fn facts() -> Facts {
    let (own, mac) = (
        IpAddr::from(Ipv4Addr::new(10, 0, 0, 1)),
        Mac([2, 0, 0, 0, 0, 1]),
    );
    let mut facts = Facts::default();
    facts.links.insert(
        InterfaceSlot(0),
        Link {
            name: "eth0".into(),
            ifindex: IFINDEX,
            device: IFINDEX,
            vlan: None,
            mac,
            mtu: 1500,
            attached: true,
            addresses: BTreeSet::from([(own, 8)]),
        },
    );
    facts.own.insert(own);
    facts.routes.insert(Route {
        prefix: Prefix::covering(own, 8),
        ifindex: IFINDEX,
        gateway: None,
    });
    for service in 0..1000 {
        for backend in 0..=BACKENDS {
            facts
                .neighbours
                .insert((IFINDEX, endpoint(service, backend).addr), mac);
        }
    }
    facts
}

criterion_group!(micro, maglev_tables, compiles, plans);
criterion_main!(micro);
