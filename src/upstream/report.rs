use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use super::{
    Error, ErrorKind, ObservedCall, Observer, Service, ServiceHealth,
    call::Call,
    health::Health,
    reply::Reply,
    token::{FailureClass, MintFailure, Minted},
};
use crate::{
    config::Customer,
    domain::{Clock, CustomerName, RegionName},
};

/// Where the ends of all exchanges go: to the observer and into the health table.
#[derive(Debug)]
pub(super) struct Reporter {
    observer: Arc<dyn Observer>,
    clock: Arc<dyn Clock>,
    health: Health,
}

impl Reporter {
    pub(super) fn new(observer: Arc<dyn Observer>, clock: Arc<dyn Clock>) -> Self {
        Self { observer, clock, health: Health::default() }
    }

    pub(super) fn health(&self, customer: &CustomerName) -> Vec<ServiceHealth> {
        self.health.of(customer)
    }

    pub(super) fn call_ended(
        &self,
        customer: &Customer,
        call: &Call,
        result: &Result<Reply, Error>,
        started: Instant,
    ) {
        let result = result.as_ref().map(|reply| reply.status);
        self.ended(customer, call.operation, call.service, result, started);
    }

    /// Takes note of a call that was passed on: of its answer's head, whatever it says.
    pub(super) fn passed(
        &self,
        customer: &Customer,
        operation: &'static str,
        service: Service,
        result: Result<StatusCode, &Error>,
        started: Instant,
    ) {
        let refusal = result.ok().and_then(refusal).map(|kind| {
            let mut error = Error::new(kind, operation, service, customer.region.clone());
            error.status = result.ok().map(|status| status.as_u16());
            error
        });
        let result = refusal.as_ref().map_or(result, Err);
        self.ended(customer, operation, service, result, started);
    }

    fn ended(
        &self,
        customer: &Customer,
        operation: &'static str,
        service: Service,
        result: Result<StatusCode, &Error>,
        started: Instant,
    ) {
        let (outcome, status) = match result {
            Ok(status) => ("ok", Some(status.as_u16())),
            Err(error) => (error.kind.code(), error.status),
        };
        match result.map_or_else(verdict, |_| Verdict::Works) {
            Verdict::Works => self.note(&customer.name, service, None),
            Verdict::Fails => self.note(&customer.name, service, Some(outcome)),
            Verdict::NotAsked => {}
        }
        self.observer.call_ended(&ObservedCall {
            operation,
            service,
            place: &customer.region.clone().into(),
            customer: Some(&customer.name),
            outcome,
            status,
            duration: started.elapsed(),
        });
    }

    pub(super) fn token_request_ended(
        &self,
        region: &RegionName,
        customer: &CustomerName,
        result: &Result<Minted, MintFailure>,
        started: Instant,
    ) {
        let failure = result.as_ref().err().map(|failure| match failure.class {
            FailureClass::Transient => ErrorKind::Unavailable { retry_after: None }.code(),
            FailureClass::Throttled => ErrorKind::RateLimited { retry_after: None }.code(),
            FailureClass::Credential => ErrorKind::RejectedCredentials.code(),
            FailureClass::Configuration => ErrorKind::Failed.code(),
        });
        self.note(customer, Service::Token, failure);
        self.observer.call_ended(&ObservedCall {
            operation: "token.mint",
            service: Service::Token,
            place: &region.clone().into(),
            customer: Some(customer),
            outcome: failure.unwrap_or("ok"),
            status: match result {
                Ok(_) => Some(200),
                Err(failure) => failure.status,
            },
            duration: started.elapsed(),
        });
    }

    /// Takes note of an exchange with a store.
    pub(super) fn store_call_ended(&self, call: &ObservedCall<'_>) {
        self.observer.call_ended(call);
    }

    fn note(&self, customer: &CustomerName, service: Service, failure: Option<&'static str>) {
        self.health.note(customer, service, failure, || self.clock.now());
    }
}

/// What an error tells of the service's health.
enum Verdict {
    Works,
    Fails,
    NotAsked,
}

fn verdict(error: &Error) -> Verdict {
    match error.kind {
        // It answered, and the answer was about the request.
        ErrorKind::NotFound
        | ErrorKind::ActionNotSupported
        | ErrorKind::InMaintenanceMode
        | ErrorKind::ActionInProgress
        | ErrorKind::Hibernated
        | ErrorKind::SessionExpired
        | ErrorKind::SignInRefused => Verdict::Works,
        ErrorKind::Failed if error.status.is_some_and(|status| (400..500).contains(&status)) => {
            Verdict::Works
        }
        ErrorKind::Unavailable { .. }
        | ErrorKind::TimedOut
        | ErrorKind::Failed
        | ErrorKind::Forbidden
        | ErrorKind::RejectedCredentials
        | ErrorKind::RateLimited { .. }
        | ErrorKind::Malformed
        | ErrorKind::OutcomeUnknown => Verdict::Fails,
        ErrorKind::TokenUnavailable { .. }
        | ErrorKind::Quarantined { .. }
        | ErrorKind::Overloaded { .. }
        | ErrorKind::DeadlineExceeded
        | ErrorKind::NotConfigured
        | ErrorKind::RequestBody(_) => Verdict::NotAsked,
    }
}

/// What a status means where the body is not read; `None` for a success.
fn refusal(status: StatusCode) -> Option<ErrorKind> {
    match status.as_u16() {
        ..400 => None,
        403 => Some(ErrorKind::Forbidden),
        404 => Some(ErrorKind::NotFound),
        429 => Some(ErrorKind::RateLimited { retry_after: None }),
        503 => Some(ErrorKind::Unavailable { retry_after: None }),
        504 => Some(ErrorKind::TimedOut),
        530 => Some(ErrorKind::Hibernated),
        _ => Some(ErrorKind::Failed),
    }
}
