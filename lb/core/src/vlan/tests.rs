#![allow(clippy::unwrap_used)]

use super::*;

fn id(value: u64) -> VlanId {
    VlanId::new(value).unwrap()
}

#[test]
fn vlan_ids_are_from_1_to_4094() {
    assert_eq!(id(1).get(), 1);
    assert_eq!(id(4094).get(), 4094);
    for value in [0, 4095, 4096, 65537] {
        let text = VlanId::new(value).unwrap_err().to_string();
        assert!(text.contains(&format!("VLAN id {value} ")), "{text}");
        assert!(text.contains("1 to 4094"), "{text}");
    }
}

#[test]
fn tags_show_as_numbers_outer_first() {
    let single = Vlan {
        outer: None,
        inner: id(100),
        protocol: VlanProtocol::Dot1Q,
    };
    let double = Vlan {
        outer: Some(id(200)),
        ..single
    };
    assert_eq!(single.to_string(), "100");
    assert_eq!(double.to_string(), "200.100");
}

#[test]
fn protocols_read_what_they_show() {
    for protocol in [VlanProtocol::Dot1Q, VlanProtocol::Dot1Ad] {
        assert_eq!(protocol.to_string().parse(), Ok(protocol));
    }
    assert!("0x8100".parse::<VlanProtocol>().is_err());
}
