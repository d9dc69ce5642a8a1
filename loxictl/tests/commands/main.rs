//! Every command, as built, against an appliance without data plane: what it prints where, and
//! how it exits.

#![allow(clippy::unwrap_used)]

mod appliance;
mod netns;
mod wide;

use appliance::{Appliance, CONNECTIONS, run};
use lb_api::server::Role;

const CREATE: &str = "create lb 20.20.20.1 --tcp=2020:8080 --endpoints=31.31.31.1:1,32.32.32.1:1";

#[test]
fn what_create_made_is_listed_exported_and_applied_unchanged() {
    let appliance = Appliance::start(Role::Admin);
    let created = appliance.loxictl(&format!("{CREATE} -o yaml"));
    assert_eq!(created.code, 0, "{}", created.stderr);
    assert_eq!(
        created.stderr,
        "20.20.20.1:2020/tcp added\ndocument api: generation 1\n"
    );

    let listed = appliance.loxictl("get lb");
    assert_eq!(
        listed.stdout,
        "SERVICE               NAME   MODE   SELECT   BACKENDS   ACTIVE   CONNECTIONS   PROGRAMMED\n\
         20.20.20.1:2020/tcp   -      dnat   rr       1/2        2        12            True\n"
    );
    assert_eq!(listed.stderr, "");

    let exported = appliance.loxictl("export");
    assert_eq!(exported.stdout, created.stdout);
    let diff = appliance.loxictl_with("diff -f -", &exported.stdout);
    assert_eq!(
        (diff.code, diff.stdout.as_str()),
        (0, ""),
        "{}",
        diff.stderr
    );
    let applied = appliance.loxictl_with("apply -f - -o name", &exported.stdout);
    assert_eq!((applied.code, applied.stdout.as_str()), (0, ""));
    assert_eq!(applied.stderr, "document api: nothing to change\n");
    let json = appliance.loxictl("export -o json");
    assert_eq!(appliance.loxictl_with("diff -f -", &json.stdout).code, 0);
}

#[test]
fn what_is_there_already_is_a_conflict_and_what_is_not_there_is_not_found() {
    let appliance = Appliance::start(Role::Admin);
    assert_eq!(appliance.loxictl("delete lb 20.20.20.1 --tcp=2020").code, 3);
    assert_eq!(appliance.loxictl("export").code, 3);
    assert_eq!(appliance.loxictl(CREATE).code, 0);
    let again = appliance.loxictl(&CREATE.replace("--tcp=2020:8080", "--tcp=1:1,2020:8080"));
    assert_eq!((again.code, again.stdout.as_str()), (4, ""));
    assert!(
        again
            .stderr
            .starts_with("error: service 20.20.20.1:2020/tcp is in the document `api` already"),
        "{}",
        again.stderr
    );
    assert_eq!(
        appliance.loxictl("get lb -o name").stdout,
        "20.20.20.1:2020/tcp\n",
        "nothing was added"
    );
    let other = appliance.loxictl(&format!("{CREATE} --source web"));
    assert_eq!(other.code, 4, "{}", other.stderr);
    for missing in [
        "get lb web",
        "get interfaces eth7",
        "get ep --service web",
        "detach eth7",
        "attach eth7",
        "detach eth0",
    ] {
        assert_eq!(appliance.loxictl(missing).code, 3, "{missing}");
    }
    let elsewhere = appliance.loxictl("delete lb 20.20.20.1 --tcp=2020 --source web");
    assert!(
        elsewhere.stderr.contains("--source api"),
        "{}",
        elsewhere.stderr
    );
}

#[test]
fn diff_shows_what_apply_would_change_and_apply_changes_it() {
    let appliance = Appliance::start(Role::Admin);
    appliance.loxictl(CREATE);
    let wanted = appliance
        .loxictl("export")
        .stdout
        .replace("mode: dnat", "mode: fullnat")
        .replace("weight: 1", "weight: 3");
    let diff = appliance.loxictl_with("diff -f -", &wanted);
    assert_eq!(diff.code, 8);
    assert_eq!(diff.stderr, "");
    assert_eq!(
        diff.stdout,
        "--- document api (generation 1)\n+++ files\n@@ 20.20.20.1:2020/tcp @@\n vip: 20.20.20.1\n port: 2020\n \
         protocol: tcp\n-mode: dnat\n+mode: fullnat\n select: rr\n noBackend: reject\n backends:\n   - address: \
         31.31.31.1\n     port: 8080\n-    weight: 1\n+    weight: 3\n   - address: 32.32.32.1\n     port: \
         8080\n-    weight: 1\n+    weight: 3\n"
    );
    let trial = appliance.loxictl_with("apply -f - --dry-run", &wanted);
    assert_eq!(trial.code, 0);
    assert!(
        trial
            .stderr
            .contains("20.20.20.1:2020/tcp changed (dry run)"),
        "{}",
        trial.stderr
    );
    assert_eq!(
        appliance.loxictl_with("diff -f -", &wanted).code,
        8,
        "a trial changes nothing"
    );
    assert_eq!(
        appliance
            .loxictl_with("apply -f - --if-match 7", &wanted)
            .code,
        4
    );
    assert_eq!(
        appliance
            .loxictl_with("apply -f - --if-match 0", &wanted)
            .code,
        4
    );
    assert_eq!(
        appliance
            .loxictl_with("apply -f - --if-match 1", &wanted)
            .code,
        0
    );
    assert_eq!(appliance.loxictl_with("diff -f -", &wanted).code, 0);
}

#[test]
fn delete_by_file_deletes_all_that_it_names_or_nothing() {
    let appliance = Appliance::start(Role::Admin);
    appliance.loxictl("create lb 20.20.20.1 --tcp=80,443,8443 --name=web");
    let named = "services: [{ vip: 20.20.20.1, port: 80, protocol: tcp }, { vip: 20.20.20.1, port: 81, protocol: tcp }]";
    let missing = appliance.loxictl_with("delete -f -", named);
    assert_eq!(missing.code, 3);
    assert!(
        missing.stderr.contains("20.20.20.1:81/tcp"),
        "{}",
        missing.stderr
    );
    assert_eq!(
        appliance.loxictl("get lb -o name").stdout.lines().count(),
        3
    );
    assert_eq!(
        appliance
            .loxictl_with("delete -f - --ignore-not-found", named)
            .code,
        0
    );
    assert_eq!(appliance.loxictl("delete lb --name=web-tcp-443").code, 0);
    assert_eq!(
        appliance.loxictl("get lb -o name").stdout,
        "20.20.20.1:8443/tcp\n"
    );
    assert_eq!(appliance.loxictl("delete lb 20.20.20.1 --tcp=8443").code, 0);
    let empty = appliance.loxictl("get lb");
    assert_eq!((empty.code, empty.stdout.as_str()), (0, ""));
    assert!(empty.stderr.starts_with("no services"));
}

#[test]
fn wrong_words_and_wrong_documents_exit_with_2_and_change_nothing() {
    let appliance = Appliance::start(Role::Admin);
    for words in [
        "",
        "frobnicate",
        "get",
        "get nothing",
        "-o xml status",
        "create lb 20.20.20.1 --tcp=0:80",
        "create lb 20.20.20.1 --tcp=80,80",
        "delete",
        "delete lb 20.20.20.1",
        "delete lb 20.20.20.1 --tcp=80 --name=web",
        "apply",
        "apply -f /nowhere/lb.yaml",
        "detach",
        "detach eth0 --all",
        "attach eth0 --mode fast",
        "test 20.20.20.1",
        "get lb --watch-count 1",
        "get ct --client nobody",
    ] {
        let run = appliance.loxictl(words);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (2, ""),
            "`{words}`: {}",
            run.stderr
        );
        assert!(!run.stderr.is_empty());
    }
    let document = appliance.loxictl_with(
        "apply -f -",
        "services: [{ vip: 20.20.20.1, port: 80, protocol: tcp, mode: snat }]",
    );
    assert_eq!(document.code, 2);
    assert!(
        document.stderr.contains("standard input: line 1")
            && document.stderr.contains("services[0].mode"),
        "{}",
        document.stderr
    );
    assert_eq!(appliance.loxictl("get documents -o json").stdout, "[]\n");
}

#[test]
fn connections_of_all_pages_are_listed_and_a_limit_is_kept() {
    let appliance = Appliance::start(Role::Admin);
    let all = appliance.loxictl("get ct -o name");
    assert_eq!(all.stdout.lines().count() as u64, CONNECTIONS);
    assert!(
        all.stdout
            .starts_with("10.0.0.0:40000->20.20.20.1:2020/tcp\n")
    );
    let table = appliance.loxictl("get ct");
    assert_eq!(table.stdout.lines().count() as u64, CONNECTIONS + 1);
    assert_eq!(table.stdout.matches("PROTOCOL").count(), 1);
    for (limit, lines) in [
        (0, 0),
        (1, 1),
        (1000, 1000),
        (1500, 1500),
        (9999, CONNECTIONS),
    ] {
        let some = appliance.loxictl(&format!("get ct -o name --limit {limit}"));
        assert_eq!(some.stdout.lines().count() as u64, lines);
    }
    let json = appliance.loxictl("get ct -o json");
    let parsed: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(parsed.as_array().unwrap().len() as u64, CONNECTIONS);
}

#[test]
fn backends_are_listed_with_why_they_take_nothing() {
    let appliance = Appliance::start(Role::Admin);
    appliance.loxictl(CREATE);
    assert_eq!(
        appliance.loxictl("get ep").stdout,
        "SERVICE               BACKEND           WEIGHT   STATE        HEALTH   ACTIVE   CONNECTIONS   MESSAGE\n\
         20.20.20.1:2020/tcp   31.31.31.1:8080   1        active       -        1        6             -\n\
         20.20.20.1:2020/tcp   32.32.32.1:8080   1        unresolved   -        1        6             no answer to ARP\n"
    );
}

#[test]
fn interfaces_are_attached_and_detached() {
    let appliance = Appliance::start(Role::Admin);
    let nothing = appliance.loxictl("status");
    assert!(
        nothing.stdout.contains("Nothing is attached"),
        "{}",
        nothing.stdout
    );
    let attached = appliance.loxictl("attach eth0");
    assert_eq!((attached.code, attached.stdout.as_str()), (0, ""));
    assert_eq!(attached.stderr, "eth0 attached (native)\n");
    assert_eq!(
        appliance.loxictl("get interfaces").stdout,
        "INTERFACE   ATTACHED   PATH   MODE     DRIVER       QUEUES   MTU    MESSAGE\n\
         bond0       no         -      -        virtio_net   2        1500   a bond: attach the interfaces below it\n\
         eth0        yes        xdp    native   virtio_net   2        1500   -\n"
    );
    let bond = appliance.loxictl("attach bond0");
    assert_eq!(bond.code, 4);
    assert!(
        bond.stderr.contains("attach the interfaces below it"),
        "{}",
        bond.stderr
    );
    assert_eq!(appliance.loxictl("detach --all").code, 0);
    assert_eq!(
        appliance.loxictl("detach --all").stderr,
        "nothing is attached\n"
    );
}

#[test]
fn status_is_a_page_for_people_and_the_wire_for_programs() {
    let appliance = Appliance::start(Role::Admin);
    appliance.loxictl(CREATE);
    appliance.loxictl("attach eth0");
    assert_eq!(
        appliance.loxictl("status").stdout,
        "loxid 0.1.0, instance loxid, kernel 6.12.0, up 1h 2m, generation 1\n\n\
         INTERFACE   ATTACHED   PATH   MODE     DRIVER       QUEUES   MTU    MESSAGE\n\
         eth0        yes        xdp    native   virtio_net   2        1500   -\n\n\
         Services: 1, all programmed\n\n\
         Frames on attached interfaces: 10 received = 7 sent + 1 passed + 2 dropped\n\n\
         REASON       CLASS   PACKETS   MEANING\n\
         no_backend   drop    2         no backend can take it\n\n\
         TABLE         USED   CAPACITY   FULL\n\
         connections   90     100        90%\n\n\
         Notes:\n  packets that this box sends to a VIP are not balanced\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&appliance.loxictl("status -o json").stdout).unwrap();
    assert_eq!(json["dataPlane"]["rx"], 10);
}

#[test]
fn watch_asks_again_and_stops_after_the_count() {
    let appliance = Appliance::start(Role::Admin);
    appliance.loxictl(CREATE);
    let watched = appliance.loxictl("get lb -o name --watch --watch-count 2");
    assert_eq!(
        (watched.code, watched.stdout.as_str()),
        (0, "20.20.20.1:2020/tcp\n20.20.20.1:2020/tcp\n")
    );
}

#[test]
fn a_viewer_may_look_and_diff_and_is_told_how_to_change() {
    let appliance = Appliance::start(Role::Viewer);
    assert_eq!(appliance.loxictl("get lb").code, 0);
    let document = "services: [{ vip: 20.20.20.1, port: 80, protocol: tcp }]";
    assert_eq!(appliance.loxictl_with("diff -f -", document).code, 8);
    assert_eq!(
        appliance
            .loxictl_with("apply -f - --dry-run", document)
            .code,
        0
    );
    let refused = appliance.loxictl_with("apply -f -", document);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("admin"), "{}", refused.stderr);
}

#[test]
fn nobody_there_is_exit_code_6_and_says_where_it_looked() {
    let unix = run("--server unix:///nowhere/loxid.sock status", "");
    assert_eq!(unix.code, 6);
    assert!(
        unix.stderr.contains("/nowhere/loxid.sock") && unix.stderr.contains("hint: "),
        "{}",
        unix.stderr
    );
    let tcp = run("--server http://127.0.0.1:1 get lb", "");
    assert_eq!(tcp.code, 6);
    assert!(tcp.stderr.contains("http://127.0.0.1:1"), "{}", tcp.stderr);
}

#[test]
fn a_trial_of_create_needs_no_appliance() {
    let trial = run(&format!("--server unix:///nowhere {CREATE} --dry-run"), "");
    assert_eq!(trial.code, 0, "{}", trial.stderr);
    assert!(trial.stdout.starts_with("services:\n"));
    let json = run(
        &format!("--server unix:///nowhere {CREATE} --dry-run -o json"),
        "",
    );
    assert!(serde_json::from_str::<serde_json::Value>(&json.stdout).is_ok());
}

#[test]
fn completions_and_manual_pages_are_made() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&format!("completion {shell}"), "");
        assert_eq!(script.code, 0);
        assert!(script.stdout.contains("loxictl"), "{shell}");
    }
    assert_eq!(run("completion csh", "").code, 2);
    let directory = tempfile::tempdir().unwrap();
    let man = run(&format!("man {}", directory.path().display()), "");
    assert_eq!(man.code, 0, "{}", man.stderr);
    for page in [
        "loxictl.1",
        "loxictl-apply.1",
        "loxictl-create-lb.1",
        "loxictl-detach.1",
    ] {
        assert!(directory.path().join(page).exists(), "{page}");
    }
}

#[test]
fn help_is_on_stdout_and_is_no_error() {
    let help = run("detach --help", "");
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    assert!(help.stdout.contains("THIS IS WHAT STOPS FORWARDING"));
}
