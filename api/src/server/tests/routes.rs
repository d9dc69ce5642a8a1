//! What each route answers when all is well.

use super::*;
use crate::control::ControlError;

#[tokio::test]
async fn a_document_is_put_read_listed_and_deleted() {
    let (router, _fake) = server();
    let put = ask(&router, "PUT /v1/documents/kube/prod", &web_document()).await;
    assert_eq!((put.status, put.header("etag")), (200, "\"1\""), "{put:?}");
    assert_eq!(put.json()["changes"][0]["kind"], "add");

    for path in ["/v1/documents/kube/prod", "/v1/documents/kube%2Fprod"] {
        let read = ask(&router, &format!("GET {path}"), "").await;
        assert_eq!((read.status, read.header("etag")), (200, "\"1\""));
        let service = &read.json()["services"][0];
        assert_eq!(service["mode"], "dnat");
        assert_eq!(service["select"], "maglev");
        assert_eq!(service["noBackend"], "reject");
        assert_eq!(service["backends"][0]["weight"], 1);
        assert_eq!(service["backends"][1]["weight"], 3);
    }
    let list = ask(&router, "GET /v1/documents", "").await.json();
    assert_eq!(list["items"][0]["source"], "kube/prod");
    assert_eq!(list["items"][0]["services"], 1);

    let delete = ask(&router, "DELETE /v1/documents/kube/prod", "").await;
    assert_eq!(delete.status, 200);
    assert_eq!(delete.json()["changes"][0]["kind"], "remove");
    assert_eq!(
        ask(&router, "GET /v1/documents/kube/prod", "").await.status,
        404
    );
}

#[tokio::test]
async fn a_document_may_be_yaml() {
    let (router, _fake) = server();
    let yaml = "services:\n- vip: 20.20.20.1\n  port: 53\n  protocol: udp\n  select: hash\n";
    let mut put = request("PUT /v1/documents/api", yaml);
    put.headers_mut().insert(
        "content-type",
        "application/yaml; charset=utf-8".parse().unwrap(),
    );
    let put = send(&router, put).await;
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(put.json()["changes"][0]["new"]["select"], "maglev");
}

#[tokio::test]
async fn a_dry_run_and_a_diff_say_what_would_change_and_change_nothing() {
    let (router, fake) = server();
    ask(&router, "PUT /v1/documents/api", &web_document()).await;
    let before = fake.documents();
    let other = web_document().replace("8080", "8081");
    for line in ["PUT /v1/documents/api?dryRun=true", "POST /v1/diff/api"] {
        let answer = ask(&router, line, &other).await;
        assert_eq!(
            (answer.status, answer.header("etag")),
            (200, "\"1\""),
            "{line}: {answer:?}"
        );
        let answer = answer.json();
        assert_eq!(answer["dryRun"], true);
        assert_eq!(answer["changes"][0]["kind"], "change");
        assert_eq!(answer["changes"][0]["old"]["backends"][0]["port"], 8080);
        assert_eq!(answer["changes"][0]["new"]["backends"][0]["port"], 8081);
        assert_eq!(answer["changes"].as_array().unwrap().len(), 1);
    }
    let same = ask(&router, "POST /v1/diff/api", &web_document())
        .await
        .json();
    assert_eq!(same["changes"].as_array().unwrap().len(), 0);
    assert_eq!(fake.documents(), before);
}

#[tokio::test]
async fn fifty_writers_with_if_match_lose_no_update() {
    let (router, fake) = server();
    ask(&router, "PUT /v1/documents/api", r#"{"services":[]}"#).await;
    let writer = |number: u32| {
        let router = router.clone();
        async move {
            loop {
                let read = ask(&router, "GET /v1/documents/api", "").await;
                let mut document = read.json();
                let service = serde_json::json!({"vip": format!("20.20.20.{number}"), "port": 80, "protocol": "tcp"});
                document["services"].as_array_mut().unwrap().push(service);
                let mut put = request("PUT /v1/documents/api", &document.to_string());
                put.headers_mut()
                    .insert("if-match", read.header("etag").parse().unwrap());
                match send(&router, put).await.status {
                    200 => return,
                    412 => tokio::task::yield_now().await,
                    other => panic!("{other}"),
                }
            }
        }
    };
    let writers: Vec<_> = (1..=50)
        .map(|number| tokio::spawn(writer(number)))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(fake.documents().values().next().unwrap().document.len(), 50);
}

#[tokio::test]
async fn preconditions_are_those_of_rfc_9110() {
    // Header, value, there is a document, status.
    let table = [
        ("if-match", "\"1\"", true, 200),
        ("if-match", "\"7\", \"1\"", true, 200),
        ("if-match", "*", true, 200),
        ("if-match", "\"2\"", true, 412),
        ("if-match", "W/\"1\"", true, 412),
        ("if-match", "\"abc\"", true, 412),
        ("if-match", "\"1\"", false, 412),
        ("if-match", "*", false, 412),
        ("if-match", "1", true, 400),
        ("if-match", "", true, 400),
        ("if-none-match", "*", false, 200),
        ("if-none-match", "*", true, 412),
        ("if-none-match", "\"1\"", true, 400),
    ];
    for (name, value, there, status) in table {
        let (router, _fake) = server();
        if there {
            ask(&router, "PUT /v1/documents/api", &web_document()).await;
        }
        let mut put = request("PUT /v1/documents/api", &web_document());
        put.headers_mut().insert(name, value.parse().unwrap());
        let answer = send(&router, put).await;
        assert_eq!(
            answer.status, status,
            "{name}: {value}, {there}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_service_is_created_read_replaced_and_deleted() {
    let (router, _fake) = server();
    let created = ask(&router, "POST /v1/services", WEB).await;
    assert_eq!(created.status, 201, "{created:?}");
    let path = created.header("location").to_owned();
    assert_eq!(path, "/v1/services/20.20.20.1/2020/tcp");
    assert_eq!(created.json()["source"], "api");

    let read = ask(&router, &format!("GET {path}"), "").await.json();
    assert_eq!(read["key"], "20.20.20.1:2020/tcp");
    assert_eq!(read["source"], "api");
    assert_eq!(read["spec"]["backends"][1]["weight"], 3);

    let again = ask(&router, "POST /v1/services", WEB).await;
    assert_eq!(again.status, 409, "{again:?}");
    let put = ask(&router, &format!("PUT {path}"), &WEB.replace("8080", "80")).await;
    assert_eq!(
        (put.status, &put.json()["changes"][0]["kind"]),
        (200, &"change".into())
    );

    let list = ask(&router, "GET /v1/services", "").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        ask(&router, &format!("DELETE {path}"), "").await.status,
        200
    );
    assert_eq!(
        ask(&router, &format!("DELETE {path}"), "").await.status,
        404
    );
    assert_eq!(ask(&router, &format!("GET {path}"), "").await.status, 404);
}

#[tokio::test]
async fn a_trial_of_a_creation_creates_nothing() {
    let (router, fake) = server();
    let trial = ask(&router, "POST /v1/services?dryRun=true", WEB).await;
    assert_eq!((trial.status, trial.header("location")), (200, ""));
    assert!(fake.documents().is_empty());
}

#[tokio::test]
async fn backends_are_added_weighed_and_removed() {
    let (router, _fake) = server();
    ask(&router, "POST /v1/services", WEB).await;
    let service = "/v1/services/20.20.20.1/2020/tcp";
    let backend = format!("{service}/backends/33.33.33.1/9000");
    for weight in [5, 0, 1000] {
        let put = ask(
            &router,
            &format!("PUT {backend}"),
            &format!(r#"{{"weight":{weight}}}"#),
        )
        .await;
        assert_eq!(put.status, 200, "{put:?}");
        let list = ask(&router, &format!("GET {service}/backends"), "")
            .await
            .json();
        assert_eq!(list["items"][2]["backend"]["weight"], weight);
        assert_eq!(list["items"][2]["service"], "20.20.20.1:2020/tcp");
    }
    assert_eq!(
        ask(&router, &format!("DELETE {backend}"), "").await.status,
        200
    );
    assert_eq!(
        ask(&router, &format!("DELETE {backend}"), "").await.status,
        404
    );
    let all = ask(&router, "GET /v1/backends", "").await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn services_of_every_kind_have_a_path() {
    let (router, _fake) = server();
    let table = [
        (
            r#"{"vip":"20.20.20.1","port":80,"portMax":90,"protocol":"tcp"}"#,
            "20.20.20.1/80-90/tcp",
            "20.20.20.1:80-90/tcp",
        ),
        (
            r#"{"vip":"20.20.20.1","port":0,"protocol":"udp"}"#,
            "20.20.20.1/*/udp",
            "20.20.20.1:*/udp",
        ),
        (
            r#"{"vip":"2001:db8::1","port":80,"protocol":"tcp"}"#,
            "2001:db8::1/80/tcp",
            "[2001:db8::1]:80/tcp",
        ),
        (
            r#"{"vip":"2001:db8::1","protocol":"icmp"}"#,
            "2001:db8::1/*/icmp",
            "2001:db8::1/icmp",
        ),
    ];
    for (body, path, key) in table {
        let created = ask(&router, "POST /v1/services", body).await;
        assert_eq!(created.status, 201, "{created:?}");
        let location = created.header("location").to_owned();
        assert_eq!(location, format!("/v1/services/{path}"));
        let bracketed = location.replace("2001:db8::1", "[2001:db8::1]");
        let encoded = location.replace('*', "%2A").replace(':', "%3A");
        for path in [&location, &bracketed, &encoded] {
            let read = ask(&router, &format!("GET {path}"), "").await;
            assert_eq!(read.status, 200, "{path}: {read:?}");
            assert_eq!(read.json()["key"], key);
        }
        let query = format!("GET /v1/connections?service={}", key.replace('*', "%2A"));
        assert_eq!(ask(&router, &query, "").await.status, 200, "{query}");
    }
}

#[tokio::test]
async fn a_backend_without_a_port_has_a_star_for_it() {
    let (router, _fake) = server();
    let body = r#"{"vip":"20.20.20.1","port":80,"portMax":90,"protocol":"tcp"}"#;
    ask(&router, "POST /v1/services", body).await;
    let service = "/v1/services/20.20.20.1/80-90/tcp";
    let backend = format!("{service}/backends/31.31.31.1/*");
    let share = r#"{"weight":2,"maxConnections":100}"#;
    let put = ask(&router, &format!("PUT {backend}"), share).await;
    assert_eq!(put.status, 200, "{put:?}");
    let list = ask(&router, &format!("GET {service}/backends"), "").await;
    let shown = &list.json()["items"][0]["backend"];
    assert_eq!(shown["address"], "31.31.31.1");
    assert_eq!(shown.get("port"), None);
    assert_eq!(shown["maxConnections"], 100);
    let gone = ask(&router, &format!("DELETE {backend}"), "").await;
    assert_eq!(gone.status, 200, "{gone:?}");
}

#[tokio::test]
async fn what_another_document_has_is_not_edited_and_the_answer_names_it() {
    let remedies = [
        ("kube/prod", "change it in the cluster"),
        ("blue", "PUT /v1/documents/blue"),
    ];
    for (source, remedy) in remedies {
        let (router, fake) = server();
        ask(
            &router,
            &format!("PUT /v1/documents/{source}"),
            &web_document(),
        )
        .await;
        let before = fake.documents();
        let service = "/v1/services/20.20.20.1/2020/tcp";
        let edits = [
            ("POST /v1/services".to_owned(), WEB),
            (format!("PUT {service}"), WEB),
            (format!("DELETE {service}"), ""),
            (
                format!("PUT {service}/backends/31.31.31.1/8080"),
                r#"{"weight":0}"#,
            ),
            (format!("DELETE {service}/backends/31.31.31.1/8080"), ""),
        ];
        for (line, body) in edits {
            let answer = ask(&router, &line, body).await;
            assert_eq!(answer.status, 409, "{line}: {answer:?}");
            let error = &answer.json()["error"];
            assert!(
                error["message"]
                    .as_str()
                    .unwrap()
                    .contains(&format!("`{source}`")),
                "{error}"
            );
            assert!(
                error["remedy"].as_str().unwrap().contains(remedy),
                "{error}"
            );
        }
        assert_eq!(fake.documents(), before);
    }
}

#[tokio::test]
async fn the_document_of_the_configuration_file_is_not_put_or_deleted() {
    let (router, fake) = server();
    for (line, body) in [
        ("PUT /v1/documents/file", web_document()),
        ("DELETE /v1/documents/file", String::new()),
    ] {
        let answer = ask(&router, line, &body).await;
        assert_eq!(answer.status, 409, "{answer:?}");
        assert!(
            answer.text.contains("edit the configuration file"),
            "{answer:?}"
        );
    }
    assert!(fake.documents().is_empty());
}

#[tokio::test]
async fn interfaces_are_listed_attached_and_detached() {
    let (router, _fake) = server();
    let attached = ask(&router, "POST /v1/interfaces", r#"{"name":"eth0"}"#).await;
    assert_eq!(
        (attached.status, &attached.json()["mode"]),
        (200, &"native".into())
    );
    let list = ask(&router, "GET /v1/interfaces", "").await.json();
    assert_eq!(list["items"][0]["attached"], true);
    assert_eq!(list["items"][1]["attached"], false);
    let detached = ask(&router, "DELETE /v1/interfaces/eth0", "").await;
    assert_eq!((detached.status, detached.text.as_str()), (204, ""));
    assert_eq!(
        ask(&router, "DELETE /v1/interfaces/eth0", "").await.status,
        404
    );
    assert_eq!(
        ask(&router, "POST /v1/interfaces", r#"{"name":"wan7"}"#)
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn connections_come_page_by_page_each_once() {
    let (router, _fake) = server();
    let mut cursor = String::new();
    let mut seen = Vec::new();
    for _ in 0..10 {
        let page = ask(
            &router,
            &format!("GET /v1/connections?limit=1000{cursor}"),
            "",
        )
        .await
        .json();
        let items = page["items"].as_array().unwrap().iter();
        seen.extend(items.map(|item| item["client"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (0..2500)
        .map(|number| format!("10.0.0.1:{number}"))
        .collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn connections_are_filtered_by_everything_at_once() {
    let (router, _fake) = server();
    ask(&router, "POST /v1/services", WEB).await;
    for service in ["web", "20.20.20.1:2020/tcp", "20.20.20.1:2020%2Ftcp"] {
        let line = format!(
            "GET /v1/connections?service={service}&client=10.0.0.1&backend=31.31.31.1%3A8080&protocol=tcp&state=established&limit=1"
        );
        let page = ask(&router, &line, "").await;
        assert_eq!(page.status, 200, "{page:?}");
        assert_eq!(page.json()["items"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn status_health_and_metrics_answer() {
    let (router, fake) = server();
    ask(&router, "PUT /v1/documents/api", &web_document()).await;
    assert_eq!(
        ask(&router, "GET /v1/status", "").await.json()["generation"],
        1
    );
    assert_eq!(ask(&router, "GET /healthz", "").await.status, 200);
    assert_eq!(ask(&router, "GET /readyz", "").await.status, 200);
    let metrics = ask(&router, "GET /metrics", "").await;
    assert_eq!(metrics.text, "loxid_ready 1\n");
    assert_eq!(
        metrics.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );

    fake.set_ready(false);
    ask(&router, "PUT /v1/documents/api", &web_document()).await;
    let not_ready = ask(&router, "GET /readyz", "").await;
    assert_eq!(
        (not_ready.status, not_ready.header("retry-after")),
        (503, "1")
    );
    assert_eq!(not_ready.json()["error"]["message"], "no tables");
}

#[tokio::test]
async fn every_refusal_of_the_daemon_has_its_status() {
    let text = String::from;
    let table = [
        (ControlError::NotFound { what: text("x") }, 404, "not_found"),
        (
            ControlError::Conflict {
                message: text("x"),
                remedy: text("y"),
            },
            409,
            "conflict",
        ),
        (
            ControlError::Precondition { current: None },
            412,
            "precondition_failed",
        ),
        (
            ControlError::TooLarge {
                message: text("x"),
                remedy: text("y"),
            },
            413,
            "too_large",
        ),
        (
            ControlError::Storage {
                message: text("x"),
                remedy: text("y"),
            },
            507,
            "storage",
        ),
        (
            ControlError::Unavailable { message: text("x") },
            503,
            "unavailable",
        ),
    ];
    let (router, fake) = server();
    for (error, status, code) in table {
        fake.refuse_with(Some(error));
        for line in ["PUT /v1/documents/api", "POST /v1/services"] {
            let body = if line.starts_with("PUT") {
                web_document()
            } else {
                WEB.into()
            };
            let answer = ask(&router, line, &body).await;
            assert_eq!(answer.status, status, "{line}: {answer:?}");
            assert_eq!(answer.json()["error"]["code"], code);
        }
        assert!(fake.documents().is_empty());
    }
}

#[tokio::test]
async fn a_daemon_that_is_gone_is_unavailable() {
    let (handle, seat) = crate::control::channel();
    let router = router(handle, Arc::new(Requests::default()));
    drop(seat);
    for (line, body) in [
        ("POST /v1/services", WEB),
        ("GET /healthz", ""),
        ("GET /readyz", ""),
        ("GET /metrics", ""),
    ] {
        assert_eq!(ask(&router, line, body).await.status, 503, "{line}");
    }
}

#[tokio::test]
async fn answers_are_counted_by_route() {
    let (handle, _fake) = Fake::start();
    let requests = Arc::new(Requests::default());
    let router = router(handle, requests.clone());
    ask(&router, "GET /v1/services/20.20.20.1/1/tcp", "").await;
    ask(&router, "GET /v1/services/20.20.20.1/2/tcp", "").await;
    ask(&router, "GET /nowhere", "").await;
    let counts: Vec<_> = requests
        .snapshot()
        .into_iter()
        .map(|c| (c.route, c.status, c.answers))
        .collect();
    let route = "/v1/services/{vip}/{port}/{protocol}".to_owned();
    assert_eq!(counts, [(route, 404, 2), ("unknown".to_owned(), 404, 1)]);
}
