use std::time::Duration;

use super::{ResilienceSettings, reader::Section};

/// Bounds and timings of calls to Citrix.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    /// Time to reach a host, TLS included.
    pub connect_timeout: Duration,
    /// Time a host may stay silent in the middle of an answer.
    pub read_timeout: Duration,
    /// Bytes of an answer that are read at most.
    pub max_body_bytes: usize,
    /// Sources that one fan-out asks at the same time.
    pub max_fanout: usize,
    /// First pause before a job is looked at again; doubles up to `job_poll_max`.
    pub job_poll_min: Duration,
    /// Longest pause between two looks at a job.
    pub job_poll_max: Duration,
    /// How long a site that was found hibernated is left out of lists over many.
    pub hibernated_recheck: Duration,
    /// Timings of token handling.
    pub token: TokenSettings,
    /// Retries, cooldowns, slots and breakers.
    pub resilience: ResilienceSettings,
}

/// Timings of token handling.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenSettings {
    /// Time one token request may take.
    pub mint_timeout: Duration,
    /// Part of a token's life after which it is renewed (between 0.75 and 0.85, with jitter).
    pub refresh_at: f64,
    /// Life assumed when the token service does not say.
    pub default_life: Duration,
    /// A token is not used in the last part of its life: the larger of this and 5 %.
    pub margin: Duration,
    /// First pause after a transient failure.
    pub backoff_min: Duration,
    /// Longest pause after transient failures.
    pub backoff_max: Duration,
    /// Time between two probes of a quarantined credential.
    pub quarantine_probe: Duration,
    /// Pause of a credential whose fresh token was refused.
    pub rejected_pause: Duration,
}

impl UpstreamSettings {
    pub(super) fn read(
        section: &Section<'_>,
        token: &Section<'_>,
        resilience: ResilienceSettings,
    ) -> Self {
        let (job_poll_min, job_poll_max) = section.range("job_poll_min", "job_poll_max");
        Self {
            connect_timeout: section.duration("connect_timeout", MS * 100..=MINUTE),
            read_timeout: section.duration("read_timeout", MS * 1_000..=MINUTE * 10),
            max_body_bytes: usize::try_from(section.bytes("max_body_bytes", 1 << 20..=1 << 30))
                .unwrap_or(usize::MAX),
            max_fanout: section.count("max_fanout", 1..=10_000) as usize,
            job_poll_min,
            job_poll_max,
            hibernated_recheck: section.duration("hibernated_recheck", MINUTE..=MINUTE * 60 * 24),
            token: TokenSettings::read(token),
            resilience,
        }
    }
}

impl TokenSettings {
    fn read(section: &Section<'_>) -> Self {
        let (backoff_min, backoff_max) = section.range("backoff_min", "backoff_max");
        Self {
            mint_timeout: section.duration("mint_timeout", MS * 100..=MINUTE * 2),
            refresh_at: section.field("refresh_at").fraction(&(0.75..=0.85)).unwrap_or_default(),
            default_life: section.duration("default_life", MINUTE..=MINUTE * 60),
            margin: section.duration("margin", MS * 1_000..=MINUTE * 10),
            backoff_min,
            backoff_max,
            quarantine_probe: section.duration("quarantine_probe", MINUTE..=MINUTE * 60 * 24),
            rejected_pause: section.duration("rejected_pause", MS * 1_000..=MINUTE * 60),
        }
    }
}

const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_mins(1);
