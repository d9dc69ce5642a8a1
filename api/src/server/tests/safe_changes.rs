//! History, confirmation and events: what is refused and how, and what listeners hear.

use http_body_util::BodyExt;

use super::*;
use crate::wire::{Event, EventKind, Severity, Timestamp};

fn emit(fake: &Fake, kind: EventKind, message: &str) {
    fake.handle.events().append(|id| Event {
        id,
        time: Timestamp(0),
        kind,
        name: "document_applied".into(),
        severity: Severity::Info,
        message: message.into(),
        message_id: "bec4ef9cb29f4c788be20fb17fd46c96".into(),
        fields: Default::default(),
    });
}

#[tokio::test]
async fn what_cannot_be_confirmed_or_rolled_back_to_names_field_rule_and_remedy() {
    let (router, fake) = server();
    ask(&router, "PUT /v1/documents/api", &web_document()).await;
    let before = fake.documents();
    for (line, status, field) in [
        ("POST /v1/confirmation", 409, "confirmation"),
        ("DELETE /v1/confirmation", 409, "confirmation"),
        ("POST /v1/history/3/rollback", 404, "generation"),
        ("GET /v1/history/3", 404, "generation"),
        ("POST /v1/history/0/rollback", 422, "generation"),
        ("POST /v1/history/x/rollback", 422, "generation"),
        ("GET /v1/history/007", 422, "generation"),
        ("POST /v1/history/3/rollback?confirm=0", 422, "confirm"),
        ("POST /v1/history/3/rollback?confirm=86401", 422, "confirm"),
        ("POST /v1/history/3/rollback?comment=", 422, "comment"),
        (
            "POST /v1/history/3/rollback?comment=two%0Alines",
            422,
            "comment",
        ),
    ] {
        let answer = ask(&router, line, "").await;
        assert_eq!(answer.status, status, "{line}: {answer:?}");
        let error = &answer.json()["error"];
        assert_eq!(error["field"], field, "{line}");
        let is_said = |key: &str| error[key].as_str().is_some_and(|text| !text.is_empty());
        assert!(is_said("message") && is_said("rule"), "{line}: {error}");
        if field != "confirm" {
            assert!(is_said("remedy"), "{line}: {error}");
        }
    }
    for query in ["confirm=soon", "confirm=1&confirm=2", "comment=%FF"] {
        let line = format!("PUT /v1/documents/api?{query}");
        let answer = ask(&router, &line, &web_document()).await;
        assert!((400..500).contains(&answer.status), "{query}: {answer:?}");
    }
    assert_eq!(fake.documents(), before);
    assert_eq!(ask(&router, "GET /v1/confirmation", "").await.status, 404);
}

#[tokio::test]
async fn events_that_are_kept_are_a_list_for_who_accepts_json() {
    let (router, fake) = server();
    emit(&fake, EventKind::Config, "one");
    emit(&fake, EventKind::Health, "two");
    let list = |line: &'static str| {
        let router = router.clone();
        async move {
            let mut request = request(line, "");
            let headers = request.headers_mut();
            headers.insert("accept", "application/json".parse().unwrap());
            send(&router, request).await
        }
    };
    let all = list("GET /v1/events").await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let health = list("GET /v1/events?kind=health,limits").await.json();
    assert_eq!(health["items"][0]["message"], "two");
    let first = all["items"][0]["id"].as_str().unwrap();
    let since = format!("GET /v1/events?since={first}");
    let mut later = request(&since, "");
    later
        .headers_mut()
        .insert("accept", "application/json".parse().unwrap());
    let later = send(&router, later).await.json();
    assert_eq!(later["items"].as_array().unwrap().len(), 1);
    for (line, field) in [
        ("GET /v1/events?kind=weather", "kind"),
        ("GET /v1/events?since=yesterday", "since"),
    ] {
        let refused = list(line).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["field"]),
            (400, &field.into())
        );
    }
}

/// The next piece of a stream as text.
async fn piece(body: &mut Body) -> String {
    let frame = body.frame().await.unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn a_listener_hears_what_is_kept_then_what_happens_and_resumes_where_it_was() {
    let (router, fake) = server();
    emit(&fake, EventKind::Config, "one");
    let listen = |last: Option<String>| {
        let mut request = request("GET /v1/events?kind=config", "");
        if let Some(last) = last {
            request
                .headers_mut()
                .insert("last-event-id", last.parse().unwrap());
        }
        let router = router.clone();
        async move { router.oneshot(request).await.unwrap() }
    };
    let answer = listen(None).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    let first = piece(&mut body).await;
    assert!(
        first.contains("event: config") && first.contains("\"one\""),
        "{first}"
    );
    emit(&fake, EventKind::Health, "not for this listener");
    emit(&fake, EventKind::Config, "two");
    assert!(piece(&mut body).await.contains("\"two\""));

    let id = first
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap();
    let mut resumed = listen(Some(id.to_owned())).await.into_body();
    assert!(piece(&mut resumed).await.contains("\"two\""));
    let mut stranger = listen(Some("1-900".into())).await.into_body();
    let gap = piece(&mut stranger).await;
    assert!(
        gap.contains("event: gap") && gap.contains("started since"),
        "{gap}"
    );
    assert!(piece(&mut stranger).await.contains("\"one\""));
}

#[tokio::test]
async fn listeners_are_no_more_than_there_is_room_for_and_make_room_when_they_go() {
    let (router, fake) = server();
    emit(&fake, EventKind::Config, "one");
    let mut listeners = Vec::new();
    for _ in 0..crate::server::events::STREAMS_MAX {
        let answer = router
            .clone()
            .oneshot(request("GET /v1/events", ""))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        listeners.push(answer);
    }
    assert_eq!(ask(&router, "GET /v1/events", "").await.status, 503);
    listeners.pop();
    let answer = router
        .clone()
        .oneshot(request("GET /v1/events", ""))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}
