//! The clock on the wall, for what is written down and what expires. Nothing else is timed by it.

use std::time::{SystemTime, UNIX_EPOCH};

/// A clock that is set to before 1970 says 1970.
pub fn seconds_since_epoch() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
