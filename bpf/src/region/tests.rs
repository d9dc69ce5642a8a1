use zerocopy::FromZeros;

use super::*;
use crate::user::tests::small_config;

#[test]
fn regions_are_in_the_order_of_the_abi() {
    use abi::lb_region::*;
    for (index, region) in Region::ALL.into_iter().enumerate() {
        assert_eq!(region as usize, index);
    }
    assert_eq!(Region::Control as u32, LB_REGION_CONTROL);
    assert_eq!(Region::Members as u32, LB_REGION_MEMBERS);
    assert_eq!(Region::Sources as u32, LB_REGION_SOURCES);
    assert_eq!(Region::Loads as u32, LB_REGION_LOADS);
    assert_eq!(Region::Conn6 as u32, LB_REGION_CONN6);
    assert_eq!(Region::Affinity as u32, LB_REGION_AFFINITY);
    assert_eq!(Region::ConnForward as u32, LB_REGION_CONN_FORWARD);
    assert_eq!(Region::Fragments as u32, LB_REGION_FRAGMENTS);
    assert_eq!(Region::Scratch as u32, LB_REGION_SCRATCH);
    assert_eq!(Region::Queues as u32, LB_REGION_QUEUES);
}

#[test]
fn an_element_fills_whole_words_so_that_a_map_has_the_same_stride() {
    for region in Region::ALL {
        assert_eq!(element_size(region) % 8, 0, "{}", region.name());
    }
}

#[test]
fn what_is_written_is_read_and_neighbours_stay_zero() {
    let regions = Regions::heap(&small_config());
    let mut backend = abi::lb_backend::new_zeroed();
    backend.address = [1, 2, 3, 4];
    backend.port = 80;
    regions.write(Region::Backends, 1, &backend);
    assert_eq!(
        regions
            .read::<abi::lb_backend>(Region::Backends, 1)
            .as_bytes(),
        backend.as_bytes()
    );
    assert_eq!(regions.load_u64(Region::Backends, 1, 0), 2 << 32 | 1);
    assert_eq!(regions.load_u64(Region::Backends, 0, 7), 0);
    assert_eq!(regions.load_u64(Region::Backends, 2, 0), 0);
    regions.zero(Region::Backends, 1);
    assert_eq!(regions.load_u64(Region::Backends, 1, 0), 0);
}

#[test]
#[should_panic(expected = "backends[1000000]")]
fn an_index_out_of_range_panics() {
    Regions::heap(&small_config()).load_u64(Region::Backends, 1_000_000, 0);
}
