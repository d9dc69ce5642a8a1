//! What is remembered of a change: comment lines at the top of a generation's file.
//!
//! ```text
//! # time: 2026-11-21T16:35:12.042Z
//! # author: root (uid 0) (unix)
//! # action: rollback 5
//! # summary: 1 changed: 20.20.20.1:80/tcp
//! # comment: the new pool answered too slowly
//! ```

use lb_api::wire::{HistoryAction, Timestamp};

/// Who changed a document, when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub time: Timestamp,
    pub author: String,
    pub action: HistoryAction,
    /// The generation whose contents it has again; 0: none.
    pub of: Option<u64>,
    pub summary: String,
    pub comment: Option<String>,
}

/// The record as lines, each ended.
pub fn render(record: &Record) -> String {
    let action = match record.of {
        Some(of) => format!("{} {of}", record.action.as_str()),
        None => record.action.as_str().to_owned(),
    };
    let mut text = line("time", &record.time.to_string())
        + &line("author", &record.author)
        + &line("action", &action)
        + &line("summary", &record.summary);
    if let Some(comment) = &record.comment {
        text += &line("comment", comment);
    }
    text
}

/// What is read at the top of a body: None if it does not begin with a whole record. The body's
/// other lines are returned beside it.
pub fn split(body: &str) -> (Option<Record>, &str) {
    let mut rest = body;
    let mut fields = Vec::new();
    while let Some((field, after)) = next_field(rest) {
        fields.push(field);
        rest = after;
    }
    match parse(&fields) {
        Some(record) => (Some(record), rest),
        None => (None, body),
    }
}

fn next_field(text: &str) -> Option<((&str, &str), &str)> {
    let (line, rest) = text.split_once('\n')?;
    Some((line.strip_prefix("# ")?.split_once(": ")?, rest))
}

fn parse(fields: &[(&str, &str)]) -> Option<Record> {
    let field = |name: &str| {
        let mut found = fields.iter().filter(|(key, _)| *key == name);
        found.next().map(|(_, value)| (*value).to_owned())
    };
    let action = field("action")?;
    let (action, of) = match action.split_once(' ') {
        Some((action, of)) => (action, Some(of.parse().ok()?)),
        None => (action.as_str(), None),
    };
    Some(Record {
        time: field("time")?.parse().ok()?,
        author: field("author")?,
        action: HistoryAction::parse(action)?,
        of,
        summary: field("summary")?,
        comment: field("comment"),
    })
}

/// Whatever a value holds, it stays on its line.
fn line(name: &str, value: &str) -> String {
    let value: String = value
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    format!("# {name}: {value}\n")
}
