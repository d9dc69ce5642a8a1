use lb_core::vlan::{VlanId, VlanProtocol};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVlan, LinkAttribute, LinkInfo, LinkMessage,
    VlanProtocol as WireProtocol,
};

use super::read::raw_link;
use super::*;

/// What the kernel says of a link; a VLAN's id, protocol and the link below it.
fn link(ifindex: u32, name: &str, vlan: Option<(u16, WireProtocol, u32)>) -> (String, RawLink) {
    let mut message = LinkMessage::default();
    message.header.index = ifindex;
    message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    if let Some((id, protocol, below)) = vlan {
        let data = vec![
            InfoVlan::Protocol(protocol),
            InfoVlan::Id(id),
            InfoVlan::Flags((1, u32::MAX)),
        ];
        message.attributes.push(LinkAttribute::Link(below));
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Vlan),
            LinkInfo::Data(InfoData::Vlan(data)),
        ]));
    }
    raw_link(message).expect("it has a name")
}

fn facts(links: Vec<(String, RawLink)>) -> RawFacts {
    RawFacts {
        links: links.into_iter().collect(),
        ..RawFacts::default()
    }
}

fn id(number: u64) -> VlanId {
    VlanId::new(number).expect("from 1 to 4094")
}

const Q: WireProtocol = WireProtocol::Ieee8021Q;
const AD: WireProtocol = WireProtocol::Ieee8021Ad;

#[test]
fn a_vlan_link_has_the_device_below_it_and_its_tags_there() {
    let facts = facts(vec![
        link(2, "eth0", None),
        link(3, "eth0.100", Some((100, Q, 2))),
        link(4, "eth0.200", Some((200, AD, 2))),
        link(5, "eth0.200.7", Some((7, Q, 4))),
    ]);
    let device = |name: &str| facts.device(&facts.links[name]);
    assert_eq!(device("eth0"), Some((2, None)));
    let single = Vlan {
        outer: None,
        inner: id(100),
        protocol: VlanProtocol::Dot1Q,
    };
    assert_eq!(device("eth0.100"), Some((2, Some(single))));
    let double = Vlan {
        outer: Some(id(200)),
        inner: id(7),
        protocol: VlanProtocol::Dot1Ad,
    };
    assert_eq!(device("eth0.200.7"), Some((2, Some(double))));
}

#[test]
fn a_vlan_that_frames_here_cannot_have_has_no_device() {
    let elsewhere = {
        let (name, mut link) = link(9, "elsewhere", Some((5, Q, 2)));
        link.vlan = None;
        (name, link)
    };
    let facts = facts(vec![
        link(2, "eth0", None),
        link(3, "priority", Some((0, Q, 2))),
        link(4, "outer", Some((200, AD, 2))),
        link(5, "inner-ad", Some((7, AD, 4))),
        link(6, "inner", Some((7, Q, 4))),
        link(7, "third", Some((8, Q, 6))),
        link(8, "orphan", Some((8, Q, 99))),
        elsewhere,
    ]);
    for name in ["priority", "inner-ad", "third", "orphan", "elsewhere"] {
        assert_eq!(facts.device(&facts.links[name]), None, "{name}");
    }
}

#[test]
fn what_is_below_a_vlan_in_another_namespace_is_not_taken_for_a_link_here() {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName("v".to_owned()),
        LinkAttribute::Link(2),
        LinkAttribute::LinkNetNsId(0),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Vlan),
            LinkInfo::Data(InfoData::Vlan(vec![InfoVlan::Id(5)])),
        ]),
    ];
    let (_, link) = raw_link(message).expect("it has a name");
    assert_eq!((link.kind.as_deref(), link.vlan), (Some("vlan"), None));
}
