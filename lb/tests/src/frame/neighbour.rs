//! ARP (RFC 826) and neighbour discovery (RFC 4861).
//!
//! ```text
//! nd who-has TARGET tell ADDRESS       a solicitation to the target's group; `unicast`: to itself;
//!                                      of `::` (RFC 4862, 5.4) without an option that says who
//! nd TARGET is-at MAC to ADDRESS       an advertisement; to `ff02::1` it is not called solicited
//! ```
//! `bare` leaves out the option with the link address, `router` sets that flag, and `unsolicited`
//! and `weak` take away the flags that solicited and overriding advertisements have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, bail};

use super::checksum::{checksum, octets, pseudo, spoiled};
use super::fields::Fields;
use super::{Links, Spec, mac};

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// # Errors
/// What is not understood.
pub fn arp(words: &[&str], links: Links) -> Result<Spec> {
    let own = |rest: &[&str], key: &str, address: &str| match Fields(rest).get(key) {
        Some(text) => mac(text),
        None => links(address.parse()?),
    };
    let (operation, sender, sender_mac, target, target_mac) = match words {
        ["who-has", target, "tell", sender, rest @ ..] => {
            (1u16, *sender, own(rest, "from", sender)?, *target, [0; 6])
        }
        [sender, "is-at", at, "to", target, rest @ ..] => {
            (2, *sender, mac(at)?, *target, own(rest, "to", target)?)
        }
        _ => bail!(
            "`arp {}`: write who-has ADDRESS tell ADDRESS",
            words.join(" ")
        ),
    };
    let (sender, target): (Ipv4Addr, Ipv4Addr) = (sender.parse()?, target.parse()?);
    let mut spec = Spec::of(0x0806);
    spec.payload.extend([0, 1, 8, 0, 6, 4]);
    spec.payload.extend(operation.to_be_bytes());
    spec.payload.extend(sender_mac);
    spec.payload.extend(sender.octets());
    spec.payload.extend(target_mac);
    spec.payload.extend(target.octets());
    spec.ends = Some((sender.into(), target.into()));
    spec.to = (operation == 1).then_some([0xff; 6]);
    Ok(spec)
}

/// # Errors
/// What is not understood.
pub fn discovery(words: &[&str], links: Links) -> Result<Spec> {
    match words {
        ["who-has", target, "tell", sender, rest @ ..] => {
            solicitation(target.parse()?, sender.parse()?, &Fields(rest), links)
        }
        [target, "is-at", at, "to", dest, rest @ ..] => {
            advertisement(target.parse()?, mac(at)?, dest.parse()?, &Fields(rest))
        }
        _ => bail!(
            "`nd {}`: write who-has ADDRESS tell ADDRESS",
            words.join(" ")
        ),
    }
}

fn solicitation(target: Ipv6Addr, sender: Ipv6Addr, fields: &Fields, links: Links) -> Result<Spec> {
    let own = match fields.get("from") {
        Some(text) => mac(text)?,
        None => links(sender.into())?,
    };
    let dest = match fields.has("unicast") {
        true => target,
        false => group_of(target),
    };
    let option = (!fields.has("bare") && !sender.is_unspecified()).then_some((1, own));
    let mut spec = message(sender, dest, (SOLICITATION, 0), target, option, fields)?;
    spec.from = Some(own);
    Ok(spec)
}

fn advertisement(target: Ipv6Addr, own: [u8; 6], dest: Ipv6Addr, fields: &Fields) -> Result<Spec> {
    let solicited = !dest.is_multicast() && !fields.has("unsolicited");
    let flags = u32::from(fields.has("router")) << 31
        | u32::from(solicited) << 30
        | u32::from(!fields.has("weak")) << 29;
    let option = (!fields.has("bare")).then_some((2, own));
    message(target, dest, (ADVERTISEMENT, flags), target, option, fields)
}

fn message(
    sender: Ipv6Addr,
    dest: Ipv6Addr,
    (kind, flags): (u8, u32),
    target: Ipv6Addr,
    option: Option<(u8, [u8; 6])>,
    fields: &Fields,
) -> Result<Spec> {
    let ends: (IpAddr, IpAddr) = (sender.into(), dest.into());
    let mut body = vec![kind, fields.number("code")?.unwrap_or(0), 0, 0];
    body.extend(flags.to_be_bytes());
    body.extend(target.octets());
    if let Some((kind, own)) = option {
        body.extend([kind, 1]);
        body.extend(own);
    }
    let mut check = checksum(&[&pseudo(ends, 58, body.len()), &body]);
    if fields.has("badsum") {
        check = spoiled(check);
    }
    body[2..4].copy_from_slice(&check.to_be_bytes());
    let mut spec = Spec::of(0x86dd);
    let length = u16::try_from(body.len()).context("too long")?;
    spec.payload.extend([0x60, 0, 0, 0]);
    spec.payload.extend(length.to_be_bytes());
    spec.payload
        .extend([58, fields.number("hlim")?.unwrap_or(255)]);
    spec.payload.extend(octets(ends.0));
    spec.payload.extend(octets(ends.1));
    spec.payload.extend(body);
    spec.ends = Some(ends);
    // A group has a MAC address of its own (RFC 2464, 7).
    let [.., a, b, c, d] = dest.octets();
    spec.to = dest.is_multicast().then_some([0x33, 0x33, a, b, c, d]);
    Ok(spec)
}

/// The solicited-node multicast group (RFC 4291, 2.7.1).
fn group_of(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(
        0xff02,
        0,
        0,
        0,
        0,
        1,
        0xff00 | u16::from(a),
        u16::from_be_bytes([b, c]),
    )
}
