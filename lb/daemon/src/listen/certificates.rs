//! Certificates of listeners while they are served: renewed when their files are, and said before
//! they expire.

use std::net::SocketAddr;
use std::sync::Arc;

use lb_api::server::Tls;
use lb_api::wire::Timestamp;

#[cfg(test)]
mod tests;

/// A certificate that is not renewed so long before its end is a warning, seconds: two weeks.
const EARLY: u64 = 14 * 86_400;

/// By the address where they are shown.
#[derive(Debug, Default)]
pub struct Certificates(Vec<(SocketAddr, Arc<Tls>)>);

impl Certificates {
    pub fn new(of_listeners: Vec<(SocketAddr, Arc<Tls>)>) -> Self {
        Self(of_listeners)
    }

    /// Reads files that changed. `now`: seconds since the epoch.
    pub fn refresh(&self, now: u64) {
        for (address, tls) in &self.0 {
            match tls.refresh(now) {
                Ok(false) => {}
                Ok(true) => tracing::info!(
                    %address,
                    expires = %moment(tls.expires()),
                    "the certificate was read again"
                ),
                Err(error) => tracing::error!(
                    %address,
                    "the certificate was not read again, and the one before stays: {error}"
                ),
            }
        }
    }

    /// What somebody should do something about.
    pub fn warnings(&self, now: u64) -> Vec<String> {
        let mut warnings = Vec::new();
        for (address, tls) in &self.0 {
            if let Some(problem) = tls.problem() {
                warnings.push(format!(
                    "api.listen {address}: the certificate of before is shown, because: {problem}"
                ));
            }
            let (ends, path) = (tls.expires(), tls.files().certificate.display());
            let when = moment(ends);
            if ends <= now {
                warnings.push(format!(
                    "api.listen {address}: certificate: {path} expired at {when}, and clients refuse it; renew it"
                ));
            } else if ends - now <= EARLY {
                warnings.push(format!(
                    "api.listen {address}: certificate: {path} expires at {when}; renew it"
                ));
            }
        }
        warnings
    }
}

fn moment(seconds: u64) -> Timestamp {
    Timestamp(seconds.saturating_mul(1000))
}
