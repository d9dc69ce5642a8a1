//! The frames as another library reads them.
#![allow(clippy::unwrap_used)]

use etherparse::{ArpOperation, Icmpv6Type, NetSlice, SlicedPacket, TransportSlice};

use super::*;
use crate::vlan::VlanId;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0xab, 0xcd12, 0x3456);

fn bytes(message: Message) -> Vec<u8> {
    tagged(message, None)
}

fn tagged(message: Message, vlan: Option<Vlan>) -> Vec<u8> {
    let frame = Frame {
        device: 2,
        vlan,
        mac: MAC,
        message,
    };
    frame.bytes()
}

#[test]
fn arp_says_what_rfc_5227_wants_it_to_say() {
    let nobody = ([0; 6], Ipv4Addr::UNSPECIFIED);
    let table = [
        // message, operation, sender, target
        (
            Message::ArpProbe(VIP),
            1,
            (MAC.0, nobody.1),
            (nobody.0, VIP),
        ),
        (Message::ArpRequest(VIP), 1, (MAC.0, VIP), (nobody.0, VIP)),
        (Message::ArpReply(VIP), 2, (MAC.0, VIP), (MAC.0, VIP)),
    ];
    for (message, operation, sender, target) in table {
        let bytes = bytes(message);
        assert_eq!(bytes.len(), 60, "the shortest frame that Ethernet has");
        assert_eq!(&bytes[..12], [[0xff; 6], MAC.0].concat());
        let packet = SlicedPacket::from_ethernet(&bytes).unwrap();
        let Some(NetSlice::Arp(arp)) = packet.net else {
            panic!("{message:?}: {packet:?}");
        };
        let arp = arp.to_packet().try_eth_ipv4().unwrap();
        assert_eq!(arp.operation, ArpOperation(operation), "{message:?}");
        let told = (arp.sender_mac, Ipv4Addr::from(arp.sender_ipv4));
        assert_eq!(told, sender, "{message:?}");
        let told = (arp.target_mac, Ipv4Addr::from(arp.target_ipv4));
        assert_eq!(told, target, "{message:?}");
    }
}

/// Source, destination, type, and the rest behind the checksum.
fn discovery(bytes: &[u8]) -> (Ipv6Addr, Ipv6Addr, Icmpv6Type, Vec<u8>) {
    let packet = SlicedPacket::from_ethernet(bytes).unwrap();
    let (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Icmpv6(icmp))) =
        (packet.net, packet.transport)
    else {
        panic!("no ICMPv6");
    };
    let header = ip.header();
    let (source, destination) = (header.source(), header.destination());
    assert!(icmp.is_checksum_valid(source, destination));
    assert_eq!(header.hop_limit(), 255);
    let ends = (Ipv6Addr::from(source), Ipv6Addr::from(destination));
    (ends.0, ends.1, icmp.icmp_type(), icmp.payload().to_vec())
}

#[test]
fn a_solicitation_comes_from_nobody_and_goes_to_the_addresses_group() {
    let bytes = bytes(Message::Solicitation(VIP6));
    assert_eq!(bytes[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
    let (from, to, kind, rest) = discovery(&bytes);
    assert_eq!(from, Ipv6Addr::UNSPECIFIED);
    assert_eq!(to, "ff02::1:ff12:3456".parse::<Ipv6Addr>().unwrap());
    assert_eq!(kind, Icmpv6Type::NeighborSolicitation);
    assert_eq!(
        rest,
        VIP6.octets(),
        "the target and no option: who asks has no address"
    );
}

#[test]
fn an_advertisement_overrides_and_has_the_link_layer_address() {
    let bytes = bytes(Message::Advertisement(VIP6));
    assert_eq!(bytes[..6], [0x33, 0x33, 0, 0, 0, 1]);
    let (from, to, kind, rest) = discovery(&bytes);
    assert_eq!(from, VIP6);
    assert_eq!(to, "ff02::1".parse::<Ipv6Addr>().unwrap());
    let Icmpv6Type::NeighborAdvertisement(flags) = kind else {
        panic!("{kind:?}");
    };
    assert!(flags.r#override && !flags.solicited && !flags.router);
    let option = [&[2, 1][..], &MAC.0].concat();
    assert_eq!(rest, [&VIP6.octets()[..], &option].concat());
}

#[test]
fn tags_stand_between_addresses_and_type() {
    let id = |id| VlanId::new(id).unwrap();
    let one = Vlan {
        outer: None,
        inner: id(100),
        protocol: VlanProtocol::Dot1Q,
    };
    let two = Vlan {
        outer: Some(id(200)),
        inner: id(100),
        protocol: VlanProtocol::Dot1Ad,
    };
    let tags = |vlan| tagged(Message::ArpProbe(VIP), Some(vlan))[12..].to_vec();
    assert_eq!(tags(one)[..6], [0x81, 0, 0, 100, 8, 6]);
    assert_eq!(tags(two)[..10], [0x88, 0xa8, 0, 200, 0x81, 0, 0, 100, 8, 6]);
}
