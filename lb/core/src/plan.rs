//! The way from the tables a plane has to those it should have.
//!
//! Order makes every prefix safe: a row is there before another refers to it, and goes after the
//! last that did. What packets read changes at three kinds of steps only: a live row changes in
//! one atomic store, the image in one `Publish`, and the rest is where nobody looks.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plane::Op;
use crate::tables::*;

#[cfg(test)]
mod tests;

/// The steps from `have` to `want`, in order; none if they are equal. `want` was compiled for a
/// plane that holds `have`, so that arena space that `have` refers to is not written.
#[must_use]
pub fn plan(have: &Tables, want: &Tables) -> Vec<Op> {
    let mut ops = Vec::new();
    puts(have, want, &mut ops);
    if have.image != want.image {
        ops.push(Op::Publish(Arc::new(want.image.clone())));
    }
    ops.extend(gone_services(&have.image, &want.image).map(Op::FlushService));
    ops.extend(narrowed_services(have, want).map(Op::FlushDenied));
    drops(have, want, &mut ops);
    ops
}

fn puts(have: &Tables, want: &Tables, ops: &mut Vec<Op>) {
    let interfaces = changed(&have.interfaces, &want.interfaces);
    ops.extend(interfaces.map(|(slot, row)| Op::PutInterface(*slot, row.clone())));
    let hops = changed(&have.hops, &want.hops);
    ops.extend(hops.map(|(id, hop)| Op::PutHop(*id, *hop)));
    let backends = changed(&have.backends, &want.backends);
    ops.extend(backends.map(|(id, row)| Op::PutBackend(*id, row.clone())));
    let members = changed(&have.members, &want.members);
    ops.extend(members.map(|(first, members)| Op::PutMembers {
        first: *first,
        members: Arc::clone(members),
    }));
    let slots = changed(&have.slots, &want.slots);
    ops.extend(slots.map(|(first_word, slots)| Op::PutSlots {
        first_word: *first_word,
        slots: Arc::clone(slots),
    }));
    let sources = changed(&have.sources, &want.sources);
    ops.extend(sources.map(|(first, boundaries)| Op::PutSources {
        first: *first,
        boundaries: Arc::clone(boundaries),
    }));
}

fn drops(have: &Tables, want: &Tables, ops: &mut Vec<Op>) {
    let slots = gone(&have.slots, &want.slots);
    ops.extend(slots.map(|first_word| Op::DropSlots {
        first_word: *first_word,
    }));
    let sources = gone(&have.sources, &want.sources);
    ops.extend(sources.map(|first| Op::DropSources { first: *first }));
    let members = gone(&have.members, &want.members);
    ops.extend(members.map(|first| Op::DropMembers { first: *first }));
    ops.extend(gone(&have.backends, &want.backends).map(|id| Op::DropBackend(*id)));
    ops.extend(gone(&have.hops, &want.hops).map(|id| Op::DropHop(*id)));
    ops.extend(gone(&have.interfaces, &want.interfaces).map(|slot| Op::DropInterface(*slot)));
}

/// Services whose connections nobody wants: their id is free, or another's.
fn gone_services<'a>(have: &'a Image, want: &'a Image) -> impl Iterator<Item = ServiceId> + 'a {
    have.services
        .iter()
        .filter(|(id, row)| {
            want.services
                .get(id)
                .is_none_or(|wanted| wanted.key != row.key)
        })
        .map(|(id, _)| *id)
}

/// Services that stay and whose sources changed to other than all: clients with connections may
/// be among the denied.
fn narrowed_services<'a>(
    have: &'a Tables,
    want: &'a Tables,
) -> impl Iterator<Item = ServiceId> + 'a {
    let services = want.image.services.iter();
    services
        .filter(|(id, row)| {
            let before = have.image.services.get(id);
            row.sources.is_some()
                && before.is_some_and(|before| {
                    before.key == row.key && stretches(have, before) != stretches(want, row)
                })
        })
        .map(|(id, _)| *id)
}

/// What a service's sources say, wherever they are.
fn stretches<'a>(tables: &'a Tables, row: &ServiceRow) -> Option<(bool, Option<&'a [u128]>)> {
    let range = row.sources?;
    let boundaries = tables.sources.get(&range.first).filter(|_| range.count > 0);
    Some((range.deny_first, boundaries.map(|boundaries| &**boundaries)))
}

/// What `want` has and `have` has not, or not so.
fn changed<'a, K: Ord, V: PartialEq>(
    have: &'a BTreeMap<K, V>,
    want: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    want.iter()
        .filter(|(key, value)| have.get(key) != Some(value))
}

/// What `have` has and `want` has not.
fn gone<'a, K: Ord, V>(
    have: &'a BTreeMap<K, V>,
    want: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = &'a K> {
    have.keys().filter(|key| !want.contains_key(key))
}
