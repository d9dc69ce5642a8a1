use std::sync::Arc;

use lb_core::health::{
    self as core, Ask, Exchange, HttpRequest, Payload, Probe, Statuses, Timing, Tls, Trust,
};
use proptest::prelude::*;

use crate::wire::convert::check::check;
use crate::wire::{Check, Document, Problem};

fn parsed(wire: &Check) -> Result<Option<Arc<core::Check>>, Vec<Problem>> {
    let mut problems = Vec::new();
    check("check.", wire, &mut problems).ok_or(problems)
}

fn timing() -> impl Strategy<Value = Timing> {
    let interval = 100..=3_600_000_u64;
    interval.prop_flat_map(|interval| {
        let timeout = 10..=interval.min(60_000);
        (timeout, 1..=100_u64, 1..=100_u64).prop_map(move |(timeout, rise, fall)| {
            Timing::new(Some(interval), Some(timeout), Some(rise), Some(fall)).unwrap()
        })
    })
}

fn request() -> impl Strategy<Value = HttpRequest> {
    let host = prop::option::of("[a-z]{1,9}(:[1-9][0-9]{1,3})?");
    let statuses = prop::collection::vec((100..=599_u16, 0..=50_u16), 0..3);
    (
        host,
        "/[a-z0-9?=&%]{0,20}",
        statuses,
        prop::option::of("\\PC{1,20}"),
    )
        .prop_map(|(host, path, statuses, body)| HttpRequest {
            host: host.map(|host| host.parse().unwrap()),
            path: path.parse().unwrap(),
            statuses: Statuses::new(
                statuses
                    .into_iter()
                    .map(|(first, more)| {
                        let last = (first + more).min(599);
                        format!("{first}-{last}").parse().unwrap()
                    })
                    .collect(),
            )
            .unwrap_or_default(),
            body: body.map(|body| body.parse().unwrap()),
        })
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let bytes = |least| {
        let raw = prop::collection::vec(any::<u8>(), least..20);
        raw.prop_map(|raw| {
            let digits: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
            Payload::parse("send", &format!("hex:{digits}")).unwrap()
        })
    };
    (bytes(0), prop::option::of(bytes(1))).prop_map(|(send, expect)| Exchange { send, expect })
}

fn tls() -> impl Strategy<Value = Tls> {
    let trust = prop_oneof![
        Just(Trust::Insecure),
        "/[a-z]{1,9}".prop_map(|path| Trust::Ca(path.parse().unwrap())),
    ];
    (prop::option::of("[a-z]{1,9}\\.[a-z]{2}"), trust).prop_map(|(name, trust)| Tls {
        server_name: name.map(|name| name.parse().unwrap()),
        trust,
    })
}

fn any_check() -> impl Strategy<Value = core::Check> {
    let ask = prop_oneof![
        Just(Ask::Tcp),
        exchange().prop_map(Ask::Udp),
        request().prop_map(Ask::Http),
        (request(), tls()).prop_map(|(request, tls)| Ask::Https(request, tls)),
    ];
    let port = (0..=u16::MAX).prop_map(std::num::NonZeroU16::new);
    let probe = prop_oneof![
        1 => Just(Probe::Ping),
        8 => (port, ask).prop_map(|(port, ask)| Probe::At { port, ask }),
    ];
    (probe, timing()).prop_map(|(probe, timing)| core::Check { probe, timing })
}

proptest! {
    #[test]
    fn a_check_written_and_read_is_the_same(check in any_check()) {
        let wire = Check::from(&check);
        let again = parsed(&wire).unwrap();
        prop_assert_eq!(again.as_deref(), Some(&check));
        let text = crate::parse::to_yaml(&wire);
        prop_assert_eq!(crate::parse::yaml::<Check>(text.as_bytes()).unwrap(), wire);
    }
}

/// Field and text of everything that is wrong with the check of a service.
fn complaints(check: &str) -> Vec<String> {
    let text = format!(
        r#"{{"services":[{{"vip":"20.0.0.1","port":80,"protocol":"tcp","check":{check},
            "backends":[{{"address":"10.0.0.1","port":8080}}]}}]}}"#
    );
    let document: Document = crate::parse::json(text.as_bytes()).unwrap();
    match lb_core::intent::Document::try_from(&document) {
        Ok(_) => Vec::new(),
        Err(invalid) => invalid.problems().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_is_wrong_with_a_check_names_field_value_rule_and_remedy() {
    for (check, parts) in [
        (
            r#"{"type":"icmpv7"}"#,
            [
                "services[0].check.type",
                "`icmpv7`",
                "use tcp, udp, http, https, ping or none",
            ],
        ),
        (
            r#"{"type":"tcp","intervalMs":500,"timeoutMs":600}"#,
            [
                "services[0].check.intervalMs",
                "500 is shorter than timeoutMs 600",
                "raise intervalMs to 600",
            ],
        ),
        (
            r#"{"type":"tcp","intervalMs":99}"#,
            [
                "services[0].check.intervalMs",
                "99 is not from 100 to 3600000",
                "leave it out for 2000",
            ],
        ),
        (
            r#"{"type":"tcp","timeoutMs":-1}"#,
            [
                "services[0].check.timeoutMs",
                "-1 is out of range",
                "not negative",
            ],
        ),
        (
            r#"{"type":"tcp","rise":0}"#,
            [
                "services[0].check.rise",
                "rise 0 is not from 1 to 100",
                "leave it out",
            ],
        ),
        (
            r#"{"type":"tcp","port":65536}"#,
            ["services[0].check.port", "65536", "leave it out"],
        ),
        (
            r#"{"type":"ping","port":80}"#,
            [
                "services[0].check.port",
                "type ping",
                "leave it out, or use type tcp",
            ],
        ),
        (
            r#"{"type":"tcp","path":"/x"}"#,
            ["services[0].check.path", "type tcp", "use type http"],
        ),
        (
            r#"{"type":"http","path":"x"}"#,
            ["services[0].check.path", "`x`", "begin with a slash"],
        ),
        (
            r#"{"type":"http","expectStatus":["200","299-200"]}"#,
            [
                "services[0].check.expectStatus[1]",
                "`299-200`",
                "such as 200 or 200-399",
            ],
        ),
        (
            r#"{"type":"http","host":"a b"}"#,
            ["services[0].check.host", "`a b`", "leave it out"],
        ),
        (
            r#"{"type":"https"}"#,
            [
                "services[0].check.caFile",
                "neither caFile nor insecure",
                "insecure: true",
            ],
        ),
        (
            r#"{"type":"https","caFile":"/ca.pem","insecure":true}"#,
            [
                "services[0].check.insecure",
                "caFile with",
                "leave one of them out",
            ],
        ),
        (
            r#"{"type":"https","caFile":"ca.pem"}"#,
            ["services[0].check.caFile", "`ca.pem`", "begin with a slash"],
        ),
        (
            r#"{"type":"https","insecure":true,"serverName":"*.x"}"#,
            ["services[0].check.serverName", "`*.x`", "leave it out"],
        ),
        (
            r#"{"type":"udp","expect":""}"#,
            ["services[0].check.expect", "empty", "leave it out"],
        ),
        (
            r#"{"type":"udp","send":"hex:xy"}"#,
            ["services[0].check.send", "`hex:xy`", "hex:00ff"],
        ),
    ] {
        let complaints = complaints(check);
        assert_eq!(complaints.len(), 1, "{check}: {complaints:?}");
        for part in parts {
            assert!(
                complaints[0].contains(part),
                "{check}: {part}: {complaints:?}"
            );
        }
    }
}

#[test]
fn all_that_is_wrong_with_a_check_is_said_at_once() {
    let all = complaints(
        r#"{"type":"http","port":0,"path":"x","host":"","expectStatus":["9"],"fall":101}"#,
    );
    assert_eq!(all.len(), 5, "{all:?}");
}

#[test]
fn a_backend_may_have_a_check_of_its_own_or_none() {
    let text = r#"{"services":[{"vip":"20.0.0.1","port":80,"protocol":"tcp","check":{"type":"tcp"},
        "backends":[{"address":"10.0.0.1"},{"address":"10.0.0.2","check":{"type":"ping"}},
        {"address":"10.0.0.3","check":{"type":"none"}}]}]}"#;
    let document: Document = crate::parse::json(text.as_bytes()).unwrap();
    let core = lb_core::intent::Document::try_from(&document).unwrap();
    let kinds: Vec<&str> = core
        .probe_targets()
        .map(|(_, _, target)| target.check.probe.kind())
        .collect();
    assert_eq!(kinds, ["tcp", "ping"]);
    assert_eq!(Document::from(&core), document);
}

#[test]
fn too_many_probes_a_second_name_the_service_that_asks_for_most() {
    let backends: Vec<String> = (0..1001)
        .map(|number| {
            format!(
                r#"{{"address":"10.1.{}.{}"}}"#,
                number / 250,
                number % 250 + 1
            )
        })
        .collect();
    let text = format!(
        r#"{{"services":[{{"vip":"20.0.0.1","port":80,"protocol":"tcp"}},
        {{"vip":"20.0.0.2","port":80,"protocol":"tcp","check":{{"type":"tcp","intervalMs":100}},
            "backends":[{}]}}]}}"#,
        backends.join(",")
    );
    let document: Document = crate::parse::json(text.as_bytes()).unwrap();
    let invalid = lb_core::intent::Document::try_from(&document).unwrap_err();
    let problem = invalid.first();
    assert_eq!(problem.field, "services[1].check.intervalMs");
    for part in [
        "10010 probes a second",
        "10000 is the most",
        "raise intervalMs",
    ] {
        assert!(problem.to_string().contains(part), "{problem}");
    }
}

#[test]
fn a_check_needs_a_port_where_the_service_has_many() {
    let text = r#"{"services":[{"vip":"20.0.0.1","port":80,"portMax":90,"protocol":"tcp",
        "check":{"type":"tcp"},"backends":[{"address":"10.0.0.1"},{"address":"10.0.0.2"}]}]}"#;
    let document: Document = crate::parse::json(text.as_bytes()).unwrap();
    let invalid = lb_core::intent::Document::try_from(&document).unwrap_err();
    let problem = invalid.first();
    assert_eq!(
        invalid.problems().len(),
        1,
        "it is the service's check: it is said once"
    );
    assert_eq!(problem.field, "services[0].check.port");
    assert!(
        problem.to_string().contains("give the check a port"),
        "{problem}"
    );
}
