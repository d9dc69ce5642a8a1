//! What must not leave the box: found by the names of keys and by how secrets look.

use std::collections::BTreeSet;

use serde_json::Value;

/// What stands in a secret's place.
pub const REMOVED: &str = "(removed)";

/// A key with one of these in it names a secret.
const WORDS: [&str; 10] = [
    "secret",
    "password",
    "passphrase",
    "passwd",
    "token",
    "credential",
    "authorization",
    "cookie",
    "community",
    "privatekey",
];

/// Contents of health checks' packets, which may hold a password.
const CONTENTS: [&str; 5] = ["send", "expect", "expectbody", "payload", "body"];

/// Keys that name a file with secrets.
const FILES: [&str; 3] = ["hashsecretfile", "tokenfile", "key"];

/// Shorter ones are not looked for in other files: they would be found everywhere.
const SHORTEST: usize = 6;

/// Files with secrets are read up to so much.
const FILE_MAX: usize = 64 << 10;

/// Every secret that was met.
#[derive(Debug, Default)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Takes the secrets out of a value.
    pub fn take_from(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.take_from(item)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    match is_secret(key) {
                        true => self.take(value),
                        false => self.take_from(value),
                    }
                }
            }
            Value::String(text) => *text = without_query(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn take(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.take(item)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.take(value)),
            Value::Null | Value::Bool(_) => {}
            Value::String(text) => {
                self.know(text);
                *value = REMOVED.into();
            }
            Value::Number(number) => {
                self.know(&number.to_string());
                *value = REMOVED.into();
            }
        }
    }

    /// Reads files that the configuration names, so that what they hold is known.
    pub fn read_files_of(&mut self, configuration: &Value) {
        let fields = match configuration {
            Value::Array(items) => return items.iter().for_each(|item| self.read_files_of(item)),
            Value::Object(fields) => fields,
            _ => return,
        };
        for (key, value) in fields {
            match value.as_str() {
                Some(path) if FILES.contains(&plain(key).as_str()) => {
                    if let Ok(bytes) = std::fs::read(path) {
                        let kept = &bytes[..bytes.len().min(FILE_MAX)];
                        self.know(&String::from_utf8_lossy(kept));
                    }
                }
                _ => self.read_files_of(value),
            }
        }
    }

    /// A text, and each line of it.
    fn know(&mut self, text: &str) {
        let long = |text: &&str| text.len() >= SHORTEST;
        self.0
            .extend(Some(text.trim()).filter(long).map(str::to_owned));
        let lines = text.lines().map(str::trim).filter(long);
        self.0.extend(lines.map(str::to_owned));
    }

    /// The text without what is known to be secret, and without what looks like it.
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // Longer ones first: a part of a secret must not keep the whole from being found.
        let mut known: Vec<&String> = self.0.iter().collect();
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in known {
            text = text.replace(secret.as_str(), REMOVED);
            // As JSON writes it.
            let escaped = Value::String(secret.clone()).to_string();
            text = text.replace(escaped.trim_matches('"'), REMOVED);
        }
        without_tokens(&without_private_keys(&text))
    }
}

fn plain(key: &str) -> String {
    key.to_ascii_lowercase().replace(['-', '_'], "")
}

/// A file's path is no secret.
fn is_secret(key: &str) -> bool {
    let key = plain(key);
    let is_named = WORDS.iter().any(|word| key.contains(word)) && !key.ends_with("file");
    is_named || CONTENTS.contains(&key.as_str())
}

/// What follows a question mark in a path, or stands before an @ in a URL, may be one.
fn without_query(text: &str) -> String {
    let is_path = text.starts_with('/') || text.contains("://");
    if !is_path {
        return text.to_owned();
    }
    let text = match text.split_once('?') {
        Some((path, _)) => format!("{path}?{REMOVED}"),
        None => text.to_owned(),
    };
    match text.split_once("://") {
        Some((scheme, rest)) => match rest.split_once('@') {
            Some((user, host)) if !user.contains('/') => format!("{scheme}://{REMOVED}@{host}"),
            _ => text,
        },
        None => text,
    }
}

/// Blocks of PEM (RFC 7468) that hold private keys.
fn without_private_keys(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("-----BEGIN ") {
        let (before, block) = rest.split_at(start);
        let label = block.lines().next().unwrap_or_default();
        let is_private = label
            .split("\\n")
            .next()
            .is_some_and(|label| label.contains("PRIVATE KEY"));
        let end = block.find("-----END ").map(|end| {
            let tail = &block[end + 9..];
            end + 9 + tail.find("-----").map_or(tail.len(), |dashes| dashes + 5)
        });
        let end = end.unwrap_or(block.len());
        kept += before;
        kept += if is_private { REMOVED } else { &block[..end] };
        rest = &block[end..];
    }
    kept + rest
}

/// loxid's tokens, wherever they stand.
fn without_tokens(text: &str) -> String {
    const PREFIX: &str = "loxid_";
    const DIGITS: usize = 64;
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(PREFIX) {
        let (before, found) = rest.split_at(start + PREFIX.len());
        let digits = found.bytes().take_while(u8::is_ascii_hexdigit).count();
        kept += before;
        match digits >= DIGITS {
            true => {
                kept += REMOVED;
                rest = &found[digits..];
            }
            false => rest = found,
        }
    }
    kept + rest
}
