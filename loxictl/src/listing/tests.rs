#![allow(clippy::unwrap_used)]

use super::*;
use crate::table::Table;

fn service(text: &str) -> ServiceStatus {
    lb_api::parse::yaml(text.as_bytes()).unwrap()
}

const UNRESOLVED: &str = r#"
key: 20.20.20.1:2020/tcp
name: web
source: api
generation: 7
spec: { name: web, vip: 20.20.20.1, port: 2020, protocol: tcp, mode: onearm, select: rr, idleTimeout: 60, noBackend: drop }
conditions:
  - { type: Programmed, status: "False", reason: NextHopUnresolved, message: no answer to ARP from 31.31.31.1 }
backends:
  - { address: 31.31.31.1, port: 8080, weight: 1, state: unresolved, traffic: &none { packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0, connections: 0, activeConnections: 0, dropped: 0 } }
traffic: { packetsIn: 5, packetsOut: 4, bytesIn: 500, bytesOut: 400, connections: 3, activeConnections: 2, dropped: 1 }
"#;

#[test]
fn a_service_that_is_not_forwarded_has_the_reason_in_its_row() {
    let row = service(UNRESOLVED).cells();
    assert_eq!(row.len(), ServiceStatus::COLUMNS.len());
    assert_eq!(
        Table::new(ServiceStatus::COLUMNS, false, false).block([row.clone()]),
        "SERVICE               NAME   MODE     SELECT   BACKENDS   ACTIVE   CONNECTIONS   PROGRAMMED\n\
         20.20.20.1:2020/tcp   web    onearm   rr       0/1        2        3             False(NextHopUnresolved)\n"
    );
    let wide = Table::new(ServiceStatus::COLUMNS, true, false).block([row]);
    let words = "5    4     500        400         1         -          60s            -         drop         -           api      no answer to ARP from 31.31.31.1";
    assert!(wide.contains(words), "{wide}");
}

#[test]
fn a_vip_that_somebody_else_has_shows_where_and_who() {
    let mut service = service(UNRESOLVED);
    let on = |interface: &str, state, other: Option<&str>| lb_api::wire::Announcement {
        interface: interface.into(),
        state,
        other: other.map(Into::into),
    };
    assert_eq!(announced(&service), Cell::maybe(None::<String>));
    service.announcements = vec![on("eth0", AnnounceState::Announced, None)];
    assert_eq!(announced(&service), Cell::toned("eth0", Tone::Plain));
    let other = Some("02:00:00:00:00:09");
    service
        .announcements
        .push(on("eth1", AnnounceState::Conflict, other));
    let text = "eth0,eth1 (conflict 02:00:00:00:00:09)";
    assert_eq!(announced(&service), Cell::toned(text, Tone::Bad));
}

#[test]
fn trouble_is_the_first_condition_that_is_not_as_meant() {
    let mut service = service(UNRESOLVED);
    assert_eq!(
        trouble(&service.conditions),
        Some("no answer to ARP from 31.31.31.1")
    );
    service.conditions[0].status = ConditionStatus::True;
    assert_eq!(trouble(&service.conditions), None);
    service.conditions[0].kind = "Shadowed".into();
    assert_eq!(
        trouble(&service.conditions),
        Some("no answer to ARP from 31.31.31.1")
    );
    service.conditions[0].status = ConditionStatus::False;
    assert_eq!(trouble(&service.conditions), None);
}

#[test]
fn rows_have_a_value_for_every_column() {
    let status = service(UNRESOLVED);
    let backend = ServiceBackend {
        service: status.key.clone(),
        source: "api".into(),
        backend: status.backends[0].clone(),
    };
    assert_eq!(backend.cells().len(), ServiceBackend::COLUMNS.len());
    assert_eq!(backend.key(), "31.31.31.1:8080");
    let connection: Connection = lb_api::parse::yaml(
        b"{ protocol: udp, client: '10.0.0.7:4000', vip: '20.20.20.1:53', backend: '31.31.31.1:53', source: '10.0.0.7:4000',\
          mode: dnat, state: new, idle: 1, timeout: 30, packets: 1, bytes: 60, service: '20.20.20.1:53/udp' }",
    )
    .unwrap();
    assert_eq!(connection.cells().len(), Connection::COLUMNS.len());
    assert_eq!(connection.key(), "10.0.0.7:4000->20.20.20.1:53/udp");
    let interface: InterfaceStatus = lb_api::parse::yaml(
        b"{ name: eth0, ifindex: 2, slot: 1, mode: generic, queues: 0, mtu: 1500, mac: '02:00:00:00:00:01', attached: true }",
    )
    .unwrap();
    assert_eq!(interface.cells().len(), InterfaceStatus::COLUMNS.len());
    assert_eq!(interface.cells()[3], Cell::toned("generic", Tone::Warning));
}

#[test]
fn an_ipv6_backend_is_in_brackets_if_it_has_a_port() {
    let mut backend = service(UNRESOLVED).backends.remove(0);
    backend.address = "2001:db8::1".into();
    assert_eq!(end(&backend), "[2001:db8::1]:8080");
    backend.port = None;
    assert_eq!(end(&backend), "2001:db8::1");
}

#[test]
fn a_service_says_how_many_connections_its_draining_backends_still_have() {
    let mut service = service(UNRESOLVED);
    assert_eq!(draining(&service.backends), Cell::from("-"));
    let mut draining_one = service.backends[0].clone();
    draining_one.state = BackendState::Draining;
    draining_one.traffic.active_connections = 36;
    service
        .backends
        .extend([draining_one.clone(), draining_one]);
    assert_eq!(
        draining(&service.backends),
        Cell::toned("2 (72 left)", Tone::Warning)
    );
}

#[test]
fn a_connection_with_direct_return_is_said_to_be_one_sided() {
    let connection: Connection = lb_api::parse::yaml(
        b"{ protocol: tcp, client: '[2001:db8::7]:4000', vip: '[2001:db8::80]:80', backend: '10.9.0.1', source: '[2001:db8::7]:4000',\
          mode: ipip, oneSided: true, state: established, idle: 1, timeout: 30, packets: 1, bytes: 60 }",
    )
    .unwrap();
    let table = Table::new(Connection::COLUMNS, true, false).block([connection.cells()]);
    assert!(table.contains("established (one-sided)"), "{table}");
    assert!(table.contains("[2001:db8::7]:4000"), "{table}");
    assert!(table.contains("ipip"), "{table}");
}
