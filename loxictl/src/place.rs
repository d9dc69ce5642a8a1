//! `[SERVICE/]ADDRESS:PORT`: a backend of one service, or of all.

use std::str::FromStr;

use lb_core::service::{Endpoint, ServiceKey};

use crate::failure::{Failure, Result};
use crate::session::Session;

#[cfg(test)]
mod tests;

/// A backend as it is written: a key has a slash of its own, the last one is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A key or a name. None: all services.
    pub service: Option<String>,
    pub endpoint: Endpoint,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (service, endpoint) = match text.rsplit_once('/') {
            Some((service, endpoint)) => (Some(service.to_owned()), endpoint),
            None => (None, text),
        };
        if service.as_deref() == Some("") {
            return Err(format!(
                "`{text}` has no service before its slash: leave the slash out for all services"
            ));
        }
        let endpoint = endpoint
            .parse::<Endpoint>()
            .map_err(|error| error.to_string())?;
        Ok(Self { service, endpoint })
    }
}

impl Place {
    /// The key of the service that is meant; of those of a name the one that has the backend.
    pub async fn key(&self, session: &Session) -> Result<Option<ServiceKey>> {
        let Some(wanted) = &self.service else {
            return Ok(None);
        };
        if let Ok(key) = wanted.parse::<ServiceKey>() {
            return Ok(Some(key));
        }
        let services = session.services().await?;
        let named = services
            .iter()
            .filter(|service| service.name.as_ref() == Some(wanted));
        let address = self.endpoint.addr.to_string();
        let has_it = |service: &&lb_api::wire::ServiceStatus| {
            let mut backends = service.backends.iter();
            backends.any(|backend| backend.address == address)
        };
        let found = named.clone().find(has_it).or(named.clone().next());
        let key = found.and_then(|service| service.key.parse().ok());
        let missing = || {
            Failure::not_found(format!("there is no service `{wanted}`"))
                .remedy("`loxictl get lb` lists all; a key is VIP:PORTS/PROTOCOL")
        };
        key.map(Some).ok_or_else(missing)
    }
}
