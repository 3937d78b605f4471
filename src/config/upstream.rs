use std::time::Duration;

/// Bounds and timings of calls to Citrix.
#[derive(Clone, Debug)]
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
    /// Timings of token handling.
    pub token: TokenSettings,
}

/// Timings of token handling.
#[derive(Clone, Debug)]
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
