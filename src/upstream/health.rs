use jiff::Timestamp;

use super::Service;

/// How a service last answered for one customer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceHealth {
    /// Which service.
    pub service: Service,
    /// Whether it answers.
    pub status: HealthStatus,
    /// Since when it has been so.
    pub since: Option<Timestamp>,
    /// The problem code of the last failure, kept after recovery.
    pub last_error_code: Option<&'static str>,
}

/// Whether a service answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HealthStatus {
    /// It has not been asked.
    Unknown,
    /// It answered when last asked.
    Ok,
    /// It failed when last asked.
    Failing,
}

impl HealthStatus {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Failing => "failing",
        }
    }
}
