use crate::{
    domain::CustomerName,
    telemetry::Metrics,
    upstream::{GuardEvent, GuardEventKind, ObservedCall, Observer, Service},
};

/// Counts what is asked of Citrix.
#[derive(Debug)]
pub(super) struct UpstreamMetrics(pub(super) Metrics);

impl Observer for UpstreamMetrics {
    fn call_ended(&self, call: &ObservedCall<'_>) {
        let region = call.place.name();
        if call.service == Service::Token {
            self.0.record_token_mint(region, call.outcome);
        }
        self.0.record_upstream(call.service.as_str(), region, call.outcome, call.duration);
        tracing::debug!(
            duration_ms = super::millis(call.duration),
            cwsgate.upstream.service = call.service.as_str(),
            cwsgate.upstream.operation = call.operation,
            cwsgate.region = region,
            cwsgate.customer = call.customer.map(CustomerName::as_str),
            http.response.status_code = call.status,
            outcome = call.outcome,
            "upstream call"
        );
    }

    fn guarded(&self, event: &GuardEvent<'_>) {
        let (guards, service, region) =
            (self.0.guards(), event.service.as_str(), event.place.name());
        match event.kind {
            GuardEventKind::Admitted(waited) => guards.admitted(service, region, waited),
            GuardEventKind::Left => guards.left(service, region),
            GuardEventKind::Refused(reason) => guards.refused(service, region, reason),
            GuardEventKind::Retried => guards.retried(service, region),
            GuardEventKind::NotRetried(reason) => guards.not_retried(service, region, reason),
            GuardEventKind::CooledDown => guards.cooled_down(service, region),
            GuardEventKind::Breaker(scope, state) => {
                guards.breaker_moved(scope.as_str(), service, region, state.as_str());
            }
        }
    }
}
