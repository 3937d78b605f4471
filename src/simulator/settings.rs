//! What a running simulator can be told to do differently.

use serde::{Deserialize, Serialize};

/// Behaviour that may be changed while the simulator runs (`PUT /_sim/settings`).
///
/// Durations are simulated time: they pass with the clock, or at once when the clock is advanced.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each named in the JSON")]
pub struct Settings {
    /// Life of a token in seconds, also what `expires_in` says.
    pub token_lifetime_seconds: u32,
    /// What `expires_in` says instead of the true life, any JSON value.
    pub token_expires_in: Option<serde_json::Value>,
    /// How long a reboot takes from the request until the machine is registered again.
    pub reboot_ms: u32,
    /// How long a start, shutdown, suspend or resume takes.
    pub power_ms: u32,
    /// How long a session takes to go after a log-off.
    pub logoff_ms: u32,
    /// How long a job stays `NotStarted`.
    pub job_start_ms: u32,
    /// How long a job stays `InProgress`.
    pub job_ms: u32,
    /// How long a frozen site takes to wake up after its activation.
    pub activation_ms: u32,
    /// Whether jobs, machines and sessions move on by themselves or only when told.
    pub transitions: Transitions,
    /// Real milliseconds added to every answer of a region.
    pub latency_ms: u32,
    /// Refuse with 406 every `Accept` but exactly `application/json` on gateway paths.
    pub strict_accept: bool,
    /// Refuse a token request whose `Content-Type` has parameters.
    pub strict_token_content_type: bool,
    /// Refuse with 415 a JSON body that is not announced as JSON in UTF-8.
    pub strict_content_type: bool,
    /// A token issued in one region is good in the others of the same cloud.
    pub tokens_cross_regions: bool,
    /// What a region answers for a customer of another region.
    pub wrong_region: WrongRegion,
    /// Refuse a machine search without a filter on `SessionSupport`.
    pub search_requires_session_support: bool,
    /// Find machines also by a name with an encoded backslash (`%5C`) in the path.
    pub accept_encoded_backslash: bool,
    /// Page size of a list without `limit`.
    pub default_limit: u32,
    /// The largest `limit` that is not refused.
    pub max_limit: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token_lifetime_seconds: 3600,
            token_expires_in: None,
            reboot_ms: 2000,
            power_ms: 1000,
            logoff_ms: 500,
            job_start_ms: 100,
            job_ms: 400,
            activation_ms: 2000,
            transitions: Transitions::Auto,
            latency_ms: 0,
            strict_accept: true,
            strict_token_content_type: true,
            strict_content_type: true,
            tokens_cross_regions: true,
            wrong_region: WrongRegion::Deny,
            search_requires_session_support: true,
            accept_encoded_backslash: false,
            default_limit: 250,
            max_limit: 1000,
        }
    }
}

/// Who moves jobs, machines and sessions to their next state.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Transitions {
    /// The simulated clock.
    Auto,
    /// `POST /_sim/transitions`, one step at a time.
    Explicit,
}

/// What a region answers for a customer of another region.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WrongRegion {
    /// 403 with `common/authorization`.
    Deny,
    /// 307 with `common/Redirect` and the right region's address.
    Redirect,
    /// The same as the right region would.
    Serve,
}
