//! What time it is, by the system.

use std::time::SystemTime;

use crate::time::{Clock, Time};

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn is_simulated(&self) -> bool {
        false
    }
}
