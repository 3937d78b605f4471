//! What was asked: the last requests, and counts that never wrap around.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::{Value, json};

/// One request as `GET /_sim/requests` shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) time: String,
    pub(super) region: String,
    pub(super) service: &'static str,
    pub(super) operation: String,
    /// The customer's short name.
    pub(super) customer: Option<String>,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    /// `[name, value]` in the order of arrival; credentials as the start of their SHA-256.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body_bytes: usize,
    /// `null` until there is an answer, and for good when the connection was dropped.
    pub(super) status: Option<u16>,
    /// A fault rule took part.
    pub(super) fault: bool,
}

/// Power actions on one machine.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct PowerCount {
    /// How often it was asked for.
    pub(super) requests: u64,
    /// How often the broker took it and began something.
    pub(super) applied: u64,
}

/// The log and the counters.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    entries: VecDeque<Entry>,
    next: u64,
    counts: BTreeMap<(&'static str, String, String), u64>,
    power: BTreeMap<String, BTreeMap<&'static str, PowerCount>>,
}

impl RequestLog {
    /// Counts a request and keeps it; returns its number.
    pub(super) fn arrived(&mut self, mut entry: Entry) -> u64 {
        let customer = entry.customer.clone().unwrap_or_else(|| "-".to_owned());
        let key = (entry.service, customer, entry.operation.clone());
        if self.counts.len() < MAX_COUNTS || self.counts.contains_key(&key) {
            *self.counts.entry(key).or_default() += 1;
        }
        self.next += 1;
        entry.number = self.next;
        entry.path = short(&entry.path, MAX_TEXT);
        entry.query = short(&entry.query, MAX_TEXT);
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.next
    }

    /// Notes how a request was answered.
    pub(super) fn answered(&mut self, number: u64, status: u16) {
        let Some(first) = self.entries.front().map(|entry| entry.number) else { return };
        let at = number.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) {
            entry.status = Some(status);
        }
    }

    pub(super) fn power_requested(&mut self, machine: &str, action: &'static str) {
        self.power.entry(machine.to_owned()).or_default().entry(action).or_default().requests += 1;
    }

    pub(super) fn power_applied(&mut self, machine: &str, action: &'static str) {
        self.power.entry(machine.to_owned()).or_default().entry(action).or_default().applied += 1;
    }

    /// The last `limit` requests, newest first.
    pub(super) fn recent(&self, limit: usize) -> Vec<Entry> {
        self.entries.iter().rev().take(limit).cloned().collect()
    }

    /// Counts nested as service, customer, operation.
    pub(super) fn counts(&self) -> Value {
        let mut nested = json!({});
        for ((service, customer, operation), count) in &self.counts {
            nested[service][customer][operation] = json!(count);
        }
        nested
    }

    pub(super) fn power(&self) -> &BTreeMap<String, BTreeMap<&'static str, PowerCount>> {
        &self.power
    }

    pub(super) fn total(&self) -> u64 {
        self.next
    }
}

/// Names and values of headers, without what could be used to sign in.
pub(super) fn redacted(headers: &HeaderMap) -> Vec<(String, String)> {
    let shown = headers.iter().take(MAX_HEADERS).map(|(name, value)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let text = if SECRET_HEADERS.contains(&name.as_str()) {
            hide(&text)
        } else {
            short(&text, MAX_TEXT)
        };
        (name.as_str().to_owned(), text)
    });
    shown.collect()
}

/// Keeps the scheme and replaces the credential by the start of its hash.
fn hide(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let ends = ["bearer=", "bearer ", "basic ", "citrixauth "]
        .iter()
        .filter_map(|scheme| lower.find(scheme).map(|at| at + scheme.len()));
    let at = ends.max().unwrap_or_default();
    let hash = digest(&SHA256, &text.as_bytes()[at..]);
    let mut shown = format!("{}sha256:", &text[..at]);
    for byte in &hash.as_ref()[..6] {
        // Writing to a string cannot fail.
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

fn short(text: &str, max: usize) -> String {
    let end = text.char_indices().nth(max).map_or(text.len(), |(at, _)| at);
    text[..end].to_owned()
}

const SECRET_HEADERS: [&str; 7] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-admincredential",
    "x-accesstoken",
    "x-api-key",
    "cwsgate-store-token",
];
const MAX_ENTRIES: usize = 5000;
const MAX_COUNTS: usize = 50_000;
const MAX_HEADERS: usize = 64;
const MAX_TEXT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_credential_is_shown_by_its_hash_only() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("CwsAuth Bearer=eyJ.secret.x"));
        headers.insert("accept", HeaderValue::from_static("application/json"));
        let shown = redacted(&headers);
        assert_eq!(shown[1], ("accept".to_owned(), "application/json".to_owned()));
        assert!(shown[0].1.starts_with("CwsAuth Bearer=sha256:"), "{}", shown[0].1);
        assert!(!shown[0].1.contains("secret"));
    }
}
