//! Interfaces that a document wants VIPs announced on, and that this box has not.

use std::collections::BTreeSet;

use lb_api::wire::{Invalid, Problem};
use lb_core::intent::Document;
use lb_core::service::Announce;

/// A problem for each; None: all are there. An interface that is there and not attached is none: the
/// service's condition says it.
pub fn unknown_interfaces(document: &Document, known: &BTreeSet<&str>) -> Option<Invalid> {
    let mut problems = Vec::new();
    for service in document.services() {
        let Announce::L2 { interfaces, .. } = &service.policy.announce else {
            continue;
        };
        let unknown = interfaces
            .iter()
            .filter(|name| !known.contains(name.as_str()));
        for name in unknown {
            let all: Vec<&str> = known.iter().copied().collect();
            let problem = Problem::new(
                format!("services[{}].announceInterfaces", service.key),
                format!("`{name}` is no interface of this box"),
                "an interface that is there",
            );
            problems.push(problem.remedy(format!(
                "use one of {}, or leave it out for every attached one with a subnet of the VIP",
                all.join(", ")
            )));
        }
    }
    Invalid::check(problems).err()
}
