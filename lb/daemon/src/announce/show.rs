//! How a service's announcing is, in the API's words.

use std::collections::BTreeSet;
use std::net::IpAddr;

use lb_api::wire::{AnnounceState, Announcement, Condition, ConditionStatus, ServiceStatus};
use lb_core::announce::{ClaimStatus, Event, State};
use lb_core::status::Announcing as Wish;

use super::Announcing;

/// What is shown of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    pub conditions: Vec<Condition>,
    pub announcements: Vec<Announcement>,
}

pub fn show(vip: IpAddr, wish: &Wish, announcing: &Announcing) -> Shown {
    let statuses = announcing.statuses(vip);
    let (status, reason, message) = announced(vip, wish, &statuses, announcing.deafness());
    let mut conditions = vec![condition("Announced", status, reason, message)];
    let conflict = statuses.iter().find(|one| one.state == State::Conflict);
    if let Some((one, other)) = conflict.and_then(|one| Some((one, one.other?))) {
        let interface = one.interface.clone();
        let event = Event::Conflict {
            vip,
            interface,
            other,
        };
        let message = event.to_string();
        conditions.push(condition("AddressConflict", true, "AnotherOwner", message));
    }
    Shown {
        conditions,
        announcements: statuses.iter().map(announcement).collect(),
    }
}

/// What an operator should look at: addresses that others have, too; some, if there are many.
pub fn warnings(services: &[ServiceStatus]) -> Vec<String> {
    const MOST: usize = 10;
    let is_trouble = |one: &&Condition| match one.kind.as_str() {
        "AddressConflict" => one.status == ConditionStatus::True,
        "Announced" => ["AddressInUse", "NotListening"].contains(&one.reason.as_str()),
        _ => false,
    };
    let all = services.iter().flat_map(|service| &service.conditions);
    let found: BTreeSet<&str> = all
        .filter(is_trouble)
        .map(|one| one.message.as_str())
        .collect();
    let more = found.len().saturating_sub(MOST);
    let mut shown: Vec<String> = found.into_iter().take(MOST).map(str::to_owned).collect();
    if more > 0 {
        shown.push(format!("{more} more VIPs are not announced as they should be: `loxictl get lb -o wide` shows them"));
    }
    shown
}

type Verdict = (bool, &'static str, String);

fn announced(vip: IpAddr, wish: &Wish, statuses: &[ClaimStatus], deaf: Option<&str>) -> Verdict {
    let no = |reason, message: String| (false, reason, message);
    let down = || statuses.iter().find(|one| one.state == State::LinkDown);
    match wish {
        Wish::Off if statuses.is_empty() => {
            no("NotAsked", "the service has announce: none".to_owned())
        }
        Wish::Off => no(
            "NotAsked",
            format!("the service has announce: none; another service of {vip} wants it announced"),
        ),
        Wish::NotProgrammed => no("NotProgrammed", "the service is not forwarded".to_owned()),
        Wish::OwnAddress => (
            true,
            "OwnAddress",
            format!("{vip} is an address of this box, whose stack answers for it"),
        ),
        Wish::NoHealthyBackend => no(
            "NoHealthyBackend",
            "announceWhen is healthy, and no backend can take connections".to_owned(),
        ),
        Wish::Wanted { slots, missing } => {
            let is_mine = |one: &&ClaimStatus| {
                slots
                    .checked_shr(one.slot.0.into())
                    .is_some_and(|s| s & 1 == 1)
            };
            let mine: Vec<&ClaimStatus> = statuses.iter().filter(is_mine).collect();
            if !mine.is_empty() {
                return on_links(vip, &mine, missing, deaf);
            }
            if let Some(down) = down() {
                let message = format!("{} is down: it is announced when it is up", down.interface);
                return no("LinkDown", message);
            }
            if !missing.is_empty() {
                return no("InterfaceMissing", absent(missing));
            }
            no(
                "Routed",
                format!(
                    "{vip} is in no subnet of an attached interface: routers must route it to this box, or announceInterfaces names where it is looked for"
                ),
            )
        }
    }
}

fn on_links(vip: IpAddr, mine: &[&ClaimStatus], missing: &[String], deaf: Option<&str>) -> Verdict {
    let with = |state: State| mine.iter().find(|one| one.state == state);
    if let Some((one, other)) = with(State::InUse).and_then(|one| Some((one, one.other?))) {
        let interface = one.interface.clone();
        let event = Event::InUse {
            vip,
            interface,
            other,
        };
        return (false, "AddressInUse", event.to_string());
    }
    if let (Some(one), Some(deaf)) = (with(State::Waiting), deaf) {
        let message = format!(
            "{} cannot be listened to ({deaf}), so that nobody knows whether {vip} is in use: it is not announced",
            one.interface
        );
        return (false, "NotListening", message);
    }
    if let Some(one) = with(State::Probing).or(with(State::Waiting)) {
        let message = format!(
            "it is being found out whether {vip} is in use on {}",
            one.interface
        );
        return (false, "Probing", message);
    }
    let names: Vec<&str> = mine.iter().map(|one| one.interface.as_str()).collect();
    let mut message = format!("on {}", names.join(", "));
    if !missing.is_empty() {
        message = format!("{message}; {}", absent(missing));
    }
    (true, "Announced", message)
}

fn absent(missing: &[String]) -> String {
    let names = missing.join(", ");
    format!(
        "not on {names}, which is not there, not attached or down: loxictl get interfaces shows which"
    )
}

fn announcement(status: &ClaimStatus) -> Announcement {
    Announcement {
        interface: status.interface.clone(),
        state: match status.state {
            State::Waiting => AnnounceState::Waiting,
            State::Probing => AnnounceState::Probing,
            State::InUse => AnnounceState::InUse,
            State::Announced => AnnounceState::Announced,
            State::Conflict => AnnounceState::Conflict,
            State::LinkDown => AnnounceState::LinkDown,
        },
        other: status.other.map(|mac| mac.to_string()),
    }
}

fn condition(kind: &str, status: bool, reason: &str, message: String) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status: match status {
            true => ConditionStatus::True,
            false => ConditionStatus::False,
        },
        reason: reason.to_owned(),
        message,
    }
}
