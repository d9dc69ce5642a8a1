//! Query parameters: each at most once, and none that the route doesn't know.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::failure::{Answer, Failure};

/// The parameters that have not been taken yet.
#[derive(Debug)]
pub(super) struct Params {
    left: BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Self::parse(parts.uri.query().unwrap_or(""))
    }
}

impl Params {
    fn parse(query: &str) -> Answer<Self> {
        let mut left = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if left.contains_key(&name) {
                return Err(Failure::unparsable(&name, "the parameter is given twice"));
            }
            left.insert(name, value);
        }
        Ok(Self {
            left,
            known: Vec::new(),
        })
    }

    pub(super) fn take(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.left.remove(name)
    }

    /// `name=true`, `name=false`, or nothing.
    pub(super) fn take_flag(&mut self, name: &'static str) -> Answer<bool> {
        match self.take(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(
                Failure::unparsable(name, format!("`{other}` is not a flag")).rule("true or false"),
            ),
        }
    }

    /// Every parameter has been taken.
    pub(super) fn finish(self) -> Answer<()> {
        let Some(name) = self.left.keys().next() else {
            return Ok(());
        };
        let rule = match self.known.as_slice() {
            [] => "this route takes none".to_owned(),
            known => format!("one of {}", known.join(", ")),
        };
        Err(Failure::unparsable(name, format!("unknown parameter `{name}`")).rule(rule))
    }
}

/// Percent-decodes; `+` is a space (URL standard, 5.1).
fn decode(text: &str) -> Answer<String> {
    let bad = || Failure::unparsable("query", format!("`{text}` is not percent-encoded UTF-8"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| (byte? as char).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let value = high.zip(low).map(|(high, low)| high * 16 + low);
                value
                    .and_then(|value| u8::try_from(value).ok())
                    .ok_or_else(bad)?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| bad())
}
