//! `If-Match` and `If-None-Match` (RFC 9110, 13.1) and entity tags: `"7"` is generation 7.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::failure::{Answer, Failure};
use crate::control::{Generation, Precondition};

/// What a request's headers say must be so.
pub(super) struct When(pub(super) Precondition);

impl<S: Sync> FromRequestParts<S> for When {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        match (
            one(&parts.headers, &header::IF_MATCH)?,
            one(&parts.headers, &header::IF_NONE_MATCH)?,
        ) {
            (None, None) => Ok(Self(Precondition::None)),
            (Some("*"), None) => Ok(Self(Precondition::Present)),
            (Some(tags), None) => Ok(Self(Precondition::Generation(generations(tags)?))),
            (None, Some("*")) => Ok(Self(Precondition::Absent)),
            (None, Some(_)) => Err(bad("If-None-Match").rule("*")),
            (Some(_), Some(_)) => Err(Failure::unparsable(
                "If-Match",
                "it cannot be with If-None-Match",
            )),
        }
    }
}

fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Answer<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .map(|text| Some(text.trim()))
            .map_err(|_| bad(name.as_str())),
        (Some(_), Some(_)) => Err(Failure::unparsable(
            name.as_str(),
            "the header is given twice",
        )),
    }
}

/// Weak and foreign tags never match: they are left out.
fn generations(tags: &str) -> Answer<Vec<Generation>> {
    let mut found = Vec::new();
    for tag in tags.split(',').map(str::trim) {
        let (weak, tag) = tag
            .strip_prefix("W/")
            .map_or((false, tag), |tag| (true, tag));
        let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        let inner =
            inner.ok_or_else(|| bad("If-Match").rule("* or \"GENERATION\", as an ETag has it"))?;
        found.extend(inner.parse().ok().filter(|_| !weak).map(Generation));
    }
    Ok(found)
}

fn bad(field: &str) -> Failure {
    Failure::unparsable(field, "the header cannot be read")
}

/// The tag of a generation.
pub(super) fn etag(generation: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{generation}\"")).expect("digits and quotes are visible ASCII")
}
