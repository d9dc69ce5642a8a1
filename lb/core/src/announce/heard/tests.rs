#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::announce::{Frame, Message};

const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);

fn any_vlan() -> impl Strategy<Value = Option<Vlan>> {
    let id = || (1..=4094u64).prop_map(|id| VlanId::new(id).unwrap());
    let protocol = prop_oneof![Just(VlanProtocol::Dot1Q), Just(VlanProtocol::Dot1Ad)];
    let vlan = (prop::option::of(id()), id(), protocol);
    prop::option::of(vlan.prop_map(|(outer, inner, protocol)| Vlan {
        outer,
        inner,
        protocol,
    }))
}

fn frame(message: Message, vlan: Option<Vlan>) -> Vec<u8> {
    let frame = Frame {
        device: 1,
        vlan,
        mac: MAC,
        message,
    };
    frame.bytes()
}

proptest! {
    #[test]
    fn what_one_appliance_says_another_understands(vlan in any_vlan()) {
        let table = [
            (Message::ArpProbe(VIP), IpAddr::from(VIP), What::Probes),
            (Message::ArpRequest(VIP), VIP.into(), What::Claims),
            (Message::ArpReply(VIP), VIP.into(), What::Claims),
            (Message::Solicitation(VIP6), VIP6.into(), What::Probes),
            (Message::Advertisement(VIP6), VIP6.into(), What::Claims),
        ];
        for (message, about, what) in table {
            let heard = Heard { vlan, mac: MAC, about, what };
            prop_assert_eq!(Heard::read(&frame(message, vlan)), Some(heard));
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = Heard::read(&bytes);
    }

    #[test]
    fn a_frame_that_ends_early_says_nothing(
        at in 0..4usize,
        length in 0..86usize,
    ) {
        let whole = [
            frame(Message::ArpProbe(VIP), None)[..42].to_vec(),
            frame(Message::ArpReply(VIP), None)[..42].to_vec(),
            frame(Message::Solicitation(VIP6), None),
            // Without the option the sender counts.
            frame(Message::Advertisement(VIP6), None)[..78].to_vec(),
        ];
        let whole = &whole[at];
        let cut = &whole[..length.min(whole.len())];
        prop_assert_eq!(Heard::read(cut).is_some(), cut.len() == whole.len());
    }
}

#[test]
fn what_a_router_forwarded_is_not_believed() {
    for message in [Message::Solicitation(VIP6), Message::Advertisement(VIP6)] {
        let mut bytes = frame(message, None);
        bytes[14 + 7] = 254;
        assert_eq!(Heard::read(&bytes), None, "{message:?}");
    }
}

#[test]
fn a_request_for_another_address_claims_the_senders() {
    let mut bytes = frame(Message::ArpRequest(VIP), None);
    bytes[38..42].copy_from_slice(&[10, 0, 0, 7]);
    let heard = Heard::read(&bytes).unwrap();
    assert_eq!((heard.about, heard.what), (VIP.into(), What::Claims));
}

#[test]
fn an_advertisement_is_of_the_address_that_its_option_has() {
    let mut bytes = frame(Message::Advertisement(VIP6), None);
    let end = bytes.len();
    bytes[end - 1] = 9;
    assert_eq!(Heard::read(&bytes).unwrap().mac, Mac([2, 0, 0, 0, 0, 9]));
    bytes[end - 7] = 0; // an option without length
    assert_eq!(Heard::read(&bytes).unwrap().mac, MAC);
}
