//! Where the outer packets of tunnels come from.

use lb_core::addr::{Prefix, check_unicast};
use lb_plane::TunnelSources;
use serde_saphyr::Spanned;

use super::{Check, raw};

/// Only the last word of an IPv6 address is spread.
const LEAST_BITS6: u8 = 96;

impl Check {
    pub(super) fn tunnel_sources(&mut self, raw: raw::TunnelSource) -> TunnelSources {
        TunnelSources {
            ipv4: self.tunnel_source("ipv4", raw.ipv4),
            ipv6: self.tunnel_source("ipv6", raw.ipv6),
        }
    }

    fn tunnel_source(&mut self, key: &str, raw: Option<Spanned<String>>) -> Option<Prefix> {
        let Spanned {
            value,
            referenced: at,
            ..
        } = raw?;
        let checked = value
            .parse::<Prefix>()
            .map_err(|error| error.to_string())
            .and_then(|prefix| tunnel_source(key, prefix));
        checked
            .map_err(|wrong| self.wrong(at, format!("tunnelSource.{key}: {wrong}")))
            .ok()
    }
}

fn tunnel_source(key: &str, prefix: Prefix) -> Result<Prefix, String> {
    if prefix.addr().is_ipv4() != (key == "ipv4") {
        let (family, example) = match key {
            "ipv4" => ("IPv4", "100.64.0.0/16"),
            _ => ("IPv6", "2001:db8::/96"),
        };
        return Err(format!(
            "{prefix} is not of {family}: give a prefix such as {example}"
        ));
    }
    if prefix.addr().is_ipv6() && prefix.len() < LEAST_BITS6 {
        return Err(format!(
            "{prefix} is shorter than {LEAST_BITS6} bits, and only the last 32 are spread: give a /{LEAST_BITS6} or a longer one"
        ));
    }
    check_unicast(prefix.addr()).map_err(|error| error.to_string())?;
    Ok(prefix)
}
