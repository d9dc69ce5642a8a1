//! A small world for first packets: one VIP with services, its backends behind one interface.

use zerocopy::{FromZeros, IntoBytes};

use super::small_config;
use crate::abi;
use crate::region::{Region, Regions};
use crate::user::{Conn, Family, UserHost, port_lines, vip_lines};

pub(super) const SERVICE: u16 = 1;
pub(super) const TICK: u64 = 1 << abi::LB_TICK_SHIFT;
const IFINDEX: u32 = 1;
const VIP_ID: u32 = 5;
const SEED: u64 = 0x1234_5677;
const UDP: u8 = 17;

pub(super) struct World {
    pub host: UserHost,
    pub family: Family,
    next_port: u16,
}

/// An address of the family as the packet has it, of a number.
pub(super) fn address(family: Family, number: u32) -> [u32; 4] {
    match family {
        Family::Ipv4 => [number.to_be(), 0, 0, 0],
        Family::Ipv6 => [0x2001_0db8_u32.to_be(), 0, 0, number.to_be()],
    }
}

/// The same as boundaries of sources have it.
pub(super) fn number(address: [u32; 4]) -> u128 {
    let [first, second, third, last] = address.map(|word| u128::from(u32::from_be(word)));
    if second | third | last == 0 {
        return first;
    }
    first << 96 | second << 64 | third << 32 | last
}

const VIP: u32 = 0x1414_1401;
pub(super) const CLIENT: u32 = 0x0a00_0001;

impl World {
    /// With a service of any port, whose members are the backends of ids from 0 on.
    pub(super) fn new(
        family: Family,
        service: abi::lb_service,
        members: &[abi::lb_member],
    ) -> Self {
        let config = abi::lb_config {
            sources: 64,
            ..small_config()
        };
        let host = UserHost::new(&Regions::heap(&config), 0);
        let mut world = Self {
            host,
            family,
            next_port: 1000,
        };
        world.at_tick(1000);
        world.prepare();
        world.serve(SERVICE, 16, 0);
        world.put_service(SERVICE, service);
        world.put_members(members);
        for id in 0..members.len() as u32 {
            world.put_backend(id);
        }
        world
    }

    pub(super) fn regions(&self) -> &Regions {
        self.host.regions()
    }

    pub(super) fn at_tick(&mut self, tick: u64) {
        self.host.set_now(Some(tick * TICK));
    }

    fn prepare(&self) {
        let regions = self.regions();
        let control = abi::lb_control {
            active: 2,
            ..FromZeros::new_zeroed()
        };
        let bank = abi::lb_bank {
            vip_seed: SEED,
            port_seed: SEED,
            ..FromZeros::new_zeroed()
        };
        let interface = abi::lb_interface {
            ifindex: IFINDEX,
            mtu: 1500,
            mac: [2, 0, 0, 0, 0, 1],
            link: 14,
            ..FromZeros::new_zeroed()
        };
        let ipv6 = if self.family == Family::Ipv6 {
            abi::LB_VIP_IPV6
        } else {
            0
        };
        let vip = abi::lb_vip {
            address: address(self.family, VIP),
            id: VIP_ID,
            flags: abi::LB_VIP_USED | abi::LB_VIP_BLOCKS | ipv6,
            arp_interfaces: 0,
        };
        let [line, _] = vip_lines(vip.address, SEED, regions.config().vip_lines);
        let vips = abi::lb_vip_line {
            vip: [vip, FromZeros::new_zeroed()],
        };
        regions.write(Region::Control, 0, &control);
        regions.write(Region::Banks, 0, &bank);
        regions.write(Region::Interfaces, 0, &interface);
        regions.write(Region::Vips, line, &vips);
        for word in 0..regions.len(Region::Filter) {
            regions.store_u64(Region::Filter, word, 0, u64::MAX);
        }
    }

    /// Leads 2^block UDP ports from `first` on to a service.
    pub(super) fn serve(&self, service: u16, block: u64, first: u16) {
        let regions = self.regions();
        let key = u64::from(VIP_ID) << 32 | block << 24 | u64::from(first) << 8 | u64::from(UDP);
        let lines = port_lines(key, SEED, regions.config().port_lines);
        for line in lines {
            let mut ports: abi::lb_port_line = regions.read(Region::Ports, line);
            if let Some(free) = ports.port.iter_mut().find(|port| port.key == 0) {
                free.key = key;
                free.service = service.into();
                regions.write(Region::Ports, line, &ports);
                return;
            }
        }
        panic!("both lines of port {first} are full");
    }

    pub(super) fn put_service(&self, id: u16, service: abi::lb_service) {
        self.regions().write(Region::Services, id.into(), &service);
    }

    /// Members from the arena's start on; slot n leads to member n.
    pub(super) fn put_members(&self, members: &[abi::lb_member]) {
        for (index, member) in (0..).zip(members) {
            self.regions().write(Region::Members, index, member);
        }
        for word in 0..4_u64 {
            let slots = (0..4).fold(0, |slots, slot| slots | (word * 4 + slot) << (slot * 16));
            self.regions()
                .store_u64(Region::Slots, word as u32, 0, slots);
        }
    }

    fn put_backend(&self, id: u32) {
        let ipv6 = if self.family == Family::Ipv6 {
            abi::LB_BACKEND_IPV6
        } else {
            0
        };
        let backend = abi::lb_backend {
            address: address(self.family, 0x1f1f_1f01 + id),
            hop: abi::LB_HOP_VALID | 0x0000_0302_0000_0002,
            port: 8080_u16.to_be(),
            protocol: UDP,
            flags: (abi::LB_BACKEND_USED | ipv6) as u8,
            ..FromZeros::new_zeroed()
        };
        self.regions().write(Region::Backends, id, &backend);
    }

    /// Sends a first packet of a client to a port and says what became of it.
    pub(super) fn send(&mut self, client: [u32; 4], port: u16) -> &'static str {
        self.next_port += 1;
        let mut frame = frame(self.family, client, self.next_port, port);
        self.host.forward(&mut frame, IFINDEX).reason.name
    }

    /// Sends another packet of the connection that was made last, to port 80.
    pub(super) fn send_again(&mut self, client: u32) -> &'static str {
        let mut frame = frame(
            self.family,
            address(self.family, client),
            self.next_port,
            80,
        );
        self.host.forward(&mut frame, IFINDEX).reason.name
    }

    /// Connects to port 80 and says which backend has the connection.
    pub(super) fn connect(&mut self, client: u32) -> Result<u32, &'static str> {
        let client = address(self.family, client);
        match self.send(client, 80) {
            "forwarded" => Ok(self.newest().entry.backend_id),
            refused => Err(refused),
        }
    }

    /// The connection that was made last.
    pub(super) fn newest(&self) -> Conn {
        self.connection(self.next_port).1
    }

    /// Position and connection of a client's port.
    pub(super) fn connection(&self, client_port: u16) -> (u32, Conn) {
        (0..self.host.positions())
            .find_map(|position| {
                let conn = self.host.conn(position)?;
                (conn.entry.client_port == client_port.to_be()).then_some((position, conn))
            })
            .unwrap()
    }

    /// Ends the connection that was made last.
    pub(super) fn close_newest(&mut self) {
        let (position, _) = self.connection(self.next_port);
        assert!(self.host.release(position));
    }

    pub(super) fn load(&self, backend: u32) -> u64 {
        self.regions().load_u64(Region::Loads, backend, 0)
    }
}

pub(super) fn member(backend: u32, weight: u16, limit: u32) -> abi::lb_member {
    abi::lb_member {
        backend,
        weight,
        limit,
        ..FromZeros::new_zeroed()
    }
}

/// A service of the world's members, whose slots are one to one.
pub(super) fn service(flags: u32, members: u32) -> abi::lb_service {
    abi::lb_service {
        flags: abi::LB_SERVICE_USED | flags,
        slot_count: members,
        member_count: members,
        protocol: UDP,
        ..FromZeros::new_zeroed()
    }
}

/// A UDP datagram of two bytes to the world's VIP, without a checksum.
fn frame(family: Family, client: [u32; 4], client_port: u16, port: u16) -> Vec<u8> {
    let vip = address(family, VIP);
    let bytes = |address: [u32; 4], words: usize| address[..words].as_bytes().to_vec();
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9];
    match family {
        Family::Ipv4 => {
            frame.extend([0x08, 0x00, 0x45, 0, 0, 30, 0, 0, 0, 0, 64, UDP, 0, 0]);
            frame.extend(bytes(client, 1));
            frame.extend(bytes(vip, 1));
        }
        Family::Ipv6 => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 10, UDP, 64]);
            frame.extend(bytes(client, 4));
            frame.extend(bytes(vip, 4));
        }
    }
    frame.extend(client_port.to_be_bytes());
    frame.extend(port.to_be_bytes());
    frame.extend([0, 10, 0, 0, 7, 7]);
    frame
}
