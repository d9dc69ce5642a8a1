//! The `service` lines of a case.
//!
//! ```text
//! service 20.0.0.1:80/tcp dnat round-robin 31.0.0.1:8080 31.0.0.2:8080=2
//! service 20.0.0.1:80-90/tcp dnat maglev persist=60 31.0.0.1 31.0.0.2
//! service [2001:db8:20::1]:*/udp gue tunnel-port=6081 lc 31.0.0.1=1/100
//! service 20.0.0.1/icmp
//! ```
//! A key, a mode, then any of: `round-robin` (it is the default here), `maglev`, `lc`;
//! `persist=` seconds; `reject`, `drop`, `pass`; `last-hop`; `idle=` seconds; `mss=`; `allow=` and
//! `deny=` prefixes with commas between them; `tunnel-port=`. The other words are backends:
//! ADDRESS:PORT or ADDRESS, then `=WEIGHT`, and `/LIMIT` of connections behind the weight.

use std::num::NonZeroU32;

use anyhow::{Context, Result};
use lb_core::addr::Prefix;
use lb_core::service::{
    Endpoint, IdleTimeout, MaglevSize, Mode, MssClamp, NoBackend, Persist, Policy, Selection,
    Service, ServiceKey, Share, Weight,
};

/// # Errors
/// What is not understood, or is no service.
pub fn parse(key: &str, words: &[&str]) -> Result<Service> {
    let key: ServiceKey = key.parse()?;
    let mut policy = Policy {
        selection: Selection::RoundRobin,
        ..Policy::default()
    };
    let mut rest = words;
    if let Some((mode, behind)) = words.split_first() {
        policy.mode = mode.parse()?;
        rest = behind;
    }
    let mut backends: Vec<(Endpoint, Share)> = Vec::new();
    for word in rest {
        let known = alone(word, &mut policy)? || option(word, &mut policy)?;
        if !known {
            backends.push(backend(word)?);
        }
    }
    Service::new(key, None, policy, backends).map_err(|errors| anyhow::anyhow!("{errors:?}"))
}

fn alone(word: &str, policy: &mut Policy) -> Result<bool> {
    match word {
        "round-robin" => policy.selection = Selection::RoundRobin,
        "maglev" => policy.selection = Selection::Maglev(MaglevSize::new(251)?),
        "lc" => policy.selection = Selection::LeastConnections,
        "reject" => policy.no_backend = NoBackend::Reject,
        "drop" => policy.no_backend = NoBackend::Drop,
        "pass" => policy.no_backend = NoBackend::Pass,
        "last-hop" => policy.last_hop = true,
        _ => return Ok(false),
    }
    Ok(true)
}

fn option(word: &str, policy: &mut Policy) -> Result<bool> {
    let Some((key, value)) = word.split_once('=') else {
        return Ok(false);
    };
    let prefixes = || value.split(',').map(str::parse::<Prefix>);
    match key {
        "persist" => policy.persist = Some(Persist::new(value.parse()?)?),
        "idle" => policy.idle = Some(IdleTimeout::new(value.parse()?)?),
        "mss" => policy.mss_clamp = Some(MssClamp::new(value.parse()?)?),
        "allow" => policy.sources.allowed = prefixes().collect::<Result<_, _>>()?,
        "deny" => policy.sources.denied = prefixes().collect::<Result<_, _>>()?,
        "tunnel-port" => policy.mode = Mode::with_tunnel_port(policy.mode, Some(value.parse()?))?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn backend(word: &str) -> Result<(Endpoint, Share)> {
    let (endpoint, share) = word.split_once('=').unwrap_or((word, "1"));
    let (weight, limit) = match share.split_once('/') {
        Some((weight, limit)) => (weight, Some(limit)),
        None => (share, None),
    };
    let limit = limit.map(str::parse::<NonZeroU32>).transpose()?;
    let share = Share {
        weight: Weight::new(weight.parse().with_context(|| word.to_owned())?)?,
        max_connections: limit,
    };
    Ok((endpoint.parse()?, share))
}
