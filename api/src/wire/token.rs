//! Tokens, without what makes them secret.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Problem, Timestamp};
use crate::role;
use crate::token::{self, LIFE_MAX, NAME_MAX, is_name};

/// What somebody may do: look; look, and change documents and the state of backends; everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Viewer,
    Operator,
    Admin,
}

impl From<Role> for role::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Operator => Self::Operator,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<role::Role> for Role {
    fn from(role: role::Role) -> Self {
        match role {
            role::Role::Viewer => Self::Viewer,
            role::Role::Operator => Self::Operator,
            role::Role::Admin => Self::Admin,
        }
    }
}

/// A token that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewToken {
    /// 1 to 63 of a-z, 0-9, `-`, `.` and `_`, a letter or digit first.
    #[schema(example = "prometheus")]
    pub name: String,
    pub role: Role,
    /// Seconds, 1 to 315360000 (ten years). Without it the token never expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
}

impl NewToken {
    /// Names what is wrong.
    pub fn check(&self) -> Result<(), Problem> {
        token_name("name", &self.name)?;
        match self.expires_in {
            Some(seconds) if !(1..=LIFE_MAX).contains(&seconds) => Err(Problem::new(
                "expiresIn",
                format!("{seconds} is out of range"),
                format!("1 to {LIFE_MAX} seconds"),
            )),
            _ => Ok(()),
        }
    }
}

/// A token's name, checked.
pub fn token_name(field: &str, name: &str) -> Result<String, Problem> {
    if is_name(name) {
        return Ok(name.to_owned());
    }
    let rule = format!("1 to {NAME_MAX} of a-z, 0-9, -, . and _, a letter or digit first");
    Err(Problem::new(
        field,
        format!("`{name}` is not the name of a token"),
        rule,
    ))
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    pub name: String,
    pub role: Role,
    pub created: Timestamp,
    /// Without it the token never expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    pub expired: bool,
    /// When it was shown last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
}

impl Token {
    /// How it is at `now`, seconds since the epoch.
    pub fn of(token: &token::Token, now: u64) -> Self {
        let at = |seconds: u64| Timestamp(seconds.saturating_mul(1000));
        Self {
            name: token.name.clone(),
            role: token.role.into(),
            created: at(token.created),
            expires: token.expires.map(at),
            expired: token.is_expired(now),
            last_used: Some(token.used()).filter(|used| *used != 0).map(at),
        }
    }
}

/// A token that was made, and its secret: it is said once, and kept nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    /// To be sent as `Authorization: Bearer SECRET`.
    pub secret: String,
    pub token: Token,
}

impl fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedToken")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
