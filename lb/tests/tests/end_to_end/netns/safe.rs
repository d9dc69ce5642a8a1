//! Changes that take themselves back, what is told of them, and what is collected for others.

use std::process::Command;

use lb_tests::datapath::Datapath;
use lb_tests::traffic::{Connection, get};
use lb_tests::wait::until;
use serde_json::Value;

use super::{Site, WEB};

/// Milliseconds of the day, of a moment as the API writes it.
fn ms(moment: &Value) -> i64 {
    let text = moment.as_str().unwrap();
    let time = text.split_once('T').unwrap().1.strip_suffix('Z').unwrap();
    let (time, fraction) = time.split_once('.').unwrap();
    let parts: Vec<i64> = time.split(':').map(|part| part.parse().unwrap()).collect();
    ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + fraction.parse::<i64>().unwrap()
}

/// The document goes, and comes back by itself. When it should have, and when it did.
fn reverts(site: &mut Site, meanwhile: impl FnOnce(&mut Site)) -> (i64, i64) {
    let put = "/v1/documents/api?confirm=3&comment=all%20gone";
    let (status, applied) = site
        .daemon
        .request("PUT", put, r#"{"services":[]}"#)
        .unwrap();
    assert_eq!(status, 200, "{applied}");
    assert_eq!(site.daemon.loxictl("get lb -o name").unwrap(), "");
    meanwhile(site);
    until("the service to be back", || {
        Ok(get(&site.topology.client, WEB).is_ok().then_some(()))
    })
    .unwrap();
    let (_, history) = site.daemon.get("/v1/history").unwrap();
    let newest = &history["items"][0];
    assert_eq!(newest["action"], "revert", "{history}");
    (ms(&applied["confirmUntil"]), ms(&newest["time"]))
}

#[test]
#[ignore = "needs root: run make test"]
fn a_change_that_is_not_confirmed_is_taken_back_on_time_whether_or_not_the_daemon_is_killed() {
    let mut site = Site::routed(Datapath::Xdp, 1);
    site.web("");
    let (due, done) = reverts(&mut site, |_| {});
    assert!((0..=500).contains(&(done - due)), "due {due}, done {done}");
    let (due, done) = reverts(&mut site, |site| {
        site.daemon.kill().unwrap();
        site.daemon.launch().unwrap();
    });
    assert!(
        (-500..=500).contains(&(done - due)),
        "due {due}, done {done}"
    );
}

#[test]
#[ignore = "needs root: run make test"]
fn a_rollback_is_under_way_to_clients_at_once_and_what_is_gone_is_refused() {
    let site = Site::routed(Datapath::Xdp, 2);
    site.web("--select=rr");
    let first = site.daemon.loxictl("history -o name").unwrap();
    site.daemon.loxictl("delete lb 20.0.0.1 --tcp=80").unwrap();
    assert_eq!(site.daemon.loxictl("get lb -o name").unwrap(), "");
    let words = format!("rollback {} --confirm 1h", first.trim());
    site.daemon.loxictl(&words).unwrap();
    Connection::open(&site.topology.client, WEB).unwrap();
    site.daemon.loxictl("confirm").unwrap();
    for (words, code, said) in [
        ("confirm", 4, "no other change waits"),
        ("confirm --cancel", 4, "loxictl history"),
        ("rollback 9999", 3, "generation 9999 is not kept"),
        ("history show 9999", 3, "loxictl history"),
        ("rollback 1 --confirm 2d", 2, "60s"),
    ] {
        let refused = site.daemon.try_loxictl(words).unwrap();
        let talk = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(code), "{words}: {talk}");
        assert!(talk.contains(said), "{words}: {talk}");
    }
    get(&site.topology.client, WEB).unwrap();
}

#[test]
#[ignore = "needs root: run make test"]
fn events_are_heard_as_they_happen_and_after_a_restart() {
    let mut site = Site::routed(Datapath::Xdp, 1);
    let server = format!("unix://{}", site.daemon.socket().display());
    let listener = Command::new(lb_tests::daemon::binary("loxictl"))
        .args(["--server", &server, "-o", "json", "events"])
        .args(["-w", "--kind", "config", "--watch-count", "4"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    site.web("");
    site.daemon.kill().unwrap();
    site.daemon.launch().unwrap();
    site.daemon.loxictl("delete lb 20.0.0.1 --tcp=80").unwrap();
    let output = listener.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let heard: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = heard
        .iter()
        .map(|one| one["name"].as_str().unwrap_or("gap"))
        .collect();
    assert_eq!(
        names,
        [
            "started",
            "document_applied",
            "gap",
            "started",
            "document_applied"
        ],
        "{text}"
    );
}

#[test]
#[ignore = "needs root: run make test"]
fn what_is_collected_for_others_has_no_secret() {
    const SECRET: &str = "a-hash-secret-of-this-test";
    let site = Site::routed(Datapath::Xdp, 1);
    site.web("");
    let directory = tempfile::tempdir().unwrap();
    let configuration = directory.path().join("loxid.yaml");
    std::fs::write(&configuration, format!("hashSecret: {SECRET}\n")).unwrap();
    let archive = directory.path().join("bundle.tar.gz");
    let words = format!(
        "bundle --config {} --file {}",
        configuration.display(),
        archive.display()
    );
    site.daemon.loxictl(&words).unwrap();
    let unpacked = Command::new("tar")
        .args(["-xzOf"])
        .arg(&archive)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&unpacked.stdout);
    assert!(!text.contains(SECRET), "{text}");
    for part in [
        "loxid_rx_packets_total",
        "20.0.0.1:80/tcp",
        "ABOUT",
        "hashSecret",
    ] {
        assert!(text.contains(part), "{part}");
    }
}
