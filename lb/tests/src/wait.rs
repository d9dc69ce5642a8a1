//! Waiting for conditions.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything may take: about ten times what it does.
pub const CAP: Duration = Duration::from_secs(10);
/// How long a condition is waited for: the daemon reads counters as often as a twentieth of its time
/// allows, which on a busy box is seldom.
pub const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until there is an answer.
///
/// # Errors
/// There is none within [`PATIENCE`]: what was waited for, and the last error if there was one.
pub fn until<T>(what: &str, ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    until_within(PATIENCE, what, ask)
}

/// The same of what takes longer: the verifier's work, say.
///
/// # Errors
/// There is no answer within `cap`.
pub fn until_within<T>(
    cap: Duration,
    what: &str,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        match answer {
            Ok(Some(value)) => return Ok(value),
            _ if start.elapsed() < cap => std::thread::sleep(PAUSE),
            Ok(None) => bail!("waited {cap:?} for {what}"),
            Err(error) => return Err(error.context(format!("waited {cap:?} for {what}"))),
        }
    }
}
