//! Judges frames by somebody else's code: etherparse.

use anyhow::{Context, Result, ensure};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// Checks the checksums of an IPv4 frame: header, TCP, UDP (unless 0), ICMP.
///
/// # Errors
/// Which checksum is wrong, or what can't be parsed.
pub fn frame(frame: &[u8]) -> Result<()> {
    let sliced = SlicedPacket::from_ethernet(frame).context("etherparse")?;
    let Some(NetSlice::Ipv4(ip)) = &sliced.net else {
        return Ok(());
    };
    let header = ip.header().to_header();
    ensure!(
        header.calc_header_checksum() == header.header_checksum,
        "IPv4 header checksum"
    );
    if header.is_fragmenting_payload() {
        return Ok(());
    }
    match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            let wanted = tcp.calc_checksum_ipv4(header.source, header.destination)?;
            ensure!(
                tcp.checksum() == wanted,
                "TCP checksum {:04x}, not {wanted:04x}",
                tcp.checksum()
            );
        }
        Some(TransportSlice::Udp(udp)) if udp.checksum() != 0 => {
            let wanted = udp.to_header().calc_checksum_ipv4_raw(
                header.source,
                header.destination,
                udp.payload(),
            )?;
            ensure!(
                udp.checksum() == wanted,
                "UDP checksum {:04x}, not {wanted:04x}",
                udp.checksum()
            );
        }
        Some(TransportSlice::Icmpv4(icmp)) => {
            let wanted = icmp.icmp_type().calc_checksum(icmp.payload());
            ensure!(icmp.checksum() == wanted, "ICMP checksum");
        }
        _ => (),
    }
    Ok(())
}
