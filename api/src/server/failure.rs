//! Every answer that is not a success.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::control::ControlError;
use crate::parse::Unparsable;
use crate::wire::{ErrorBody, ErrorDetail, ErrorEnvelope, Invalid, Problem};

/// A status of 4xx or 5xx, and why.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    body: Box<ErrorBody>,
    header: Option<(HeaderName, HeaderValue)>,
}

pub(super) type Answer<T> = Result<T, Failure>;

impl Failure {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            body: Box::new(ErrorBody::new(code, message)),
            header: None,
        }
    }

    /// 401: without credentials, or with ones that are worth nothing.
    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        let challenge = HeaderValue::from_static("Bearer realm=\"loxid\"");
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
            .header(header::WWW_AUTHENTICATE, challenge)
            .field("Authorization")
    }

    /// 429
    pub(super) fn too_many(wait: std::time::Duration) -> Self {
        let seconds = (wait.as_secs_f64().ceil() as u64).max(1);
        let message = "this client asks for too much";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message)
            .header(header::RETRY_AFTER, seconds.into())
            .remedy(format!("wait {seconds} s, as Retry-After says"))
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// What cannot be read at all, such as a header: 400.
    pub(super) fn unparsable(field: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unparsable", message).field(field)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// `what`: `service 20.20.20.1:2020/tcp`.
    pub(super) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no {what}"),
        )
    }

    pub(super) fn method_not_allowed(method: &Method, path: &str) -> Self {
        let message = format!("{path} does not take {method}");
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
        )
        .remedy("the Allow header says what it takes")
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    fn with_problem(status: StatusCode, code: &str, problem: Problem) -> Self {
        let failure = Self::new(status, code, problem.message)
            .field(problem.field)
            .rule(problem.rule);
        failure.remedy(problem.remedy.unwrap_or_default())
    }

    pub(super) fn field(mut self, field: impl Into<String>) -> Self {
        self.body.field = some(field.into());
        self
    }

    pub(super) fn rule(mut self, rule: impl Into<String>) -> Self {
        self.body.rule = some(rule.into());
        self
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.body.remedy = some(remedy.into());
        self
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let envelope = ErrorEnvelope { error: *self.body };
        let mut response = (self.status, Json(envelope)).into_response();
        response.headers_mut().extend(self.header);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Unparsable> for Failure {
    fn from(error: Unparsable) -> Self {
        let message = match error.place {
            Some((line, column)) => format!("line {line}, column {column}: {}", error.message),
            None => error.message,
        };
        Self::unparsable(&error.field, message)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Invalid::one(problem).into()
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        let detail = |problem: &Problem| ErrorDetail {
            field: some(problem.field.clone()),
            message: problem.message.clone(),
            rule: some(problem.rule.clone()),
            remedy: problem.remedy.clone(),
        };
        let first = detail(invalid.first());
        let mut body = ErrorBody::new("invalid", first.message);
        body.field = first.field;
        body.rule = first.rule;
        body.remedy = first.remedy;
        if invalid.problems().len() > 1 {
            body.details = invalid.problems().iter().map(detail).collect();
        }
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            body: Box::new(body),
            header: None,
        }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Invalid(invalid) => invalid.into(),
            ControlError::NotFound { what } => Self::not_found(what),
            ControlError::Gone(problem) => {
                Self::with_problem(StatusCode::NOT_FOUND, "not_found", problem)
            }
            ControlError::Blocked(problem) => {
                Self::with_problem(StatusCode::CONFLICT, "conflict", problem)
            }
            ControlError::Conflict { message, remedy } => {
                Self::new(StatusCode::CONFLICT, "conflict", message).remedy(remedy)
            }
            ControlError::Precondition { .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                error.to_string(),
            )
            .remedy("read the document, make the change again, and send its ETag"),
            ControlError::TooLarge { message, remedy } => Self::too_large(message).remedy(remedy),
            ControlError::Storage { message, remedy } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "storage", message).remedy(remedy)
            }
            ControlError::Unavailable { message } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            }
        }
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
