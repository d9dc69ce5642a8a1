//! The types of events. Names and MESSAGE_IDs are API: they never change, and are never used again.

use lb_api::wire::{EventKind, Severity};

/// What all events of a name have in common.
#[derive(Debug, PartialEq, Eq)]
pub struct Type {
    pub name: &'static str,
    pub kind: EventKind,
    pub severity: Severity,
    /// 128 bits in hexadecimal, as sd-id128(3) has them.
    pub message_id: &'static str,
}

/// A constant for each type, and a list of all.
macro_rules! types {
    ($($constant:ident = $name:literal $kind:ident $severity:ident $id:literal;)*) => {
        $(pub const $constant: Type = Type {
            name: $name,
            kind: EventKind::$kind,
            severity: Severity::$severity,
            message_id: $id,
        };)*

        #[cfg(test)]
        pub const ALL: &[Type] = &[$($constant),*];
    };
}

types! {
    STARTED = "started" Config Info "96a8ff952fb9487f80b102adbd06dad9";
    RELOADED = "configuration_reloaded" Config Info "9fa5a52d93e141948db6223da08f13fc";
    RELOAD_REFUSED = "configuration_refused" Config Error "78602699017c4ed3be21fe952a6941a9";
    APPLIED = "document_applied" Config Info "bec4ef9cb29f4c788be20fb17fd46c96";
    REMOVED = "document_removed" Config Info "943e940f4ca047d4a404d349267cfdea";
    ROLLED_BACK = "document_rolled_back" Config Info "d4d1c2006c5e43f9af4467d83745f8c1";
    WAITING = "confirmation_awaited" Config Warning "dc720c23ca834711a751aed4f045e8ab";
    CONFIRMED = "change_confirmed" Config Info "ee5a22b34e824d29bbd9af542ea7044d";
    REVERTED = "change_reverted" Config Warning "0cac757ddb614a5193d1be14b13b78a3";
    REVERT_UNSTORED = "revert_not_stored" Config Error "072f432be8f349bf8025794f4045e1e2";
    REPAIRED = "tables_repaired" Config Warning "02398035342c450d8e43d3df7124af1f";
    BEHIND = "tables_behind" Config Error "5b12250bf1984f7fb7db8172c787ded5";
    FOLLOWING = "tables_following" Config Info "a47e7f00326c42f2bff85b4ce2236fc1";
    ATTACHED = "interface_attached" Interface Info "14ef97fc5eb94cc9ba04de28ff371154";
    DETACHED = "interface_detached" Interface Info "971b0217ad0d4e018894fd1f652a99fc";
    GONE = "interface_gone" Interface Warning "8b48f194190c47179a7f0aa0a779fcdc";
    BACK = "interface_back" Interface Info "953664bc47854aa3bbf1e2bdaf14a9ce";
    REFUSED = "interface_refused" Interface Error "65725ec877c94ab0bf84c559a1f77cad";
    UNRESOLVED = "next_hop_unresolved" Neighbour Warning "0fd20a52b91d48799ebd1102f481ef63";
    RESOLVED = "next_hop_resolved" Neighbour Info "f2b376c43f304dc1930a33da104fb409";
    LIMIT_REACHED = "limit_reached" Limits Error "86e70883e71f49d9b8a6bd4c0522104b";
    LIMIT_CLEARED = "limit_cleared" Limits Info "049ce2712ff84095bb1d96ff0ebff2e0";
    PACKETS_REFUSED = "packets_refused" Limits Warning "21926fcce02b4ceb89e32411131f6f27";
    SERVICE_DOWN = "service_down" Health Error "4c11e27d37ab410a8e184c93a8bd225a";
    SERVICE_UP = "service_up" Health Info "17c5e4c9a84a47e18e3d00d1f6abd419";
    BACKEND_DOWN = "backend_down" Health Warning "8503add9cb7c4cdda14952de52a0728d";
    BACKEND_UP = "backend_up" Health Info "b71704bc44f540caa21c1d18d2eff3a9";
    BACKEND_STATE = "backend_state_changed" Health Info "9b5cf37394a54339a6cc4f612000514d";
    ANNOUNCED = "vip_announced" Announce Info "ed7d6780ee854b6abc2b35732275bdee";
    WITHDRAWN = "vip_withdrawn" Announce Info "fb16f6fd205c43f7ba18c68aea9b8497";
    CONFLICT = "vip_conflict" Announce Error "84e836aeb00e4f14a24889b25887e41e";
    IN_USE = "vip_in_use" Announce Error "ae2dbd9d15254471b7d1566557713e22";
    SETTLED = "vip_conflict_over" Announce Info "a41fb4438663484d8ff6e7d52a0a567c";
}
