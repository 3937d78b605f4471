use crate::{
    domain::CustomerName,
    telemetry::Metrics,
    upstream::{ObservedCall, Observer, Service},
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
}
