use std::fmt;

use jiff::Timestamp;

/// Tells the time of day. Durations are measured with `tokio::time::Instant`, which tests pause;
/// this is for time stamps that people and other machines read.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now, UTC.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
