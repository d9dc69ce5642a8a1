//! How VIPs are announced.

use lb_core::announce::Probe;
use serde_saphyr::Spanned;

use super::{Check, raw};

impl Check {
    pub(super) fn probe(&mut self, raw: raw::Announce) -> Probe {
        let Some(Spanned {
            value,
            referenced: at,
            ..
        }) = raw.probe
        else {
            return Probe::default();
        };
        match value.as_str() {
            "careful" => Probe::Careful,
            "quick" => Probe::Quick,
            _ => {
                let rule = "use careful (RFC 5227: 4 to 7 seconds before a VIP is announced first) or quick (a third of a second)";
                self.wrong(
                    at,
                    format!("announce.probe: {value:?} is no way to probe: {rule}"),
                );
                Probe::default()
            }
        }
    }
}
