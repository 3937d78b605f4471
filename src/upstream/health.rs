use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use jiff::Timestamp;

use super::Service;
use crate::domain::CustomerName;

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

/// How every service last answered: five entries per customer that was ever asked about.
#[derive(Debug, Default)]
pub(super) struct Health(RwLock<HashMap<CustomerName, [ServiceHealth; 5]>>);

impl Health {
    /// Takes note of an answer: `None` for one that shows that the service works.
    pub(super) fn note(
        &self,
        customer: &CustomerName,
        service: Service,
        failure: Option<&'static str>,
        now: impl FnOnce() -> Timestamp,
    ) {
        let Some(index) = index(service) else { return };
        let status = if failure.is_some() { HealthStatus::Failing } else { HealthStatus::Ok };
        let changes = |entry: &ServiceHealth| {
            entry.status != status
                || failure.is_some_and(|code| entry.last_error_code != Some(code))
        };
        // Nearly every answer is like the one before: a shared lock is enough then.
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(customer)
            .is_some_and(|entries| !changes(&entries[index]));
        if known {
            return;
        }
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let entry = &mut entries.entry(customer.clone()).or_insert_with(unknown)[index];
        if entry.status != status {
            entry.status = status;
            entry.since = Some(now());
        }
        if failure.is_some() {
            entry.last_error_code = failure;
        }
    }

    /// Every service, asked or not.
    pub(super) fn of(&self, customer: &CustomerName) -> Vec<ServiceHealth> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(customer).map_or_else(|| unknown().to_vec(), |entries| entries.to_vec())
    }
}

/// Where a service of a control plane stands in the table; `None` for others.
fn index(service: Service) -> Option<usize> {
    Service::ALL.iter().position(|known| *known == service)
}

fn unknown() -> [ServiceHealth; 5] {
    Service::ALL.map(|service| ServiceHealth {
        service,
        status: HealthStatus::Unknown,
        since: None,
        last_error_code: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_says_since_when_and_keeps_the_last_error() {
        let health = Health::default();
        let acme = CustomerName::try_from("acme").unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let daas = || health.of(&acme).pop().unwrap();

        assert_eq!(daas().status, HealthStatus::Unknown);
        health.note(&acme, Service::Daas, None, || at(1));
        health.note(&acme, Service::Daas, None, || at(2));
        assert_eq!((daas().status, daas().since), (HealthStatus::Ok, Some(at(1))));
        health.note(&acme, Service::Daas, Some("upstream_timeout"), || at(3));
        health.note(&acme, Service::Daas, Some("upstream_error"), || at(4));
        assert_eq!((daas().status, daas().since), (HealthStatus::Failing, Some(at(3))));
        health.note(&acme, Service::Daas, None, || at(5));
        assert_eq!(daas().last_error_code, Some("upstream_error"));
        assert_eq!(daas().service, Service::Daas);
        assert_eq!(health.of(&acme)[0].status, HealthStatus::Unknown);
    }
}
