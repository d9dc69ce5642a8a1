//! Where a service wants its VIP announced.

use std::collections::BTreeSet;

use lb_core::service::{self as core, InterfaceName};

use super::{Problem, from_text, keep};
use crate::wire::announce::{Announce, AnnounceWhen};
use crate::wire::document::Service;

/// A problem for each field that means nothing beside the others.
pub(super) fn parse(
    path: &str,
    wire: &Service,
    problems: &mut Vec<Problem>,
) -> Option<core::Announce> {
    let field = |name: &str| format!("{path}{name}");
    let before = problems.len();
    if wire.announce == Announce::None {
        let told = [
            ("announceInterfaces", !wire.announce_interfaces.is_empty()),
            ("announceWhen", wire.announce_when != AnnounceWhen::Always),
        ];
        for (name, _) in told.into_iter().filter(|(_, is_told)| *is_told) {
            let problem = Problem::new(
                field(name),
                "given with `announce: none`",
                "with `announce: l2` only",
            );
            problems.push(problem.remedy("leave it out, or announce l2"));
        }
        return (problems.len() == before).then_some(core::Announce::None);
    }
    let mut interfaces = BTreeSet::new();
    let names = &wire.announce_interfaces;
    for (index, text) in names.iter().enumerate() {
        let field = field(&format!("announceInterfaces[{index}]"));
        let name = InterfaceName::new(text).map_err(|error| from_text(&field, &error));
        let Some(name) = keep(problems, name) else {
            continue;
        };
        if !interfaces.insert(name) {
            let problem = Problem::new(field, format!("{text} is there twice"), "");
            problems.push(problem.remedy("list each interface once"));
        }
    }
    let most = core::Announce::MAX_INTERFACES;
    if names.len() > most {
        let count = names.len();
        let problem = Problem::new(
            field("announceInterfaces"),
            format!("{count} interfaces"),
            format!("at most {most}: loxid has no more"),
        );
        problems.push(problem.remedy("leave it out for every interface with a subnet of the VIP"));
    }
    (problems.len() == before).then_some(core::Announce::L2 {
        interfaces,
        when: wire.announce_when.into(),
    })
}

/// The three fields of the wire.
pub(super) fn fields(announce: &core::Announce) -> (Announce, Vec<String>, AnnounceWhen) {
    match announce {
        core::Announce::None => (Announce::None, Vec::new(), AnnounceWhen::Always),
        core::Announce::L2 { interfaces, when } => {
            let names = interfaces.iter().map(InterfaceName::to_string).collect();
            (Announce::L2, names, (*when).into())
        }
    }
}

impl From<AnnounceWhen> for core::AnnounceWhen {
    fn from(when: AnnounceWhen) -> Self {
        match when {
            AnnounceWhen::Always => Self::Always,
            AnnounceWhen::Healthy => Self::Healthy,
        }
    }
}

impl From<core::AnnounceWhen> for AnnounceWhen {
    fn from(when: core::AnnounceWhen) -> Self {
        match when {
            core::AnnounceWhen::Always => Self::Always,
            core::AnnounceWhen::Healthy => Self::Healthy,
        }
    }
}
