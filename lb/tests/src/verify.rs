//! Judges frames by somebody else's code: etherparse.

use anyhow::{Context, Result, ensure};
use etherparse::{IpNumber, NetSlice, SlicedPacket, TransportSlice};

/// Checks the checksums of an IP frame: header, TCP, UDP (unless 0), ICMP; and of packets that it
/// carries in a tunnel.
///
/// # Errors
/// Which checksum is wrong, or what can't be parsed.
pub fn frame(frame: &[u8]) -> Result<()> {
    check(&SlicedPacket::from_ethernet(frame).context("etherparse")?)
}

fn check(sliced: &SlicedPacket) -> Result<()> {
    let (protocol, payload) = match &sliced.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header().to_header();
            ensure!(
                header.calc_header_checksum() == header.header_checksum,
                "IPv4 header checksum"
            );
            (ip.payload().ip_number, ip.payload())
        }
        Some(NetSlice::Ipv6(ip)) => (ip.payload().ip_number, ip.payload()),
        _ => return Ok(()),
    };
    if payload.fragmented {
        return Ok(());
    }
    if protocol == IpNumber::IPV4 || protocol == IpNumber::IPV6 {
        return inner(payload.payload);
    }
    transport(sliced)
}

fn inner(packet: &[u8]) -> Result<()> {
    check(&SlicedPacket::from_ip(packet).context("within the tunnel")?).context("within the tunnel")
}

/// Destination port of GUE in the cases.
const GUE: u16 = 6080;

fn transport(sliced: &SlicedPacket) -> Result<()> {
    let (wanted, got, what) = match (&sliced.net, &sliced.transport) {
        (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Tcp(tcp))) => {
            let header = ip.header().to_header();
            let wanted = tcp.calc_checksum_ipv4(header.source, header.destination)?;
            (wanted, tcp.checksum(), "TCP")
        }
        (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Tcp(tcp))) => {
            let header = ip.header();
            let wanted = tcp.calc_checksum_ipv6(header.source(), header.destination())?;
            (wanted, tcp.checksum(), "TCP")
        }
        (_, Some(TransportSlice::Udp(udp))) if udp.checksum() == 0 => {
            return match udp.destination_port() {
                GUE => inner(udp.payload()),
                _ => Ok(()),
            };
        }
        (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) => {
            let header = ip.header().to_header();
            let wanted = udp.to_header().calc_checksum_ipv4_raw(
                header.source,
                header.destination,
                udp.payload(),
            )?;
            (wanted, udp.checksum(), "UDP")
        }
        (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Udp(udp))) => {
            let header = ip.header();
            let wanted = udp.to_header().calc_checksum_ipv6_raw(
                header.source(),
                header.destination(),
                udp.payload(),
            )?;
            (wanted, udp.checksum(), "UDP")
        }
        (_, Some(TransportSlice::Icmpv4(icmp))) => {
            let wanted = icmp.icmp_type().calc_checksum(icmp.payload());
            (wanted, icmp.checksum(), "ICMP")
        }
        (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Icmpv6(icmp))) => {
            let header = ip.header();
            let right = icmp.is_checksum_valid(header.source(), header.destination());
            (u16::from(!right), 0, "ICMPv6")
        }
        _ => return Ok(()),
    };
    ensure!(got == wanted, "{what} checksum {got:04x}, not {wanted:04x}");
    Ok(())
}
