//! One request as the services see it, and one reply.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::Serialize;

/// A request, read whole.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The path as it came, still encoded.
    pub(super) path: String,
    /// Its segments, decoded.
    pub(super) segments: Vec<String>,
    /// The query as it came.
    pub(super) raw_query: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Which listener it came to.
    pub(super) region: usize,
    /// `http://host:port` as the caller wrote it.
    pub(super) base: String,
}

impl Request {
    /// The value of a query parameter, by its name without case.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.query(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The value of a header, when it is readable text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The media type and its parameters, in lower case without spaces.
    pub(super) fn content_type(&self) -> Option<String> {
        let raw = self.header("content-type")?;
        Some(raw.to_ascii_lowercase().replace(' ', ""))
    }
}

/// Splits a path into decoded segments; `None` when a percent code is no UTF-8.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    let raw = path.split('/').filter(|segment| !segment.is_empty());
    raw.map(|segment| percent_decode_str(segment).decode_utf8().ok().map(Cow::into_owned)).collect()
}

/// Reads a query string the way web forms are read (`+` is a space).
pub(super) fn form_pairs(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().take(MAX_PAIRS).collect()
}

/// Which transaction header a reply carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transaction {
    /// `Citrix-TransactionId`: the API gateway and DaaS.
    Citrix,
    /// `X-Cws-TransactionId`: tokens and platform services.
    Cws,
    /// None at all: the edge.
    Absent,
}

/// A reply before it is written.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Bytes,
    pub(super) transaction: Transaction,
}

impl Reply {
    /// A reply without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), transaction: Transaction::Citrix }
    }

    /// A JSON reply of DaaS or the API gateway.
    pub(super) fn json(status: u16, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self::empty(status).typed("application/json; charset=utf-8", body)
    }

    /// Sets the body and what it is.
    pub(super) fn typed(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.headers.retain(|(name, _)| name != "content-type");
        self.body = body.into();
        self.header("content-type", content_type)
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }

    /// The same as an answer of a platform service.
    pub(super) fn platform(mut self) -> Self {
        self.transaction = Transaction::Cws;
        self
    }

    /// The answer to send. `transaction` is the caller's id or a new one.
    pub(super) fn into_response(self, transaction: &str) -> Response<Body> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = status;
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().append(name, value);
            }
        }
        let name = match self.transaction {
            Transaction::Citrix => Some("citrix-transactionid"),
            Transaction::Cws => Some("x-cws-transactionid"),
            Transaction::Absent => None,
        };
        if let (Some(name), Ok(value)) = (name, HeaderValue::from_str(transaction)) {
            response.headers_mut().insert(name, value);
        }
        mark(&mut response);
        response
    }
}

/// Says on an answer that no real Citrix wrote it.
pub(super) fn mark(response: &mut Response<Body>) {
    response
        .headers_mut()
        .insert("cwsgate-upstream", const { HeaderValue::from_static("simulator") });
}

const MAX_PAIRS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_one_by_one() {
        let decoded = segments("/cvad/manage/Machines/LAB%7COSPREY/%24reboot");
        assert_eq!(
            decoded.as_deref(),
            Some(&["cvad", "manage", "Machines", "LAB|OSPREY", "$reboot"].map(str::to_owned)[..])
        );
        assert_eq!(segments("/%ff"), None);
    }
}
