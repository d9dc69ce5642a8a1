use super::*;

#[test]
fn a_listener_is_read_from_its_line() {
    let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1";
    let local = listener(line, Protocol::Tcp).expect("a listener");
    if cfg!(target_endian = "little") {
        assert_eq!(local, "127.0.0.1:8080".parse().expect("an address"));
    }
}

#[test]
fn an_established_connection_is_no_listener() {
    let line = "   0: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000 0 0 1";
    assert_eq!(listener(line, Protocol::Tcp), None);
}

#[test]
fn a_bound_socket_collides() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let local = socket.local_addr().expect("its address");
    let found = collisions(&(local.port()..=local.port())).expect("/proc can be read");
    let expected = Collision::Listener {
        protocol: Protocol::Udp,
        local,
    };
    assert!(found.contains(&expected), "{found:?}");
}
