//! Who answers for VIPs.

use lb_api::wire::{Announce, ConditionStatus, ServiceStatus};

use super::Sources;
use super::page::{Page, by_name};

pub fn add(page: &mut Page, sources: &Sources) {
    let Some(announcing) = sources.announcing else {
        return;
    };
    page.counters(
        "loxid_announcements_total",
        "Frames sent about VIPs: probes before they are claimed, and announcements.",
        ["kind"],
        &by_name(announcing.sent()),
    );
    page.counters(
        "loxid_announce_conflicts_total",
        "VIPs found to be somebody else's: before they were announced (in_use), and after (conflict).",
        ["kind"],
        &by_name(announcing.troubles()),
    );
    let services = &sources.state.services;
    let asked = services
        .iter()
        .filter(|service| service.spec.announce == Announce::L2);
    let announced: Vec<_> = asked
        .map(|service| {
            let labels = [service.key.as_str(), service.source.as_str(), "l2"];
            (labels, is(service, "Announced").into())
        })
        .collect();
    page.gauges(
        "loxid_service_announced",
        "1: the service's VIP is announced, or an address of the box itself.",
        ["service", "source", "how"],
        &announced,
    );
    let contested: Vec<_> = services
        .iter()
        .filter(|service| is(service, "AddressConflict"))
        .map(|service| ([service.key.as_str(), service.source.as_str()], 1.0))
        .collect();
    page.gauges(
        "loxid_service_address_conflict",
        "1: somebody else speaks for the service's VIP, too.",
        ["service", "source"],
        &contested,
    );
}

fn is(service: &ServiceStatus, kind: &str) -> bool {
    let mut conditions = service.conditions.iter();
    conditions.any(|one| one.kind == kind && one.status == ConditionStatus::True)
}
