//! Routes: a trie of 8-bit strides that packets walk, and behind it the list of prefixes that it
//! was made of, from which user space reads them back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lb_bpf::abi;
use lb_core::addr::Prefix;
use lb_core::tables::{HopId, RouteRow};

use super::{EncodeError, address, fits};

const CHILDREN: usize = abi::LB_ROUTE_CHILDREN as usize;
/// A listed route: address, family and length, value.
const LISTED_WORDS: usize = 6;
const LISTED_PER_NODE: usize = CHILDREN / LISTED_WORDS;
const FAMILY6: u32 = 1 << 8;

/// The nodes of a bank, as many as are used.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Routes {
    pub nodes: Vec<[u32; CHILDREN]>,
    pub root4: u32,
    pub root6: u32,
    /// First node of the list, and the number of routes in it.
    pub list: u32,
    pub count: u32,
}

pub(crate) fn encode(
    routes: &BTreeMap<Prefix, RouteRow>,
    room: u32,
) -> Result<Routes, EncodeError> {
    let mut trie = Routes::default();
    // A node is only ever made beneath shorter prefixes, so a longer one always fills leaves.
    let mut by_length: Vec<_> = routes.iter().collect();
    by_length.sort_by_key(|(prefix, _)| prefix.len());
    for (prefix, row) in &by_length {
        trie.insert(prefix, encode_row(**row));
    }
    trie.list = trie.nodes.len() as u32;
    trie.count = routes.len() as u32;
    for chunk in routes.iter().collect::<Vec<_>>().chunks(LISTED_PER_NODE) {
        trie.nodes.push(listed(chunk));
    }
    fits("route nodes", trie.nodes.len(), room)?;
    Ok(trie)
}

/// The routes that a list names; None where it is not one.
pub(crate) fn decode(
    count: u32,
    mut node: impl FnMut(u32) -> Option<abi::lb_route_node>,
) -> Option<BTreeMap<Prefix, RouteRow>> {
    let mut routes = BTreeMap::new();
    for number in 0..count.div_ceil(LISTED_PER_NODE as u32) {
        let words = node(number)?.child;
        let left = count as usize - number as usize * LISTED_PER_NODE;
        for route in words.chunks_exact(LISTED_WORDS).take(left) {
            let (prefix, row) = decode_listed(route)?;
            routes.insert(prefix, row);
        }
    }
    Some(routes)
}

impl Routes {
    fn insert(&mut self, prefix: &Prefix, value: u32) {
        let octets = octets(prefix.addr());
        let root = if prefix.addr().is_ipv4() {
            self.root4
        } else {
            self.root6
        };
        let root = self.put(root, &octets, prefix.len(), value);
        *(if prefix.addr().is_ipv4() {
            &mut self.root4
        } else {
            &mut self.root6
        }) = root;
    }

    /// What is to be in the place of `old`, when the first `len` bits of `octets` below it lead
    /// to `value`.
    fn put(&mut self, old: u32, octets: &[u8], len: u8, value: u32) -> u32 {
        if len == 0 {
            return value;
        }
        let index = self.node(old);
        let first = usize::from(octets[0]);
        if len > 8 {
            let child = self.nodes[index][first];
            self.nodes[index][first] = self.put(child, &octets[1..], len - 8, value);
        } else {
            let span = 1 << (8 - len);
            self.nodes[index][first..first + span].fill(value);
        }
        abi::LB_ROUTE_NODE | index as u32
    }

    /// The node in a place; where there is a leaf, a node of leaves like it.
    fn node(&mut self, value: u32) -> usize {
        if value & abi::LB_ROUTE_KIND == abi::LB_ROUTE_NODE {
            return (value & !abi::LB_ROUTE_KIND) as usize;
        }
        self.nodes.push([value; CHILDREN]);
        self.nodes.len() - 1
    }
}

fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    }
}

fn encode_row(row: RouteRow) -> u32 {
    match row {
        RouteRow::OnLink => abi::LB_ROUTE_ONLINK,
        RouteRow::Via(HopId(id)) => abi::LB_ROUTE_HOP | (id & !abi::LB_ROUTE_KIND),
    }
}

fn decode_row(value: u32) -> Option<RouteRow> {
    match value & abi::LB_ROUTE_KIND {
        abi::LB_ROUTE_ONLINK => Some(RouteRow::OnLink),
        abi::LB_ROUTE_HOP => Some(RouteRow::Via(HopId(value & !abi::LB_ROUTE_KIND))),
        _ => None,
    }
}

fn listed(routes: &[(&Prefix, &RouteRow)]) -> [u32; CHILDREN] {
    let mut node = [0; CHILDREN];
    for (words, (prefix, row)) in node.chunks_exact_mut(LISTED_WORDS).zip(routes) {
        let family = if prefix.addr().is_ipv6() { FAMILY6 } else { 0 };
        words[..4].copy_from_slice(&address::words(prefix.addr()));
        words[4] = u32::from(prefix.len()) | family;
        words[5] = encode_row(**row);
    }
    node
}

fn decode_listed(words: &[u32]) -> Option<(Prefix, RouteRow)> {
    let &[a, b, c, d, length, value] = words else {
        return None;
    };
    let addr = if length & FAMILY6 != 0 {
        address::decode6([a, b, c, d]).into()
    } else {
        address::decode4(a).into()
    };
    let prefix = Prefix::new(addr, length as u8).ok()?;
    Some((prefix, decode_row(value)?))
}
