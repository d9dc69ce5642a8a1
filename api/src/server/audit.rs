//! A line for every request that changes something, or was refused to: who, from where, what,
//! how it ended, and what it changed. `access` writes it for every route of that kind, so that
//! none can forget to.
//!
//! The fields are stable: `who`, `role`, `from`, `method`, `path`, `code`, and, of a change,
//! `generation`; the target is `loxid::audit`. The text says what changed.

use axum::http::{Method, Uri};
use axum::response::Response;

use super::identity::Identity;
use crate::wire::Applied;

/// Changes that a line names at most.
const NAMED_MAX: usize = 20;

/// What a route tells of what it did: it is left in the answer's extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    generation: Option<u64>,
    dry_run: bool,
    text: String,
}

impl Done {
    pub(super) fn text(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }

    pub(super) fn applied(applied: &Applied) -> Self {
        let named = applied.changes.iter().take(NAMED_MAX);
        let named =
            named.map(|change| format!("{:?} {}", change.kind, change.service).to_lowercase());
        let mut text = named.collect::<Vec<_>>().join(", ");
        match applied.changes.len().checked_sub(NAMED_MAX) {
            Some(more) if more > 0 => text.push_str(&format!(", and {more} more")),
            _ if text.is_empty() => text.push_str("nothing changed"),
            _ => {}
        }
        Self {
            generation: Some(applied.generation),
            dry_run: applied.dry_run,
            text: format!("document {}: {text}", applied.source),
        }
    }

    /// The answer, with this.
    pub(super) fn on(self, mut response: Response) -> Response {
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the line. A trial changes nothing and has none.
pub(super) fn record(identity: &Identity, method: &Method, uri: &Uri, response: &Response) {
    let nothing = Done::default();
    let done = response.extensions().get::<Done>().unwrap_or(&nothing);
    if done.dry_run {
        return;
    }
    let role = identity.role.map_or("none", |role| role.as_str());
    let text = match (done.text.is_empty(), response.status().is_success()) {
        (false, _) => done.text.as_str(),
        (true, true) => "done",
        (true, false) => "refused",
    };
    tracing::info!(
        target: "loxid::audit",
        who = identity.actor.who,
        role,
        from = identity.actor.from,
        method = method.as_str(),
        path = uri.path(),
        code = response.status().as_u16(),
        generation = done.generation,
        "{text}"
    );
}
