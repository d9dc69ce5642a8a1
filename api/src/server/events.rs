//! Events: those that are kept as a list, or all of them from then on as server-sent events.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::Context;
use super::failure::{Answer, Failure};
use super::params::Params;
use crate::events::{Cursor, EventLog};
use crate::wire::{ErrorEnvelope, Event, EventGap, EventId, EventKind, List};

/// Streams at once, so that listeners don't take all connections.
pub(super) const STREAMS_MAX: usize = 64;

/// A line that says nothing is sent so often, so that either end notices that the other is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Events, oldest first. With `Accept: application/json` those that are kept (2048 at most), as a
/// list; else server-sent events: those that are kept after `Last-Event-ID`, and then each as it
/// happens. An event's `event` is its kind; `gap` stands in the place of those that were missed.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(
        ("kind" = Option<String>, Query, description = "only these kinds: a list with commas of `config`, `health`, `interface`, `neighbour`, `limits`, `announce`"),
        ("since" = Option<String>, Query, description = "the id of an event: only those after it"),
        ("Last-Event-ID" = Option<String>, Header, description = "the same, as browsers and clients of server-sent events say it"),
    ),
    responses((status = 200, body = List<Event>), (status = 400, body = ErrorEnvelope),
        (status = 503, body = ErrorEnvelope)))]
pub(super) async fn read(
    State(context): State<Context>,
    mut params: Params,
    headers: HeaderMap,
) -> Answer<Response> {
    let kinds = kinds(params.take("kind"))?;
    let since = params.take("since");
    params.finish()?;
    let since = match headers.get("last-event-id") {
        None => id("since", since)?,
        Some(value) => id("Last-Event-ID", value.to_str().ok().map(str::to_owned))?,
    };
    let log = context.control.events();
    let (mut cursor, gap) = log.after(since);
    if wants_list(&headers) {
        let found = log.read(&mut cursor).events;
        let wanted = found
            .into_iter()
            .filter(|event| kinds.contains(&event.kind));
        let items: List<Event> = wanted.map(|event| (*event).clone()).collect();
        return Ok(Json(items).into_response());
    }
    let permit = context.streams.clone().try_acquire_owned().map_err(|_| {
        let message = format!("{STREAMS_MAX} clients listen to events already");
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            .remedy("end one of them, or ask for the list: Accept: application/json")
    })?;
    let waiting = gap.iter().map(message_of_gap).collect();
    let listener = Listener {
        log,
        cursor,
        kinds,
        waiting,
        _permit: permit,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(listener.stream())
        .keep_alive(keep_alive)
        .into_response())
}

/// Somebody who listens.
struct Listener {
    log: Arc<EventLog>,
    cursor: Cursor,
    kinds: BTreeSet<EventKind>,
    waiting: VecDeque<Message>,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    fn stream(self) -> impl Stream<Item = Result<Message, Infallible>> + Send {
        stream::unfold(self, |mut listener| async move {
            loop {
                if let Some(message) = listener.waiting.pop_front() {
                    return Some((Ok(message), listener));
                }
                listener.log.appended(listener.cursor).await;
                let found = listener.log.read(&mut listener.cursor);
                listener
                    .waiting
                    .extend(found.gap.iter().map(message_of_gap));
                let kinds = &listener.kinds;
                let wanted = found
                    .events
                    .iter()
                    .filter(|event| kinds.contains(&event.kind));
                listener.waiting.extend(wanted.map(|event| message(event)));
            }
        })
    }
}

fn message(event: &Event) -> Message {
    let message = Message::default().id(event.id.to_string());
    message.event(event.kind.as_str()).data(json(event))
}

/// Without an id: who comes back asks for the events after the last one it had.
fn message_of_gap(gap: &EventGap) -> Message {
    Message::default().event("gap").data(json(gap))
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("wire types have string keys and write to memory")
}

fn wants_list(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| {
        accept.contains("application/json") && !accept.contains("text/event-stream")
    })
}

fn kinds(list: Option<String>) -> Answer<BTreeSet<EventKind>> {
    let Some(list) = list else {
        return Ok(EventKind::ALL.into());
    };
    let kind = |word: &str| {
        EventKind::parse(word).ok_or_else(|| {
            let words: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
            Failure::unparsable("kind", format!("`{word}` is no kind of event"))
                .rule(format!("one or more of {}", words.join(", ")))
        })
    };
    list.split(',').map(|word| kind(word.trim())).collect()
}

fn id(field: &str, text: Option<String>) -> Answer<Option<EventId>> {
    let Some(text) = text else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|error: crate::wire::EventIdError| {
            Failure::unparsable(field, error.to_string())
                .remedy("leave it out: events from the oldest kept are sent")
        })
}
