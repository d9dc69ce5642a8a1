//! The image of a bank, read back.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_core::addr::Prefix;
use lb_core::tables::{BackendKey, Image, RouteRow, ServiceId};

use super::{bank, filter, route, service, vip};

/// Reads the image of a bank. `backends` are the rows that may be repliers: of those only the
/// bits are published.
pub(crate) fn read<'a>(
    regions: &Regions,
    bank: u32,
    backends: impl Iterator<Item = &'a BackendKey>,
) -> Image {
    let config = regions.config();
    let mut image = Image::default();
    for line in 0..config.vip_lines {
        vip::decode(
            &regions.read(Region::Vips, bank * config.vip_lines + line),
            &mut image,
        );
    }
    for id in 0..config.max_services.min(1 << 16) {
        let id = ServiceId(id as u16);
        if let Some(row) = service::read(regions, bank, id) {
            image.services.insert(id, row);
        }
    }
    let Some(routes) = read_routes(regions, bank) else {
        return spoilt(image);
    };
    image.routes = routes;
    let reverse = reverse_bitmap(regions, bank);
    image.repliers = backends
        .filter(|key| filter::may_reply(&reverse, key, config.filter_bits))
        .copied()
        .collect();
    if is_made_of(regions, bank, &image) {
        image
    } else {
        spoilt(image)
    }
}

/// The routes of a bank; None where their list is not one.
pub(crate) fn read_routes(regions: &Regions, bank: u32) -> Option<BTreeMap<Prefix, RouteRow>> {
    let nodes = regions.config().route_nodes;
    let header: abi::lb_bank = regions.read(Region::Banks, bank);
    route::decode(header.route_count, |number| {
        let node = header
            .route_list
            .checked_add(number)
            .filter(|node| *node < nodes)?;
        Some(regions.read(Region::Routes, bank * nodes + node))
    })
}

/// Marks an image as one that nobody wants, so that it is published again: no box has the
/// unspecified address.
pub(crate) fn spoilt(mut image: Image) -> Image {
    image.local.insert(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    image
}

fn is_made_of(regions: &Regions, bank: u32, image: &Image) -> bool {
    let header: abi::lb_bank = regions.read(Region::Banks, bank);
    // Before the first publication all is zero, the seeds, too.
    let untouched = header.vip_seed == 0 && *image == Image::default();
    untouched || bank::encode(image, regions).is_ok_and(|made| made.is(regions, bank))
}

fn reverse_bitmap(regions: &Regions, bank: u32) -> Vec<u64> {
    let words = filter::words(regions.config().filter_bits) as u32;
    let first = (bank * 2 + 1) * words;
    (first..first + words)
        .map(|index| regions.load_u64(Region::Filter, index, 0))
        .collect()
}
