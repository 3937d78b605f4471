use std::{borrow::Cow, fmt::Write as _};

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Service;
use crate::domain::SiteId;

/// One call to Citrix as a plain value, before any IO.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The call in the vendor's words: names it in errors, logs and metrics.
    pub(super) operation: &'static str,
    pub(super) service: Service,
    pub(super) method: Method,
    /// Path below the service's base, and query: encoded, ready to be appended.
    pub(super) target: String,
    pub(super) body: Option<Bytes>,
    /// Sent as `Citrix-InstanceId`.
    pub(super) site: Option<SiteId>,
    pub(super) effect: Effect,
    /// Whether the path names an object, so that 404 means that it does not exist.
    pub(super) names_object: bool,
}

/// What a call does at the other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    /// Nothing.
    Read,
    /// It changes something: losing the answer leaves the outcome unknown.
    Write,
    /// A power action, which is a write that a machine may refuse with 400.
    Power,
}

impl Call {
    /// A call that reads.
    pub(super) fn get(operation: &'static str, service: Service) -> Self {
        Self {
            operation,
            service,
            method: Method::GET,
            target: String::new(),
            body: None,
            site: None,
            effect: Effect::Read,
            names_object: false,
        }
    }

    /// A POST that changes something.
    pub(super) fn post(operation: &'static str, service: Service) -> Self {
        Self { method: Method::POST, effect: Effect::Write, ..Self::get(operation, service) }
    }

    /// A PATCH.
    pub(super) fn patch(operation: &'static str, service: Service) -> Self {
        Self { method: Method::PATCH, effect: Effect::Write, ..Self::get(operation, service) }
    }

    /// A POST that only reads, such as `$search`.
    pub(super) fn search(operation: &'static str, service: Service) -> Self {
        Self { method: Method::POST, ..Self::get(operation, service) }
    }

    /// Appends segments of the vendor's own, such as `Machines`; `$` stays as it is.
    pub(super) fn path(mut self, literal: &'static str) -> Self {
        self.target.push('/');
        self.target.push_str(literal);
        self
    }

    /// Appends one segment that scopes the call without being what it is about: the customer.
    pub(super) fn within(mut self, segment: &str) -> Self {
        self.push_segment(segment);
        self
    }

    /// Appends an id or a name. Citrix takes `DOMAIN|NAME` in a path where people write
    /// `DOMAIN\NAME`.
    pub(super) fn object(mut self, name_or_id: &str) -> Self {
        self.push_segment(&name_or_id.replace('\\', "|"));
        self.names_object = true;
        self
    }

    /// Appends a query parameter.
    pub(super) fn query<'a>(mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        // A question mark in a segment would be encoded.
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        let value = value.into();
        // Writing to a string cannot fail.
        let _ = write!(self.target, "{name}={}", utf8_percent_encode(&value, ENCODED));
        self
    }

    /// Sends JSON.
    pub(super) fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string().into());
        self
    }

    /// Names the site in `Citrix-InstanceId`.
    pub(super) fn site(mut self, site: &SiteId) -> Self {
        self.site = Some(site.clone());
        self
    }

    /// Marks a power action.
    pub(super) fn power(mut self) -> Self {
        self.effect = Effect::Power;
        self
    }

    pub(super) fn is_write(&self) -> bool {
        self.effect != Effect::Read
    }

    pub(super) fn is_power(&self) -> bool {
        self.effect == Effect::Power
    }

    fn push_segment(&mut self, segment: &str) {
        let _ = write!(self.target, "/{}", utf8_percent_encode(segment, ENCODED));
    }
}

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_segment() {
        let call = Call::get("test", Service::Daas)
            .path("Machines")
            .object(r"LAB\OSPREY/../01?x=1#$é%2e")
            .path("$reboot")
            .query("a", "1&b=2 +")
            .query("async", "true");

        assert_eq!(
            call.target,
            "/Machines/LAB%7COSPREY%2F..%2F01%3Fx%3D1%23%24%C3%A9%252e/$reboot?a=1%26b%3D2%20%2B&async=true"
        );
        assert!(call.names_object);
    }
}
