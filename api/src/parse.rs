//! Text to values, strictly: unknown keys, duplicate keys, text after the value, and bad UTF-8
//! are errors that name the place. Depth is bounded by the parsers.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

#[cfg(test)]
mod tests;

/// Text that is not what was asked for. Displayed as
/// `line 3, column 9: services[0].mode: unknown variant ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unparsable {
    /// Path of the field: `services[0].mode`; empty for the whole.
    pub field: String,
    /// Line and column, from 1, where they are known.
    pub place: Option<(u64, u64)>,
    pub message: String,
}

impl std::error::Error for Unparsable {}

impl fmt::Display for Unparsable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// One JSON value and nothing after it.
pub fn json<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unparsable> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| unparsable_json(path(error.path()), error.inner()))?;
    deserializer
        .end()
        .map_err(|error| unparsable_json(String::new(), &error))?;
    Ok(value)
}

/// One YAML document, in UTF-8, and nothing after it.
pub fn yaml<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unparsable> {
    let text = std::str::from_utf8(text).map_err(|error| bad_utf8(text, error))?;
    if let Some(line) = second_document(text) {
        let message = "there is a second YAML document: give one".into();
        return Err(Unparsable {
            field: String::new(),
            place: Some((line, 1)),
            message,
        });
    }
    let parsed = serde_saphyr::from_str_with_options(text, yaml_options(text.len()));
    parsed.map_err(|error| {
        let mut error = unparsable_yaml(yaml_path::<T>(text), &error);
        error.place = unknown_key(text, &error).or(error.place);
        error
    })
}

/// The line where a second document begins. The parser forgives what follows an end of document,
/// so it is looked for here: a line that begins with `---` or `...` is always a marker (YAML 1.2,
/// 9.1.2: scalars cannot have one).
fn second_document(text: &str) -> Option<u64> {
    let (mut begun, mut ended) = (false, false);
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let marker = |marker| {
            line.strip_prefix(marker)
                .is_some_and(|rest: &str| rest.is_empty() || rest.starts_with(char::is_whitespace))
        };
        let is_blank = line.trim().is_empty() || line.trim_start().starts_with('#');
        if (begun && marker("---")) || (ended && !is_blank && !marker("...")) {
            return Some(number as u64 + 1);
        }
        ended |= marker("...");
        begun |= !is_blank && !line.starts_with('%');
    }
    None
}

/// The place of a key that is not known, where the parser says only where its mapping begins: in
/// block style all keys of a mapping begin in the same column.
fn unknown_key(text: &str, error: &Unparsable) -> Option<(u64, u64)> {
    let key = error
        .message
        .strip_prefix("unknown field `")?
        .split('`')
        .next()?;
    let (first, column) = error.place?;
    let (skip, indent) = (
        usize::try_from(first).ok()? - 1,
        usize::try_from(column).ok()? - 1,
    );
    let is_key = |line: &str| {
        let rest = line
            .get(indent..)
            .unwrap_or("")
            .trim_start_matches(['"', '\'']);
        let after = rest
            .strip_prefix(key)
            .map(|rest| rest.trim_start_matches(['"', '\'']));
        after.is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    let is_indented = |line: &str| {
        line.get(..indent)
            .is_some_and(|start| start.trim().is_empty())
    };
    let found = text
        .lines()
        .enumerate()
        .skip(skip)
        .find(|(number, line)| is_key(line) && (*number == skip || is_indented(line)));
    found.map(|(number, _)| (number as u64 + 1, column))
}

/// Where the text goes wrong. It is parsed again for that: what follows the path of an error
/// loses its line.
fn yaml_path<T: DeserializeOwned>(text: &str) -> String {
    let mut field = String::new();
    let parse = |deserializer: serde_saphyr::Deserializer<'_>| {
        serde_path_to_error::deserialize::<_, T>(deserializer).map_err(|error| {
            field = path(error.path());
            error.into_inner()
        })
    };
    let options = yaml_options(text.len());
    match serde_saphyr::with_deserializer_from_str_with_options(text, options, parse) {
        Ok(_) | Err(_) => field,
    }
}

/// As people read and write it.
pub fn to_yaml<T: Serialize>(value: &T) -> String {
    serde_saphyr::to_string(value).expect("wire types have string keys and write to memory")
}

/// With indentation and a newline at the end.
pub fn to_json<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value)
        .expect("wire types have string keys and write to memory");
    text.push('\n');
    text
}

/// The limits on one text follow from its length: what is allowed to come in may be parsed, and
/// aliases cannot make it more than that.
fn yaml_options(bytes: usize) -> serde_saphyr::Options {
    let budget = serde_saphyr::Budget {
        max_depth: 64,
        max_events: bytes.saturating_add(64),
        max_nodes: bytes.saturating_add(64),
        max_total_scalar_bytes: bytes.saturating_add(64),
        ..Default::default()
    };
    serde_saphyr::Options {
        budget: Some(budget),
        with_snippet: false,
        ..Default::default()
    }
}

/// `services[0].mode`, as far as it is known.
fn path(path: &serde_path_to_error::Path) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } if text.is_empty() => text.push_str(key),
            Segment::Map { key } => text.push_str(&format!(".{key}")),
            Segment::Enum { .. } => {}
            Segment::Unknown => break,
        }
    }
    text
}

fn unparsable_json(field: String, error: &serde_json::Error) -> Unparsable {
    let (line, column) = (error.line() as u64, error.column() as u64);
    let text = error.to_string();
    let message = text
        .strip_suffix(&format!(" at line {line} column {column}"))
        .unwrap_or(&text);
    Unparsable {
        field,
        place: (line > 0).then_some((line, column)),
        message: message.into(),
    }
}

fn unparsable_yaml(field: String, error: &serde_saphyr::Error) -> Unparsable {
    let error = error.without_snippet();
    let place = error.location().map(|at| (at.line(), at.column()));
    let text = error.to_string();
    let message = match place {
        Some((line, column)) => text
            .strip_suffix(&format!(" at line {line}, column {column}"))
            .unwrap_or(&text),
        None => &text,
    };
    Unparsable {
        field,
        place,
        message: message.into(),
    }
}

fn bad_utf8(text: &[u8], error: std::str::Utf8Error) -> Unparsable {
    let before = &text[..error.valid_up_to()];
    let line_start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
    let column = String::from_utf8_lossy(&before[line_start..])
        .chars()
        .count() as u64
        + 1;
    Unparsable {
        field: String::new(),
        place: Some((line, column)),
        message: format!("byte {:#04x} is not UTF-8", text[error.valid_up_to()]),
    }
}
