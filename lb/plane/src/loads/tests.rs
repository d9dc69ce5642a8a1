use lb_bpf::abi;
use lb_bpf::region::Region;
use lb_core::plane::{Limits, Plane};
use lb_core::tables::BackendId;
use zerocopy::FromZeros;

use crate::options::DEFAULT_LIMITS;
use crate::{RegionPlane, for_memory};

fn plane() -> RegionPlane {
    let limits = Limits {
        connections: 1024,
        slot_words: 64,
        ..DEFAULT_LIMITS
    };
    RegionPlane::in_memory(&for_memory(&limits, 2).expect("sizes that are allowed"))
}

#[test]
fn a_load_that_no_connection_has_is_taken_back() {
    let mut plane = plane();
    plane.regions().store_u64(Region::Loads, 5, 0, 3);
    let load = |plane: &RegionPlane| plane.reader().load(BackendId(5));
    for _ in 1..5 {
        plane.connections().expect("memory can be read");
        assert_eq!(load(&plane), 3, "an insert may be under way");
    }
    plane.connections().expect("memory can be read");
    assert_eq!(load(&plane), 0);
}

#[test]
fn the_load_of_a_backend_that_gets_connections_is_left_alone() {
    let mut plane = plane();
    plane.regions().store_u64(Region::Loads, 5, 0, 3);
    let rows = plane.regions().config().max_backends;
    for made in 1..9 {
        plane.connections().expect("memory can be read");
        let mut traffic = abi::lb_traffic::new_zeroed();
        traffic.connections = made;
        plane
            .regions()
            .write(Region::BackendStats, rows + 5, &traffic);
        plane.regions().store_u64(Region::Loads, 5, 0, 3 + made);
    }
    assert_eq!(plane.reader().load(BackendId(5)), 11);
}
