//! What the language says is what somebody else's code reads: etherparse.

use std::net::IpAddr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::*;
use crate::verify;

fn links(_: IpAddr) -> Result<[u8; 6]> {
    Ok([2, 0, 0, 0, 0, 9])
}

fn frame(text: &str) -> Vec<u8> {
    let spec = Spec::parse(text, &Names::default(), &links).expect(text);
    spec.frame([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], &[])
}

#[test]
fn packets_of_both_families_have_right_checksums_and_lengths() {
    for text in [
        "10.0.0.2:4000 > 20.0.0.1:80 tcp syn,ack seq=1 mss=1460 data=odd",
        "10.0.0.2 > 20.0.0.1 icmp echo id=1 seq=2 data=abc",
        "[2001:db8::2]:4000 > [2001:db8:20::1]:80 tcp syn mss=1440 len=1000",
        "[2001:db8::2]:4000 > [2001:db8:20::1]:53 udp data=hello flow=74565 tc=184",
        "[2001:db8::2]:4000 > [2001:db8:20::1]:53 udp ext=hop,dest16,route data=hello",
        "2001:db8::2 > 2001:db8:20::1 icmp6 echo id=1 seq=2 data=abc",
        "2001:db8::9 > 2001:db8::2 icmp6 too-big mtu=1280 [[2001:db8::2]:4000 > [2001:db8:20::1]:80 tcp syn]",
        "31.0.0.254 > 31.0.0.1 ipip {10.0.0.2:4000 > 20.0.0.1:80 tcp syn}",
        "31.0.0.254 > 31.0.0.1 ipip {[2001:db8::2]:4000 > [2001:db8:20::1]:80 tcp syn}",
        "2001:db8:31::fe > 2001:db8:31::1 ipip {10.0.0.2:4000 > 20.0.0.1:80 tcp syn}",
        "[2001:db8:31::fe]:5000 > [2001:db8:31::1]:6080 gue nosum {10.0.0.2:4000 > 20.0.0.1:80 tcp syn}",
        "nd who-has 2001:db8::100 tell 2001:db8::2",
        "nd 2001:db8::100 is-at 02:00:00:00:00:0a to 2001:db8::2",
    ] {
        verify::frame(&frame(text)).expect(text);
    }
}

#[test]
fn a_wrong_checksum_is_seen_to_be_wrong() {
    for text in [
        "10.0.0.2:4000 > 20.0.0.1:80 tcp syn badsum",
        "[2001:db8::2]:4000 > [2001:db8:20::1]:53 udp badsum data=hello",
        "2001:db8::2 > 2001:db8:20::1 icmp6 echo id=1 seq=2 badsum",
        "31.0.0.254 > 31.0.0.1 ipip {[2001:db8::2]:4000 > [2001:db8:20::1]:80 tcp syn badsum}",
        "nd who-has 2001:db8::100 tell 2001:db8::2 badsum",
    ] {
        verify::frame(&frame(text)).expect_err(text);
    }
}

#[test]
fn what_a_text_says_is_what_the_frame_has() {
    let bytes = frame(
        "[2001:db8::2]:4000 > [2001:db8:20::1]:53 udp hlim=7 flow=5 tc=3 vlan=200.100 tpid=88a8 ext=dest data=hi",
    );
    let sliced = SlicedPacket::from_ethernet(&bytes).expect("a frame");
    let ids: Vec<u16> = sliced.vlan_ids().iter().map(|id| id.value()).collect();
    assert_eq!(ids, [200, 100]);
    assert_eq!(bytes[12..14], [0x88, 0xa8]);
    let Some(NetSlice::Ipv6(ip)) = &sliced.net else {
        panic!("no IPv6")
    };
    let header = ip.header();
    assert_eq!(
        (
            header.hop_limit(),
            header.flow_label().value(),
            header.traffic_class()
        ),
        (7, 5, 3)
    );
    let Some(TransportSlice::Udp(udp)) = &sliced.transport else {
        panic!("no UDP")
    };
    assert_eq!((udp.source_port(), udp.destination_port()), (4000, 53));
    assert_eq!(udp.payload(), b"hi");
}

#[test]
fn a_fragment_of_ipv6_has_its_header_behind_the_others() {
    let bytes = frame("2001:db8::2 > 2001:db8:20::1 udp ext=hop id=77 offset=16 mf data=12345678");
    let (end, protocol) = extension::end(&bytes[14..]).expect("whole");
    assert_eq!((end, protocol), (40 + 8 + 8, 17));
    assert_eq!(bytes[14 + 48..14 + 56], [17, 0, 0, 17, 0, 0, 0, 77]);
}

#[test]
fn a_solicitation_goes_to_the_group_and_an_advertisement_back() {
    let bytes = frame("nd who-has 2001:db8::12:3456 tell fe80::2");
    assert_eq!(bytes[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
    let dest: [u8; 16] = bytes[38..54].try_into().expect("16 bytes");
    assert_eq!(IpAddr::from(dest).to_string(), "ff02::1:ff12:3456");
    assert_eq!(bytes.last_chunk::<8>(), Some(&[1, 1, 2, 0, 0, 0, 0, 9]));
}

#[test]
fn names_are_learned_from_ports_addresses_and_labels() {
    let spelled = "[2001:db8::77]:4001 > [2001:db8:20::1]:53 udp flow=700000 data=x";
    let named = "[2001:db8::$host]:$port > [2001:db8:20::1]:53 udp flow=$label data=x";
    let mut names = Names::default();
    assert!(Spec::parse(named, &names, &links).is_err());
    names.learn(named, &frame(spelled));
    let spec = Spec::parse(named, &names, &links).expect("all are known");
    assert_eq!(
        spec.frame([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], &[]),
        frame(spelled)
    );
}
