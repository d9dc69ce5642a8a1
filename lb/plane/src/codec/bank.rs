//! A bank: the image as bytes, in memory of its own, and its place in the regions.

use lb_bpf::abi;
use lb_bpf::region::{Region, Regions};
use lb_core::tables::Image;
use zerocopy::{FromZeros, IntoBytes};

use super::{EncodeError, arena, filter, port, route, service, vip};

/// The bytes of one bank.
pub(crate) struct Bank {
    header: abi::lb_bank,
    filter: Vec<u64>,
    vips: Vec<abi::lb_vip_line>,
    ports: Vec<abi::lb_port_line>,
    services: Vec<abi::lb_service>,
    routes: route::Routes,
}

/// Encodes an image for regions that hold the members it refers to.
pub(crate) fn encode(image: &Image, regions: &Regions) -> Result<Bank, EncodeError> {
    let config = regions.config();
    let is_limited = |members| arena::is_limited(regions, members);
    let vips = vip::encode(image, config.vip_lines)?;
    let (port_seed, ports) = port::encode(image, &vips, config.port_lines)?;
    let routes = route::encode(&image.routes, config.route_nodes)?;
    let header = abi::lb_bank {
        vip_seed: vips.seed,
        port_seed,
        route_root4: routes.root4,
        route_root6: routes.root6,
        route_list: routes.list,
        route_count: routes.count,
        ..abi::lb_bank::new_zeroed()
    };
    Ok(Bank {
        header,
        filter: filter::encode(image, config.filter_bits),
        vips: vips.lines,
        ports,
        services: service::encode_all(image, config.max_services, is_limited)?,
        routes,
    })
}

impl Bank {
    /// Copies it to a bank that no packet reads.
    pub fn write(&self, regions: &Regions, bank: u32) {
        self.each(regions, bank, |region, index, element| {
            let words = regions.words(region, index);
            for (word, value) in words.iter().zip(in_words(element)) {
                word.store(value, std::sync::atomic::Ordering::Release);
            }
            true
        });
    }

    /// Are the bytes of a bank these?
    pub fn is(&self, regions: &Regions, bank: u32) -> bool {
        self.each(regions, bank, |region, index, element| {
            let words = regions.words(region, index);
            let mut pairs = words.iter().zip(in_words(element));
            pairs.all(|(word, value)| word.load(std::sync::atomic::Ordering::Acquire) == value)
        })
    }

    /// Shows each element's place and bytes, until `visit` says false.
    fn each(
        &self,
        regions: &Regions,
        bank: u32,
        mut visit: impl FnMut(Region, u32, &[u8]) -> bool,
    ) -> bool {
        let config = regions.config();
        let mut all = |region: Region, first: u32, bytes: &[u8]| {
            let size = lb_bpf::region::element_size(region);
            (first..)
                .zip(bytes.chunks_exact(size))
                .all(|(index, element)| visit(region, index, element))
        };
        let filter_first = bank * self.filter.len() as u32;
        all(Region::Filter, filter_first, self.filter.as_bytes())
            && all(Region::Vips, bank * config.vip_lines, self.vips.as_bytes())
            && all(
                Region::Ports,
                bank * config.port_lines,
                self.ports.as_bytes(),
            )
            && all(
                Region::Services,
                bank * config.max_services,
                self.services.as_bytes(),
            )
            && all(
                Region::Routes,
                bank * config.route_nodes,
                self.routes.nodes.as_bytes(),
            )
            && all(Region::Banks, bank, self.header.as_bytes())
    }
}

fn in_words(element: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
    element.chunks_exact(8).map(word)
}
