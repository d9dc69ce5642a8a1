//! The body of every answer that is not a success.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every answer of 4xx and 5xx has this body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorEnvelope {
    pub error: ErrorBody,
}

/// What went wrong, where, which rule it breaks, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// A word for programs: `unparsable`, `invalid`, `unauthorized`, `forbidden`,
    /// `not_found`, `method_not_allowed`, `conflict`, `precondition_failed`, `too_large`,
    /// `unsupported_media_type`, `timeout`, `too_many_requests`, `storage`, `unavailable`,
    /// `internal`.
    #[schema(example = "invalid")]
    pub code: String,
    /// For people.
    #[schema(example = "1001 is out of range")]
    pub message: String,
    /// Path of the field: in the body, or the name of a query parameter or header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "services[2].backends[0].weight")]
    pub field: Option<String>,
    /// The rule that the value breaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "0 to 1000")]
    pub rule: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Everything found, if that is more than one thing; the first is the one above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<ErrorDetail>,
}

/// One of several things that are wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl ErrorBody {
    /// An error without field, rule, remedy and details.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            field: None,
            rule: None,
            remedy: None,
            details: Vec::new(),
        }
    }
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.details.is_empty() {
            return write_one(f, &self.field, &self.message, &self.rule, &self.remedy);
        }
        for (number, detail) in self.details.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write_one(
                f,
                &detail.field,
                &detail.message,
                &detail.rule,
                &detail.remedy,
            )?;
        }
        Ok(())
    }
}

fn write_one(
    f: &mut std::fmt::Formatter<'_>,
    field: &Option<String>,
    message: &str,
    rule: &Option<String>,
    remedy: &Option<String>,
) -> std::fmt::Result {
    if let Some(field) = field {
        write!(f, "{field}: ")?;
    }
    f.write_str(message)?;
    if let Some(rule) = rule {
        write!(f, ": {rule}")?;
    }
    if let Some(remedy) = remedy {
        write!(f, "; {remedy}")?;
    }
    Ok(())
}
