use std::{
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use axum::http::{Method, StatusCode};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use super::Guards;

/// Every number that the gateway counts, and the registry that renders them. Clones are cheap
/// and count into the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Instruments>);

#[derive(Debug)]
struct Instruments {
    registry: Registry,
    request_duration: Family<RequestLabels, Histogram, fn() -> Histogram>,
    active_requests: Gauge<i64, AtomicI64>,
    requests_refused: Family<ReasonLabels, Counter>,
    auth_refusals: Family<AuthRefusalLabels, Counter>,
    connections_open: Gauge<i64, AtomicI64>,
    connections_closed: Family<ReasonLabels, Counter>,
    upstream_duration: Family<UpstreamLabels, Histogram, fn() -> Histogram>,
    token_mints: Family<MintLabels, Counter>,
    fanout_sources: Family<StatusLabels, Counter>,
    guards: Guards,
    cache_reads: Family<CacheLabels, Counter>,
    cache_evictions: Counter,
    cache_bytes: Gauge<i64, AtomicI64>,
    cache_entries: Gauge<i64, AtomicI64>,
    config_reloads: Family<OutcomeLabels, Counter>,
    config_current: Gauge<i64, AtomicI64>,
}

/// A request being answered; dropping it takes it off the gauge.
#[derive(Debug)]
#[must_use = "the request counts as finished when this is dropped"]
pub struct ActiveRequest(Gauge<i64, AtomicI64>);

/// A connection being served; dropping it takes it off the gauge.
#[derive(Debug)]
#[must_use = "the connection counts as closed when this is dropped"]
pub struct OpenConnection(Gauge<i64, AtomicI64>);

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    http_request_method: &'static str,
    http_route: String,
    http_response_status_code: u32,
    error_type: Option<&'static str>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct AuthRefusalLabels {
    credential: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct UpstreamLabels {
    service: &'static str,
    region: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct MintLabels {
    region: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct StatusLabels {
    status: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CacheLabels {
    class: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabels {
    outcome: &'static str,
}

impl Metrics {
    /// All instruments at zero.
    #[expect(clippy::too_many_lines, reason = "one list of what is counted")]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("cwsgate_build", "The version that is running", build);

        let request_duration = Family::new_with_constructor(duration_histogram as fn() -> _);
        registry.register_with_unit(
            "http_server_request_duration",
            "Time from the end of a request's headers to the end of its answer",
            Unit::Seconds,
            request_duration.clone(),
        );
        let active_requests = Gauge::default();
        registry.register(
            "http_server_active_requests",
            "Requests being answered",
            active_requests.clone(),
        );
        let requests_refused = Family::default();
        registry.register(
            "cwsgate_requests_refused",
            "Requests refused before they were routed",
            requests_refused.clone(),
        );
        let auth_refusals = Family::default();
        registry.register(
            "cwsgate_auth_refusals",
            "Callers that were not let in, by what they showed and why it was not accepted",
            auth_refusals.clone(),
        );
        let connections_open = Gauge::default();
        registry.register(
            "cwsgate_connections_open",
            "Connections of callers that are open",
            connections_open.clone(),
        );
        let connections_closed = Family::default();
        registry.register(
            "cwsgate_connections_closed",
            "Connections closed by the gateway, not by the caller",
            connections_closed.clone(),
        );
        let upstream_duration = Family::new_with_constructor(duration_histogram as fn() -> _);
        registry.register_with_unit(
            "cwsgate_upstream_request_duration",
            "Time that one attempt at an upstream took",
            Unit::Seconds,
            upstream_duration.clone(),
        );
        let token_mints = Family::default();
        registry.register("cwsgate_token_mints", "Requests for a token", token_mints.clone());
        let fanout_sources = Family::default();
        registry.register(
            "cwsgate_fanout_sources",
            "Sources of fan-outs by how they answered",
            fanout_sources.clone(),
        );
        let guards = Guards::registered(&mut registry);
        let cache_reads = Family::default();
        registry.register(
            "cwsgate_cache_reads",
            "Reads by where they came from",
            cache_reads.clone(),
        );
        let cache_evictions = Counter::default();
        registry.register(
            "cwsgate_cache_evictions",
            "Answers that were given up early for want of room",
            cache_evictions.clone(),
        );
        let cache_bytes = Gauge::default();
        registry.register_with_unit(
            "cwsgate_cache_size",
            "Memory that kept answers take",
            Unit::Bytes,
            cache_bytes.clone(),
        );
        let cache_entries = Gauge::default();
        registry.register("cwsgate_cache_entries", "Answers that are kept", cache_entries.clone());
        let config_reloads = Family::default();
        registry.register(
            "cwsgate_config_reloads",
            "Readings of the configuration after the first, by whether it was taken over",
            config_reloads.clone(),
        );
        let config_current = Gauge::default();
        config_current.set(1);
        registry.register(
            "cwsgate_config_current",
            "1 while the configuration in force is the one that was read last, 0 after a failure",
            config_current.clone(),
        );
        Self(Arc::new(Instruments {
            registry,
            request_duration,
            active_requests,
            requests_refused,
            auth_refusals,
            connections_open,
            connections_closed,
            upstream_duration,
            token_mints,
            fanout_sources,
            guards,
            cache_reads,
            cache_evictions,
            cache_bytes,
            cache_entries,
            config_reloads,
            config_current,
        }))
    }

    /// What the guards before the upstreams do.
    pub fn guards(&self) -> &Guards {
        &self.0.guards
    }

    /// Counts a request as being answered until the returned value is dropped.
    pub fn request_started(&self) -> ActiveRequest {
        self.0.active_requests.inc();
        ActiveRequest(self.0.active_requests.clone())
    }

    /// Records an answered request. `route` is the template that matched, `None` where none did;
    /// `problem` is the code of what went wrong, where something did.
    pub fn record_request(
        &self,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        problem: Option<&'static str>,
        duration: Duration,
    ) {
        let labels = RequestLabels {
            http_request_method: known_method(method),
            http_route: route.unwrap_or("_OTHER").to_owned(),
            http_response_status_code: u32::from(status.as_u16()),
            error_type: problem,
        };
        self.0.request_duration.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    /// Counts a request that was refused before it was routed.
    pub fn request_refused(&self, reason: &'static str) {
        self.0.requests_refused.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Counts a caller that was not let in. Both words are of closed sets: what it showed, such as
    /// `api_key`, and why that was not accepted, such as `expired_key`.
    pub fn caller_refused(&self, credential: &'static str, reason: &'static str) {
        let labels = AuthRefusalLabels { credential, reason };
        self.0.auth_refusals.get_or_create(&labels).inc();
    }

    /// Counts a connection as open until the returned value is dropped.
    pub fn connection_opened(&self) -> OpenConnection {
        self.0.connections_open.inc();
        OpenConnection(self.0.connections_open.clone())
    }

    /// Counts a connection that the gateway closed for `reason`.
    pub fn connection_closed(&self, reason: &'static str) {
        self.0.connections_closed.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Records one attempt at an upstream: `region` is a configured name, `outcome` one of a
    /// closed set such as `ok`, `timeout`, `unavailable`.
    pub fn record_upstream(
        &self,
        service: &'static str,
        region: &str,
        outcome: &'static str,
        duration: Duration,
    ) {
        let labels = UpstreamLabels { service, region: region.to_owned(), outcome };
        self.0.upstream_duration.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    /// Counts one request for a token.
    pub fn record_token_mint(&self, region: &str, outcome: &'static str) {
        let labels = MintLabels { region: region.to_owned(), outcome };
        self.0.token_mints.get_or_create(&labels).inc();
    }

    /// Counts one source of a fan-out: `ok`, `stale`, `failed` or `skipped`.
    pub fn record_fanout_source(&self, status: &'static str) {
        self.0.fanout_sources.get_or_create(&StatusLabels { status }).inc();
    }

    /// Counts one read of something that can be kept: `hit`, `miss` or `stale`.
    pub fn record_cache_read(&self, class: &'static str, outcome: &'static str) {
        self.0.cache_reads.get_or_create(&CacheLabels { class, outcome }).inc();
    }

    /// Counts one kept answer that had to make room for others.
    pub fn cache_evicted(&self) {
        self.0.cache_evictions.inc();
    }

    /// Notes how much is kept.
    pub fn cache_holds(&self, bytes: u64, entries: u64) {
        self.0.cache_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.0.cache_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// Counts one reload of the configuration.
    pub fn config_reloaded(&self, taken_over: bool) {
        let outcome = if taken_over { "applied" } else { "failed" };
        self.0.config_reloads.get_or_create(&OutcomeLabels { outcome }).inc();
        self.0.config_current.set(i64::from(taken_over));
    }

    /// Everything as OpenMetrics text, with the content type to send it as.
    pub fn render(&self) -> (&'static str, String) {
        let mut text = String::new();
        if encode(&mut text, &self.0.registry).is_err() {
            // Cannot happen: writing into a string does not fail. Half a page would lie.
            text = String::from("# EOF\n");
        }
        (CONTENT_TYPE, text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The method as a label or field: a caller can make up as many methods as it likes.
pub fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => "_OTHER",
    }
}

/// The boundaries that OpenTelemetry advises for HTTP durations, and two for slow actions.
fn duration_histogram() -> Histogram {
    Histogram::new([
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0,
    ])
}

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_help_and_type_and_the_text_ends() {
        let metrics = Metrics::new();
        metrics.record_request(&Method::GET, None, StatusCode::OK, None, Duration::ZERO);
        metrics.record_upstream("daas", "us", "ok", Duration::ZERO);
        metrics.record_token_mint("eu", "ok");
        metrics.record_fanout_source("ok");
        metrics.record_cache_read("machines", "hit");
        metrics.request_refused("bad_request");
        metrics.caller_refused("api_key", "expired_key");
        metrics.connection_closed("header_timeout");
        let (content_type, text) = metrics.render();
        assert!(content_type.starts_with("application/openmetrics-text"));
        for (name, kind) in [
            ("http_server_request_duration_seconds", "histogram"),
            ("http_server_active_requests", "gauge"),
            ("cwsgate_requests_refused", "counter"),
            ("cwsgate_auth_refusals", "counter"),
            ("cwsgate_connections_open", "gauge"),
            ("cwsgate_connections_closed", "counter"),
            ("cwsgate_upstream_request_duration_seconds", "histogram"),
            ("cwsgate_token_mints", "counter"),
            ("cwsgate_fanout_sources", "counter"),
            ("cwsgate_cache_reads", "counter"),
            ("cwsgate_cache_evictions", "counter"),
            ("cwsgate_cache_size_bytes", "gauge"),
            ("cwsgate_cache_entries", "gauge"),
            ("cwsgate_build", "info"),
        ] {
            assert!(text.contains(&format!("# HELP {name} ")), "{name} in {text}");
            assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name} in {text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn what_was_recorded_is_rendered() {
        let metrics = Metrics::new();
        let second = Duration::from_secs(1);
        metrics.record_request(&Method::GET, Some("/v1/machines"), StatusCode::OK, None, second);
        let (gone, absent) = (StatusCode::NOT_FOUND, Some("not_found"));
        metrics.record_request(&Method::GET, Some("/v1/machines"), gone, absent, second);
        metrics.record_upstream("daas", "us", "ok", second);
        metrics.record_token_mint("eu", "credential");
        metrics.record_fanout_source("stale");
        metrics.request_refused("bad_request");
        metrics.caller_refused("api_key", "expired_key");
        metrics.connection_closed("header_timeout");
        let (_, text) = metrics.render();
        for line in [
            "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"/v1/machines\",http_response_status_code=\"200\",error_type=\"\"} 1\n",
            "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"/v1/machines\",http_response_status_code=\"404\",error_type=\"not_found\"} 1\n",
            "cwsgate_upstream_request_duration_seconds_sum{service=\"daas\",region=\"us\",outcome=\"ok\"} 1.0\n",
            "cwsgate_token_mints_total{region=\"eu\",outcome=\"credential\"} 1\n",
            "cwsgate_fanout_sources_total{status=\"stale\"} 1\n",
            "cwsgate_requests_refused_total{reason=\"bad_request\"} 1\n",
            "cwsgate_auth_refusals_total{credential=\"api_key\",reason=\"expired_key\"} 1\n",
            "cwsgate_connections_closed_total{reason=\"header_timeout\"} 1\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn made_up_methods_and_unmatched_paths_share_one_label() {
        let metrics = Metrics::new();
        for method in ["BREW", "get", "PROPFIND"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            metrics.record_request(&method, None, StatusCode::NOT_FOUND, None, Duration::ZERO);
        }
        let (_, text) = metrics.render();
        let count = "http_server_request_duration_seconds_count{http_request_method=\"_OTHER\",http_route=\"_OTHER\",http_response_status_code=\"404\",error_type=\"\"} 3\n";
        assert!(text.contains(count), "{text}");
    }

    #[test]
    fn gauges_go_down_when_the_guard_is_dropped() {
        let metrics = Metrics::new();
        let (request, connection) = (metrics.request_started(), metrics.connection_opened());
        let busy = metrics.render().1;
        assert!(busy.contains("http_server_active_requests 1\n"), "{busy}");
        assert!(busy.contains("cwsgate_connections_open 1\n"), "{busy}");
        drop((request, connection));
        let idle = metrics.render().1;
        assert!(idle.contains("http_server_active_requests 0\n"), "{idle}");
        assert!(idle.contains("cwsgate_connections_open 0\n"), "{idle}");
    }
}
