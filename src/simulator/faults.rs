//! Rules that make chosen requests go wrong.
//!
//! The first rule that matches and has an ending effect decides; latencies of the matching rules
//! before it add up.

use std::collections::BTreeMap;

use axum::http::Method;
use serde::{Deserialize, Serialize};

use super::errors::{self, Parameters};
use super::http::{Reply, Transaction};
use super::storefront::Document;

/// One rule as it is written to `POST /_sim/faults`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct FaultRule {
    /// Which requests; empty means all.
    #[serde(rename = "match")]
    pub matches: FaultMatch,
    /// How often it works; absent means for ever.
    pub times: Option<u32>,
    /// Do what was asked first, then fail. Only for an ending effect.
    pub after_effect: bool,
    /// Wait this long (real milliseconds, at most ten minutes). Alone it does not end the request.
    pub latency_ms: u32,
    /// Answer with this status.
    pub status: Option<u16>,
    /// With this body instead of the style's.
    pub body: Option<String>,
    /// With these headers too.
    pub headers: BTreeMap<String, String>,
    /// In this error family: `A`, `B`, `C`, `D`, `E` or `edge` (default).
    pub style: Option<FaultStyle>,
    /// Never answer.
    pub hang: bool,
    /// Declare the whole length, send this many bytes, close.
    pub cut_body: Option<usize>,
    /// Send the body in ten pieces, with this pause (real milliseconds) before each.
    pub slow_body_ms: u32,
    /// Close the connection without an answer.
    pub reset: bool,
    /// Answer 200, JSON by its header, with this text.
    pub garbage: Option<String>,
    /// Answer 200 with this many bytes of JSON.
    pub huge_body: Option<u64>,
    /// Answer 429, the delay written in this form.
    pub rate_limit: Option<RateLimit>,
    /// Write the XML of the right answer so; for `storefront` and `storeauth` only.
    pub document: Option<Document>,
    /// The delay of `rateLimit`, 5 by default.
    pub seconds: Option<u32>,
}

/// Which requests a rule is for; every part that is there must fit.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct FaultMatch {
    /// A region's name; `storefront` for the stores' server.
    pub region: Option<String>,
    /// A customer's id or short name; a store's name for the stores' services.
    pub customer: Option<String>,
    /// `token`, `registry`, `core`, `notifications`, `daas`, `storefront` or `storeauth`.
    pub service: Option<String>,
    /// `GET`, ….
    pub method: Option<String>,
    /// Part of the path as it was sent or decoded, without case.
    pub path_contains: Option<String>,
}

/// The family of an error body.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum FaultStyle {
    /// OAuth2.
    A,
    /// Missing or invalid `CWSAuth` header.
    B,
    /// API guideline.
    C,
    /// API management.
    D,
    /// DaaS `ErrorData`.
    E,
    /// HTML of the edge, without transaction id.
    #[serde(rename = "edge")]
    Edge,
}

/// How a 429 says when to come back.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateLimit {
    /// `Retry-After` in seconds, API management's body.
    RetryAfter,
    /// `Retry-After` as an HTTP date.
    HttpDate,
    /// `Retry-After` as an RFC 3339 time.
    Rfc3339,
    /// `retryDelay` in the guideline body, `parameters` an array.
    RetryDelay,
    /// The same, `parameters` a map.
    RetryDelayMap,
    /// Only in the text.
    Text,
    /// Nowhere.
    None,
}

/// What to ask a rule about.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) region: &'a str,
    /// Id and short name, once the customer is known.
    pub(super) customer: Option<(&'a str, &'a str)>,
    pub(super) service: &'a str,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) decoded_path: &'a str,
}

/// What is to go wrong with one request.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) latency_ms: u64,
    pub(super) rule: Option<FaultRule>,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<(u64, FaultRule)>,
    next: u64,
}

impl Faults {
    /// Adds a rule and returns its id.
    pub(super) fn add(&mut self, rule: FaultRule) -> Result<u64, String> {
        rule.check()?;
        if self.rules.len() >= MAX_RULES {
            return Err(format!("there are {MAX_RULES} rules already"));
        }
        self.next += 1;
        self.rules.push((self.next, rule));
        Ok(self.next)
    }

    pub(super) fn remove(&mut self, id: u64) -> bool {
        let before = self.rules.len();
        self.rules.retain(|(known, _)| *known != id);
        self.rules.len() != before
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn rules(&self) -> &[(u64, FaultRule)] {
        &self.rules
    }

    /// What happens to this request; uses up one of the `times` of every rule that takes part.
    pub(super) fn plan(&mut self, subject: &Subject<'_>) -> Plan {
        let mut plan = Plan::default();
        for (_, rule) in &mut self.rules {
            if rule.times == Some(0) || !rule.matches.fits(subject) {
                continue;
            }
            if let Some(times) = &mut rule.times {
                *times -= 1;
            }
            plan.latency_ms += u64::from(rule.latency_ms);
            if rule.ends() {
                plan.rule = Some(rule.clone());
                break;
            }
        }
        plan.latency_ms = plan.latency_ms.min(MAX_LATENCY_MS);
        plan
    }
}

impl FaultMatch {
    fn fits(&self, subject: &Subject<'_>) -> bool {
        let same = |wanted: &Option<String>, is: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(is))
        };
        let customer = self.customer.is_none()
            || subject
                .customer
                .is_some_and(|(id, name)| same(&self.customer, id) || same(&self.customer, name));
        let part = self.path_contains.as_ref().is_none_or(|part| {
            let part = part.to_lowercase();
            [subject.path, subject.decoded_path].iter().any(|p| p.to_lowercase().contains(&part))
        });
        customer
            && part
            && same(&self.region, subject.region)
            && same(&self.service, subject.service)
            && same(&self.method, subject.method.as_str())
    }
}

impl FaultRule {
    fn endings(&self) -> usize {
        let all = [
            self.status.is_some(),
            self.hang,
            self.reset,
            self.garbage.is_some(),
            self.huge_body.is_some(),
            self.rate_limit.is_some(),
        ];
        all.into_iter().filter(|set| *set).count()
    }

    fn ends(&self) -> bool {
        self.endings() > 0
            || self.cut_body.is_some()
            || self.slow_body_ms > 0
            || self.document.is_some()
    }

    fn check(&self) -> Result<(), String> {
        if self.endings() > 1 {
            return Err(
                "one of `status`, `hang`, `reset`, `garbage`, `hugeBody`, `rateLimit` at a time"
                    .into(),
            );
        }
        if !self.ends() && self.latency_ms == 0 {
            return Err("the rule has no effect: give `latencyMs`, `status`, `hang`, `reset`, \
                        `cutBody`, `slowBodyMs`, `garbage`, `hugeBody`, `document` or `rateLimit`"
                .into());
        }
        if let Some(status) = self.status.filter(|status| !(200..=599).contains(status)) {
            return Err(format!("`status` {status} is not between 200 and 599"));
        }
        let service = self.matches.service.as_deref();
        let stores = service.is_some_and(|s| s.to_ascii_lowercase().starts_with("store"));
        if self.document.is_some() && !stores {
            return Err("`document` is for the services storefront and storeauth".into());
        }
        if let Some(other) = service.filter(|s| !SERVICES.iter().any(|k| k.eq_ignore_ascii_case(s)))
        {
            return Err(format!("there is no service `{other}`: {}", SERVICES.join(", ")));
        }
        Ok(())
    }

    /// Whether the true answer is still needed.
    pub(super) fn applies_request(&self) -> bool {
        self.after_effect || self.endings() == 0
    }

    /// The made-up answer, when the rule has one.
    pub(super) fn reply(&self) -> Option<Reply> {
        let mut reply = if let Some(status) = self.status {
            self.status_reply(status)
        } else if let Some(garbage) = &self.garbage {
            Reply::empty(200).typed("application/json; charset=utf-8", garbage.clone())
        } else {
            let form = self.rate_limit?;
            rate_limited(form, self.seconds.unwrap_or(5))
        };
        for (name, value) in &self.headers {
            if let Ok(name) = axum::http::HeaderName::try_from(name.as_str()) {
                reply.headers.retain(|(known, _)| *known != name);
                reply.headers.push((name, value.clone()));
            }
        }
        Some(reply)
    }

    fn status_reply(&self, status: u16) -> Reply {
        let text = "Simulated fault";
        let array = Parameters::Array;
        let reply = match self.style.unwrap_or(FaultStyle::Edge) {
            FaultStyle::A => {
                let error = if status == 400 { "invalid_client" } else { "server_error" };
                errors::oauth(status, error, text)
            }
            FaultStyle::B => Reply { status, ..errors::cws_auth() },
            FaultStyle::C => errors::guideline(status, guideline_kind(status), text, &[], array),
            FaultStyle::D => errors::management(status, text),
            FaultStyle::E => errors::daas(status, "UnknownError", text),
            FaultStyle::Edge => errors::edge(status),
        };
        match &self.body {
            Some(body) => {
                let kind = if body.trim_start().starts_with(['{', '[']) {
                    "application/json"
                } else {
                    "text/html"
                };
                reply.typed(kind, body.clone())
            }
            None => reply,
        }
    }
}

fn guideline_kind(status: u16) -> &'static str {
    match status {
        401 => "common/authentication",
        403 => "common/authorization",
        404 => "common/notFound",
        409 => "common/optimisticConcurrency",
        429 => "common/rateLimitExceeded",
        503 => "common/serviceUnavailable",
        _ => "common/unknown",
    }
}

fn rate_limited(form: RateLimit, seconds: u32) -> Reply {
    let management = || {
        let text = format!("Rate limit is exceeded. Try again in {seconds} seconds.");
        errors::management(429, &text)
    };
    let guideline = |parameters: &[(&str, &str)], style| {
        let detail = format!("Rate limit exceeded; try again in {seconds} seconds");
        errors::guideline(429, "common/rateLimitExceeded", &detail, parameters, style)
    };
    // A date is compared with the reader's own clock, so it is real time.
    let later = jiff::Timestamp::now().as_second().saturating_add(i64::from(seconds));
    let later = jiff::Timestamp::from_second(later).unwrap_or_default();
    let delay = seconds.to_string();
    match form {
        RateLimit::RetryAfter => management().header("retry-after", delay),
        RateLimit::HttpDate => {
            let date = later.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            management().header("retry-after", date)
        }
        RateLimit::Rfc3339 => management().header("retry-after", later.to_string()),
        RateLimit::RetryDelay => guideline(&[("retryDelay", &delay)], Parameters::Array),
        RateLimit::RetryDelayMap => guideline(&[("retryDelay", &delay)], Parameters::Map),
        RateLimit::Text => guideline(&[], Parameters::Array),
        RateLimit::None => {
            let mut reply = errors::management(429, "Rate limit is exceeded.");
            reply.transaction = Transaction::Citrix;
            reply
        }
    }
}

/// The services that a rule may name.
pub(super) const SERVICES: [&str; 8] =
    ["token", "registry", "core", "notifications", "daas", "storefront", "storeauth", "other"];
const MAX_RULES: usize = 1000;
const MAX_LATENCY_MS: u64 = 600_000;
