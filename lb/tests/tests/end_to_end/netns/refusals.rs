//! What is wrong is refused with a reason, and changes nothing.

use lb_tests::daemon::Daemon;
use lb_tests::datapath::Datapath;
use lb_tests::topology::Topology;
use lb_tests::traffic::get;

use super::{Site, WEB};

fn bad_input_leaves_a_service_as_it_is(path: Datapath) {
    let site = Site::routed(path, 1);
    site.web("");
    let (_, before) = site.daemon.get("/v1/documents/api").unwrap();
    let service = |fields: &str| format!(r#"{{"services":[{{{fields}}}]}}"#);
    let good = r#""vip":"20.0.0.1","port":80,"protocol":"tcp""#;
    let bodies = [
        "not JSON".to_owned(),
        "{}".to_owned(),
        service(r#""vip":"20.0.0.1","port":65536,"protocol":"tcp""#),
        service(r#""vip":"20.0.0.1","protocol":"udp""#),
        service(r#""vip":"20.0.0.1","port":80,"protocol":"sctp""#),
        service(&format!(r#"{good},"mode":"magic""#)),
        service(&format!(r#"{good},"select":"magic""#)),
        service(&format!(r#"{good},"colour":"red""#)),
        service(&format!(
            r#"{good},"backends":[{{"address":"::1","port":80}}]"#
        )),
        service(&format!(
            r#"{good},"backends":[{{"address":"31.0.1.1","port":80,"weight":1001}}]"#
        )),
        format!(r#"{{"services":[{{{good}}},{{{good}}}]}}"#),
    ];
    for body in &bodies {
        let (status, answer) = site
            .daemon
            .request("PUT", "/v1/documents/api", body)
            .unwrap();
        assert!((400..500).contains(&status), "{body}: {status} {answer}");
        assert!(
            answer.to_string().len() > 20,
            "{body}: says nothing: {answer}"
        );
    }
    assert_eq!(site.daemon.get("/v1/documents/nobody").unwrap().0, 404);
    let output = site.daemon.try_loxictl("attach nowhere0").unwrap();
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && talk.contains("nowhere0"),
        "{talk}"
    );
    assert_eq!(site.daemon.get("/v1/documents/api").unwrap().1, before);
    get(&site.topology.client, WEB).unwrap();
}

fn what_cannot_be_meant_is_refused_with_field_and_remedy(path: Datapath) {
    let site = Site::routed(path, 1);
    let tcp = r#""vip":"20.0.0.1","port":80,"protocol":"tcp""#;
    let v6 = r#""vip":"2001:db8:20::1","port":80,"protocol":"tcp""#;
    let at = |address: &str| format!(r#""backends":[{{"address":"{address}"}}]"#);
    let many: Vec<String> = (0..257)
        .map(|host| format!(r#"{{"address":"31.1.{}.{}"}}"#, host / 200, 1 + host % 200))
        .collect();
    // What is wrong, and the words that the answer must have.
    let cases: [(String, &[&str]); 16] = [
        (
            format!("{{{v6},{}}}", at("31.0.1.1")),
            &["backends[0].address", "ipip"],
        ),
        (
            format!("{{{tcp},{}}}", at("2001:db8::1")),
            &["backends[0].address", "gue"],
        ),
        (
            format!(r#"{{{tcp},"mode":"dsr","backends":[{{"address":"31.0.1.1","port":8080}}]}}"#),
            &["backends[0].port", "dnat"],
        ),
        (
            format!(r#"{{{tcp},"mode":"ipip","backends":[{{"address":"31.0.1.1","port":81}}]}}"#),
            &["backends[0].port", "leave"],
        ),
        (format!(r#"{{{tcp},"persist":0}}"#), &["persist", "86400"]),
        (
            format!(r#"{{{tcp},"persist":86401}}"#),
            &["persist", "86400"],
        ),
        (
            format!(r#"{{{tcp},"select":"rr","persist":60}}"#),
            &["persist", "maglev"],
        ),
        (
            format!(r#"{{{tcp},"deniedSources":["10.0.0.1/24"]}}"#),
            &["10.0.0.0/24"],
        ),
        (
            format!(r#"{{{tcp},"deniedSources":["2001:db8::/32"]}}"#),
            &["deniedSources", "family"],
        ),
        (
            format!(r#"{{{tcp},"allowedSources":["10.0.0.0/8"],"deniedSources":["10.0.0.0/8"]}}"#),
            &["deniedSources", "10.0.0.0/8"],
        ),
        (
            format!(r#"{{{tcp},"mode":"dsr","mssClamp":1400}}"#),
            &["mssClamp", "advmss"],
        ),
        (format!(r#"{{{tcp},"mssClamp":100}}"#), &["mssClamp", "536"]),
        (
            format!(r#"{{{tcp},"tunnelPort":6081}}"#),
            &["tunnelPort", "gue"],
        ),
        (format!(r#"{{{tcp},"portMax":79}}"#), &["portMax", "80"]),
        (
            format!(r#"{{{tcp},"portMax":90}},{{"vip":"20.0.0.1","port":85,"protocol":"tcp"}}"#),
            &["80-90", "85"],
        ),
        (
            format!(r#"{{{tcp},"select":"lc","backends":[{}]}}"#, many.join(",")),
            &["backends", "256"],
        ),
    ];
    for (services, words) in cases {
        let body = format!(r#"{{"services":[{services}]}}"#);
        let (status, answer) = site
            .daemon
            .request("PUT", "/v1/documents/api", &body)
            .unwrap();
        let (shown, answer) = (body.get(..200).unwrap_or(&body), answer.to_string());
        assert_eq!(status, 422, "{shown}: {answer}");
        for word in words {
            assert!(answer.contains(word), "{shown}: no `{word}` in {answer}");
        }
    }
}

fn direct_return_to_where_it_can_t_reach_says_so(path: Datapath) {
    let site = Site::routed(path, 1);
    let put = |services: &str| {
        let body = format!(r#"{{"services":[{services}]}}"#);
        let answer = site.daemon.request("PUT", "/v1/documents/api", &body);
        assert_eq!(answer.unwrap().0, 200);
    };
    // Behind a router: the link doesn't lead there.
    site.topology
        .balancer
        .ip("route add 172.16.0.0/12 via 31.0.1.1")
        .unwrap();
    let far = r#""backends":[{"address":"172.16.0.9"}]"#;
    put(&format!(
        r#"{{"vip":"20.0.0.1","port":80,"protocol":"tcp","mode":"dsr",{far}}}"#
    ));
    let talk = lb_tests::wait::until("the condition", || {
        let (_, service) = site.daemon.get("/v1/services/20.0.0.1/80/tcp")?;
        let talk = service.to_string();
        Ok((talk.contains("172.16.0.9") && talk.contains("ipip")).then_some(talk))
    });
    talk.unwrap();
}

fn generic_mode_forwards_and_says_that_it_is_slow(path: Datapath) {
    let topology = Topology::routed(1).unwrap();
    let servers = lb_tests::traffic::Server::all(&topology).unwrap();
    let interfaces = ["front", "back1"].map(|name| path.interface(name, ", mode: generic"));
    let interfaces = format!("interfaces:\n{}", interfaces.concat());
    let daemon = Daemon::with(&topology, &interfaces).unwrap();
    let site = Site {
        daemon,
        _servers: servers,
        topology,
    };
    site.web("");
    get(&site.topology.client, WEB).unwrap();
    let (_, interfaces) = site.daemon.get("/v1/interfaces").unwrap();
    let all = interfaces
        .as_array()
        .or_else(|| interfaces["items"].as_array())
        .unwrap();
    let front = all.iter().find(|one| one["name"] == "front").unwrap();
    assert_eq!(front["mode"], "generic", "{front}");
    let (_, status) = site.daemon.get("/v1/status").unwrap();
    assert!(
        status["warnings"].to_string().contains("generic"),
        "{}",
        status["warnings"]
    );
    let (_, metrics) = site.daemon.get("/metrics").unwrap();
    assert!(metrics.to_string().contains("generic"), "no metric says so");
}

fn a_service_that_is_not_forwarded_says_why(path: Datapath) {
    let site = Site::routed(path, 1);
    let reason = |vip: &str| {
        lb_tests::wait::until("a condition", || {
            let (_, service) = site.daemon.get(&format!("/v1/services/{vip}/80/tcp"))?;
            let conditions = service["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let programmed = conditions
                .into_iter()
                .find(|one| one["type"] == "Programmed");
            Ok(programmed.filter(|one| one["status"] == "False"))
        })
        .unwrap()["reason"]
            .clone()
    };
    // Nobody has this address: its neighbour is never resolved.
    site.daemon
        .loxictl("create lb 20.0.0.2 --tcp=80 --endpoints=31.0.1.77:1")
        .unwrap();
    assert_eq!(reason("20.0.0.2"), "NextHopUnresolved");
    for interface in ["front", "back1"] {
        site.daemon.loxictl(&format!("detach {interface}")).unwrap();
    }
    assert_eq!(reason("20.0.0.2"), "NoAttachedInterface");
}

fn who_reads_next_finds_what_they_wrote(path: Datapath) {
    let site = Site::routed(path, 1);
    for port in 1..100 {
        let body =
            format!(r#"{{"services":[{{"vip":"20.0.0.1","port":{port},"protocol":"tcp"}}]}}"#);
        let (status, answer) = site
            .daemon
            .request("PUT", "/v1/documents/api", &body)
            .unwrap();
        assert!((200..300).contains(&status), "{answer}");
        let (_, document) = site.daemon.get("/v1/documents/api").unwrap();
        assert_eq!(document["services"][0]["port"], port, "{document}");
        let path = format!("/v1/services/20.0.0.1/{port}/tcp");
        assert_eq!(site.daemon.get(&path).unwrap().0, 200);
    }
}

on_both_paths! {
    bad_input_leaves_a_service_as_it_is,
    what_cannot_be_meant_is_refused_with_field_and_remedy,
    direct_return_to_where_it_can_t_reach_says_so,
    generic_mode_forwards_and_says_that_it_is_slow,
    a_service_that_is_not_forwarded_says_why,
    who_reads_next_finds_what_they_wrote,
}
