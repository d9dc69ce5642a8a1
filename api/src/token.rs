//! Tokens: what a client that comes from the network proves itself with.
//!
//! A secret is 256 random bits behind a prefix that secret scanners can look for:
//! `loxid_` and 64 hexadecimal digits. Whoever made it has it; here only its SHA-256 is kept,
//! which is enough because nobody can try 2^256 secrets.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::role::Role;

#[cfg(test)]
mod tests;

/// What every secret begins with.
pub const PREFIX: &str = "loxid_";

/// Tokens at most: each is compared with each secret that comes.
pub const TOKENS_MAX: usize = 1024;

/// Longest name of a token, bytes.
pub const NAME_MAX: usize = 63;

/// Longest life that can be asked for, seconds: ten years.
pub const LIFE_MAX: u64 = 10 * 365 * 86_400;

/// A token's text. It is never displayed: `expose` says where it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// `random`: from the kernel's generator.
    pub fn from_random(random: [u8; 32]) -> Self {
        Self(PREFIX.to_owned() + &hex(&random))
    }

    /// None: no secret looks like this.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (digits.len() == 64 && digits.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn hash(&self) -> Hash {
        Hash(Sha256::digest(&self.0).into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}(hidden)")
    }
}

/// What is kept of a secret.
#[derive(Clone, Copy)]
pub struct Hash([u8; 32]);

impl Hash {
    /// 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    pub fn to_hex(self) -> String {
        hex(&self.0)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(hidden)")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who has a secret, and what they may do. Times are seconds since the epoch.
#[derive(Debug)]
pub struct Token {
    /// Unique; in audit lines.
    pub name: String,
    pub role: Role,
    pub hash: Hash,
    pub created: u64,
    /// None: never.
    pub expires: Option<u64>,
    /// 0: never.
    used: AtomicU64,
}

impl Token {
    /// `used`: 0 for never.
    pub fn new(
        name: String,
        role: Role,
        hash: Hash,
        created: u64,
        expires: Option<u64>,
        used: u64,
    ) -> Self {
        let used = AtomicU64::new(used);
        Self {
            name,
            role,
            hash,
            created,
            expires,
            used,
        }
    }

    /// When it was shown last; 0: never.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub fn is_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// Why a credential is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the token is none of this appliance's")]
    Unknown,
    /// Whoever hears it has the secret.
    #[error("the token {name} has expired")]
    Expired { name: String },
}

/// All tokens, by name.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<Arc<Token>>);

impl Tokens {
    /// Whose secret this is. All hashes are compared, each in constant time: how long it takes
    /// says nothing of them.
    pub fn check(&self, presented: &str, now: u64) -> Result<Arc<Token>, Refusal> {
        let Hash(presented) = Hash(Sha256::digest(presented).into());
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.hash.0.ct_eq(&presented)) {
                found = Some(token);
            }
        }
        let token = found.ok_or(Refusal::Unknown)?;
        if token.is_expired(now) {
            return Err(Refusal::Expired {
                name: token.name.clone(),
            });
        }
        token.used.fetch_max(now, Ordering::Relaxed);
        Ok(token.clone())
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Token>> {
        self.0.iter().find(|token| token.name == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Token>> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With this one in the place of one of its name.
    pub fn with(&self, token: Arc<Token>) -> Self {
        let mut tokens = self.without(&token.name);
        let place = tokens.0.partition_point(|other| other.name < token.name);
        tokens.0.insert(place, token);
        tokens
    }

    pub fn without(&self, name: &str) -> Self {
        Self(
            self.0
                .iter()
                .filter(|token| token.name != name)
                .cloned()
                .collect(),
        )
    }
}

/// 1 to 63 of a-z, 0-9, `-`, `.` and `_`, a letter or digit first.
pub fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=NAME_MAX).contains(&text.len())
        && text.bytes().next().is_some_and(is_plain)
        && text
            .bytes()
            .all(|byte| is_plain(byte) || matches!(byte, b'-' | b'.' | b'_'))
}
