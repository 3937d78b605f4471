//! HTTP caching (RFC 9110 section 8.8, RFC 9111, RFC 9211): what a caller asks of our cache, and
//! what it is told for its own.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http_body_util::BodyExt;

use crate::domain::{CallContext, Freshness, ReadSource, Readings};

/// How recent the answer must be (`Cache-Control`). What makes no sense is passed over.
pub(super) fn freshness(headers: &HeaderMap) -> Freshness {
    let (mut most, mut only_kept) = (None::<Duration>, false);
    let values = headers.get_all(header::CACHE_CONTROL).into_iter();
    for directive in values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let limit = match name.trim().to_ascii_lowercase().as_str() {
            "no-cache" | "no-store" => Some(Duration::ZERO),
            "max-age" => value.trim().trim_matches('"').parse().ok().map(Duration::from_secs),
            "only-if-cached" => {
                only_kept = true;
                None
            }
            _ => None,
        };
        most = limit.map_or(most, |limit| Some(most.map_or(limit, |most| most.min(limit))));
    }
    match most {
        _ if only_kept => Freshness::OnlyIfCached(most),
        None => Freshness::Any,
        Some(Duration::ZERO) => Freshness::Fresh,
        Some(most) => Freshness::MaxAge(most),
    }
}

/// What is to be compared with the answer.
pub(super) struct Conditions {
    reads: bool,
    if_none_match: Option<String>,
}

impl Conditions {
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::IF_NONE_MATCH).into_iter();
        let tags: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        let reads = matches!(*method, Method::GET | Method::HEAD);
        Self { reads, if_none_match: (!tags.is_empty()).then(|| tags.join(",")) }
    }

    /// Completes the answer to a reading call: how old it is and where it came from, for how long
    /// the caller may keep it, and only that much if the caller has the same already.
    pub(super) async fn complete(self, ctx: &CallContext, response: Response) -> Response {
        let streams = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_none_or(|kind| !kind.as_bytes().starts_with(b"application/json"));
        if !self.reads || response.status() != StatusCode::OK || streams {
            return response;
        }
        let mut response = tagged(response).await;
        let headers = response.headers_mut();
        let readings = ctx.readings();
        if let Some(readings) = &readings {
            tell(readings, headers);
        }
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, keep(readings.as_ref()));
        }
        if self.is_known(headers.get(header::ETAG)) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(header::CONTENT_TYPE);
            response.headers_mut().remove(header::CONTENT_LENGTH);
            *response.body_mut() = Body::empty();
        }
        response
    }

    /// Whether the caller has this already: tags are compared weakly (RFC 9110, section 13.1.2).
    fn is_known(&self, tag: Option<&HeaderValue>) -> bool {
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let (Some(wanted), Some(tag)) = (&self.if_none_match, tag) else { return false };
        let Ok(tag) = tag.to_str() else { return false };
        wanted.split(',').any(|one| one.trim() == "*" || opaque(one) == opaque(tag))
    }
}

/// A weak tag over what does not change unless the answer does.
pub(super) fn tag(parts: &[&[u8]]) -> Option<HeaderValue> {
    let mut digest = Context::new(&SHA256);
    for part in parts {
        digest.update(&part.len().to_be_bytes());
        digest.update(part);
    }
    let digest = digest.finish();
    let short = digest.as_ref().get(..16)?;
    HeaderValue::try_from(format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(short))).ok()
}

/// The answer with a tag, if it has a body that is all there.
async fn tagged(response: Response) -> Response {
    let whole = response.body().size_hint().exact().is_some_and(|length| length > 0);
    if !whole || response.headers().contains_key(header::ETAG) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = body.collect().await else {
        // Cannot happen: a body that is all there does not break off.
        return Response::from_parts(parts, Body::empty());
    };
    let body = body.to_bytes();
    if let Some(tag) = tag(&[&body]) {
        parts.headers.insert(header::ETAG, tag);
    }
    Response::from_parts(parts, Body::from(body))
}

/// Says where the answer came from (RFC 9211) and how old it is.
fn tell(readings: &Readings, headers: &mut HeaderMap) {
    let Readings { worst, hits, misses, stale } = readings;
    let (left, over) = (worst.fresh_for.as_secs(), worst.stale_for.as_secs());
    let said = match worst.source {
        _ if *misses > 0 && hits + stale > 0 => {
            format!("cwsgate; fwd=partial; detail=\"hit={hits}, miss={misses}, stale={stale}\"")
        }
        ReadSource::Hit => format!("cwsgate; hit; ttl={left}"),
        ReadSource::Joined => "cwsgate; fwd=miss; collapsed".to_owned(),
        ReadSource::Miss => format!("cwsgate; fwd=miss; stored; ttl={left}"),
        ReadSource::Requested => format!("cwsgate; fwd=request; stored; ttl={left}"),
        ReadSource::Bypassed => "cwsgate; fwd=bypass".to_owned(),
        ReadSource::Renewing => {
            format!("cwsgate; hit; ttl=-{over}; detail=\"stale-while-revalidate\"")
        }
        ReadSource::Fallback => {
            format!("cwsgate; fwd=stale; ttl=-{over}; detail=\"stale-if-error\"")
        }
    };
    if let Ok(said) = HeaderValue::try_from(said) {
        headers.insert(CACHE_STATUS, said);
    }
    // Absent where Citrix was asked for all of it (RFC 9111, section 5.1).
    if hits + stale > 0 {
        headers.insert(header::AGE, HeaderValue::from(worst.age.as_secs()));
    }
}

/// How long the caller may keep the answer: as long as we would, but for a change of grants.
fn keep(readings: Option<&Readings>) -> HeaderValue {
    let left = readings.map_or(0, |all| all.worst.fresh_for.min(LONGEST).as_secs());
    if left == 0 {
        return HeaderValue::from_static("private, no-cache");
    }
    // Its age counts against it.
    let age = readings.map_or(0, |all| all.worst.age.as_secs());
    HeaderValue::try_from(format!("private, max-age={}", age + left))
        .unwrap_or(HeaderValue::from_static("private, no-cache"))
}

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Longest that a caller may keep an answer without asking again.
const LONGEST: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(values: &[&str]) -> Freshness {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CACHE_CONTROL, value.parse().unwrap());
        }
        freshness(&headers)
    }

    #[test]
    fn cache_control_says_how_recent_an_answer_must_be() {
        let seconds = Duration::from_secs;
        for (values, freshness) in [
            (&[][..], Freshness::Any),
            (&["no-cache"], Freshness::Fresh),
            (&["No-Store, max-age=9"], Freshness::Fresh),
            (&["max-age=0"], Freshness::Fresh),
            (&["max-age=7"], Freshness::MaxAge(seconds(7))),
            (&["max-age=\"7\"", "max-age=3"], Freshness::MaxAge(seconds(3))),
            (&["max-age=soon, private, x=y, ,"], Freshness::Any),
            (&["only-if-cached"], Freshness::OnlyIfCached(None)),
            (&["ONLY-IF-CACHED ,max-age=4"], Freshness::OnlyIfCached(Some(seconds(4)))),
        ] {
            assert_eq!(wanted(values), freshness, "{values:?}");
        }
    }

    #[test]
    fn tags_are_compared_weakly_and_each_of_a_list_counts() {
        let known = |value: &str, tag: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
            let tag = HeaderValue::from_static(tag);
            Conditions::of(&Method::GET, &headers).is_known(Some(&tag))
        };
        assert!(known("W/\"a\"", "W/\"a\""));
        assert!(known("\"x\", \"a\"", "W/\"a\""));
        assert!(known("*", "W/\"a\""));
        assert!(!known("\"b\"", "W/\"a\""));
        assert!(!known("a", "W/\"a\""));
    }

    #[test]
    fn no_part_of_a_tag_slides_into_its_neighbour() {
        assert_ne!(tag(&[b"ab", b"c"]), tag(&[b"a", b"bc"]));
        assert_eq!(tag(&[b"ab"]), tag(&[b"ab"]));
    }
}
