//! Errors as one line.

use std::error::Error;
use std::fmt::Write;

/// `what: error: its source: ...`
pub fn chain(what: &str, error: &dyn Error) -> String {
    let mut text = format!("{what}: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

/// `error: its source: ...`
pub fn line(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => chain(&error.to_string(), source),
        None => error.to_string(),
    }
}
