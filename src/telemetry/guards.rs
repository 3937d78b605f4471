use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// What the guards before the upstreams do with calls. A region is a configured name (of a region
/// or a store), everything else comes from a closed set.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    in_flight: Family<PlaceLabels, Gauge>,
    queue: Queue,
    refused: Family<ReasonLabels, Counter>,
    retries: Family<PlaceLabels, Counter>,
    not_retried: Family<ReasonLabels, Counter>,
    cooldowns: Family<PlaceLabels, Counter>,
    breakers: Family<BreakerLabels, Counter>,
}

#[derive(Clone, Debug)]
struct Queue(Family<PlaceLabels, Histogram, fn() -> Histogram>);

/// An upstream: a service in a region.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct PlaceLabels {
    service: &'static str,
    region: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ReasonLabels {
    service: &'static str,
    region: String,
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct BreakerLabels {
    scope: &'static str,
    service: &'static str,
    region: String,
    state: &'static str,
}

impl Guards {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let guards = Self::default();
        registry.register(
            "cwsgate_upstream_in_flight",
            "Calls to upstreams that are under way",
            guards.in_flight.clone(),
        );
        registry.register_with_unit(
            "cwsgate_upstream_queue_duration",
            "Time that calls waited for their slot",
            Unit::Seconds,
            guards.queue.0.clone(),
        );
        registry.register(
            "cwsgate_upstream_refused",
            "Calls that were not made: cooldown, open breaker, full queue, deadline",
            guards.refused.clone(),
        );
        registry.register(
            "cwsgate_upstream_retries",
            "Attempts after the first",
            guards.retries.clone(),
        );
        registry.register(
            "cwsgate_upstream_not_retried",
            "Calls that might have been tried again, and were not for want of time or budget",
            guards.not_retried.clone(),
        );
        registry.register(
            "cwsgate_upstream_cooldowns",
            "Times that an upstream said 429",
            guards.cooldowns.clone(),
        );
        registry.register(
            "cwsgate_upstream_breaker_changes",
            "Circuit breakers that opened or closed",
            guards.breakers.clone(),
        );
        guards
    }

    /// A call got its slot after waiting for it.
    pub fn admitted(&self, service: &'static str, region: &str, waited: Duration) {
        let place = place(service, region);
        self.in_flight.get_or_create(&place).inc();
        self.queue.0.get_or_create(&place).observe(waited.as_secs_f64());
    }

    /// A call gave its slot back.
    pub fn left(&self, service: &'static str, region: &str) {
        self.in_flight.get_or_create(&place(service, region)).dec();
    }

    /// A call was not made.
    pub fn refused(&self, service: &'static str, region: &str, reason: &'static str) {
        let labels = ReasonLabels { service, region: region.to_owned(), reason };
        self.refused.get_or_create(&labels).inc();
    }

    /// A call is made again.
    pub fn retried(&self, service: &'static str, region: &str) {
        self.retries.get_or_create(&place(service, region)).inc();
    }

    /// A call is not made again, although it might have been.
    pub fn not_retried(&self, service: &'static str, region: &str, reason: &'static str) {
        let labels = ReasonLabels { service, region: region.to_owned(), reason };
        self.not_retried.get_or_create(&labels).inc();
    }

    /// An upstream said 429.
    pub fn cooled_down(&self, service: &'static str, region: &str) {
        self.cooldowns.get_or_create(&place(service, region)).inc();
    }

    /// A breaker moved to another state.
    pub fn breaker_moved(
        &self,
        scope: &'static str,
        service: &'static str,
        region: &str,
        state: &'static str,
    ) {
        let labels = BreakerLabels { scope, service, region: region.to_owned(), state };
        self.breakers.get_or_create(&labels).inc();
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self(Family::new_with_constructor(histogram as fn() -> _))
    }
}

fn place(service: &'static str, region: &str) -> PlaceLabels {
    PlaceLabels { service, region: region.to_owned() }
}

fn histogram() -> Histogram {
    Histogram::new([0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0])
}

#[cfg(test)]
mod tests {
    use crate::telemetry::Metrics;

    #[test]
    fn what_guards_do_is_rendered() {
        let metrics = Metrics::new();
        let guards = metrics.guards();
        guards.admitted("daas", "us", std::time::Duration::from_secs(1));
        guards.admitted("daas", "us", std::time::Duration::ZERO);
        guards.left("daas", "us");
        guards.refused("daas", "us", "cooldown");
        guards.retried("daas", "us");
        guards.not_retried("daas", "us", "budget");
        guards.cooled_down("daas", "us");
        guards.breaker_moved("customer", "daas", "us", "open");
        let (_, text) = metrics.render();
        let place = r#"service="daas",region="us""#;
        for line in [
            format!("cwsgate_upstream_in_flight{{{place}}} 1\n"),
            format!("cwsgate_upstream_queue_duration_seconds_sum{{{place}}} 1.0\n"),
            format!("cwsgate_upstream_refused_total{{{place},reason=\"cooldown\"}} 1\n"),
            format!("cwsgate_upstream_retries_total{{{place}}} 1\n"),
            format!("cwsgate_upstream_not_retried_total{{{place},reason=\"budget\"}} 1\n"),
            format!("cwsgate_upstream_cooldowns_total{{{place}}} 1\n"),
            format!(
                "cwsgate_upstream_breaker_changes_total{{scope=\"customer\",{place},state=\"open\"}} 1\n"
            ),
        ] {
            assert!(text.contains(&line), "{line} in {text}");
        }
    }
}
