use super::*;

#[test]
fn the_group_of_an_address_has_its_last_three_bytes() {
    let addr = "2001:db8::1:2:aabb:ccdd".parse().expect("an address");
    let group = solicited_node_mac(addr);
    assert_eq!(group, Mac([0x33, 0x33, 0xff, 0xbb, 0xcc, 0xdd]));
    assert!(is_solicited_node(group));
    assert!(!is_solicited_node(Mac([0x33, 0x33, 0, 0, 0, 1])));
}

#[test]
fn only_global_groups_of_the_interface_are_listed() {
    let text = "\
2    eth0            1     0     333300000001
2    eth0            2     1     3333ff00002a
3    eth01           1     1     3333ff00002b
4    wpan0           1     1     0001020304050607
2    eth0            1     1     01005e000001
nonsense
";
    let found = groups(text, "eth0");
    let expected = [
        Mac([0x33, 0x33, 0xff, 0, 0, 0x2a]),
        Mac([1, 0, 0x5e, 0, 0, 1]),
    ];
    assert_eq!(found, BTreeSet::from(expected));
}
