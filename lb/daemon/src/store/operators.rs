//! What operators say of backends, on disk.

use lb_api::wire::{self, OperatorState};
use lb_core::health::OperatorStates;
use lb_core::service::Endpoint;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    backends: Vec<Said>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// Not there: of all services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    backend: String,
    state: OperatorState,
}

pub fn write(states: &OperatorStates) -> String {
    let said =
        |(service, endpoint, state): (Option<lb_core::service::ServiceKey>, Endpoint, _)| Said {
            service: service.map(|key| key.to_string()),
            backend: endpoint.to_string(),
            state: OperatorState::from(state),
        };
    let backends = states.iter().map(said).collect();
    lb_api::parse::to_yaml(&Body { backends })
}

pub fn read(body: &str) -> Result<OperatorStates, String> {
    let body: Body = lb_api::parse::yaml(body.as_bytes()).map_err(|error| error.to_string())?;
    let mut states = OperatorStates::default();
    for said in body.backends {
        let key = said.service.as_deref().map(wire::parse_service_key);
        let key = key.transpose().map_err(|problem| problem.to_string())?;
        let endpoint: Endpoint = said.backend.parse().map_err(|error| format!("{error}"))?;
        states.set(key, endpoint, said.state.into());
    }
    Ok(states)
}
