//! Tokens at an admin's word: stored, then shown to the server by the snapshot.

use std::sync::Arc;

use lb_api::control::ControlError;
use lb_api::token::{Secret, TOKENS_MAX, Token, Tokens};
use lb_api::wire::{Invalid, NewToken, Problem};

use super::Daemon;
use super::changes::storage;
use crate::clock::seconds_since_epoch;
use crate::failure::line;
use crate::reconcile::DataPlane;

/// Last uses are stored so often, seconds: a crash loses as much of them.
const USED_EVERY: u64 = 60;

impl<P: DataPlane> Daemon<P> {
    pub(super) fn create_token(
        &mut self,
        asked: NewToken,
    ) -> Result<(Secret, Arc<Token>), ControlError> {
        asked
            .check()
            .map_err(|problem| ControlError::Invalid(Invalid::one(problem)))?;
        let name = asked.name;
        if self.tokens.get(&name).is_some() {
            return Err(ControlError::Conflict {
                message: format!("there is a token {name}"),
                remedy: format!("choose another name, or `loxictl token revoke {name}` first"),
            });
        }
        if self.tokens.len() >= TOKENS_MAX {
            let message = format!("{TOKENS_MAX} tokens are there");
            let rule = format!("at most {TOKENS_MAX}");
            return Err(ControlError::Blocked(
                Problem::new("name", message, rule).remedy("revoke those that nobody uses"),
            ));
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| ControlError::Unavailable {
            message: format!("the kernel gives no random numbers: {error}"),
        })?;
        let secret = Secret::from_random(random);
        let now = seconds_since_epoch();
        let expires = asked.expires_in.map(|seconds| now.saturating_add(seconds));
        let role = asked.role.into();
        let token = Arc::new(Token::new(name, role, secret.hash(), now, expires, 0));
        self.store_tokens(self.tokens.with(token.clone()))?;
        Ok((secret, token))
    }

    pub(super) fn revoke_token(&mut self, name: &str) -> Result<(), ControlError> {
        if self.tokens.get(name).is_none() {
            return Err(ControlError::NotFound {
                what: format!("token {name}"),
            });
        }
        self.store_tokens(self.tokens.without(name))
    }

    /// Stores when tokens were used last, now and then. That it can't be is no reason to stop.
    pub(super) fn keep_last_uses(&mut self) {
        let newest = self.tokens.iter().map(|token| token.used()).max();
        let newest = newest.unwrap_or_default();
        if newest < self.uses_stored.saturating_add(USED_EVERY) {
            return;
        }
        self.uses_stored = newest;
        if let Err(error) = self.store.put_tokens(&self.tokens) {
            tracing::warn!("last uses of tokens are not stored: {}", line(&error));
        }
    }

    fn store_tokens(&mut self, tokens: Tokens) -> Result<(), ControlError> {
        self.store.put_tokens(&tokens).map_err(storage)?;
        self.tokens = Arc::new(tokens);
        self.publish();
        Ok(())
    }
}
