use std::{borrow::Cow, collections::HashMap};

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use http::{Method, Response, StatusCode, header};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::deed::Deed;
use crate::{
    audit::{Event, Outcome, Target},
    config::Customer,
    domain::ProblemCode,
    services::{Error, core::outcome},
};

/// Citrix's answer to a change, with what it says of the calls in it.
pub(super) struct Told {
    pub(super) answer: Response<Body>,
    /// The status of each item by its reference, of a batch whose answer could be read.
    items: HashMap<String, u16>,
}

/// The part of a batch's answer that tells what became of its items.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchAnswer {
    items: Vec<ItemAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ItemAnswer {
    reference: String,
    code: u16,
}

impl Told {
    /// By an answer that is passed down unread.
    pub(super) fn unread(answer: Response<Body>) -> Self {
        Self { answer, items: HashMap::new() }
    }

    /// By the answer to a batch, which is read as far as it is here before the deadline and within
    /// bounds; what was read is passed down with the rest.
    pub(super) async fn by_batch(answer: Response<Body>, deadline: Instant) -> Self {
        let plain = !answer.headers().contains_key(header::CONTENT_ENCODING);
        if answer.status() != StatusCode::OK || !plain {
            return Self::unread(answer);
        }
        let (head, body) = answer.into_parts();
        let (mut rest, mut read, mut bytes) = (body.into_data_stream(), Vec::new(), 0);
        let all = async {
            while let Some(part) = rest.next().await {
                bytes += part.as_ref().map_or(MAX_ANSWER, Bytes::len);
                read.push(part);
                if bytes >= MAX_ANSWER {
                    return false;
                }
            }
            true
        };
        if !timeout_at(deadline, all).await.unwrap_or(false) {
            let body = Body::from_stream(stream::iter(read).chain(rest));
            return Self::unread(Response::from_parts(head, body));
        }
        let whole: Bytes = read.into_iter().flatten().flatten().collect();
        let said = serde_json::from_slice::<BatchAnswer>(&whole).ok();
        let items = said.into_iter().flat_map(|said| said.items);
        let items = items.map(|item| (item.reference, item.code)).collect();
        Self { answer: Response::from_parts(head, Body::from(whole)), items }
    }
}

/// What a change does and what it does it to, in the words of the typed API where it has them.
/// `segments` are those of DaaS after the site; `path` is the whole as it is sent.
pub(super) fn named(
    method: &Method,
    segments: &[String],
    path: &str,
) -> (Cow<'static, str>, Target) {
    let verb = path.rsplit('/').next().unwrap_or_default();
    let verb = verb.strip_prefix('$').or_else(|| verb.strip_prefix("%24"));
    let action = match verb.map(str::to_ascii_lowercase) {
        Some(verb) if verb == "sendmessage" => "send-message".into(),
        Some(verb) => verb.into(),
        None => method.as_str().to_ascii_lowercase().into(),
    };
    let thing = match segments {
        [collection, id] if !id.starts_with('$') => kind(collection).zip(Some(id)),
        [collection, id, verb] if !id.starts_with('$') && verb.starts_with('$') => {
            kind(collection).zip(Some(id))
        }
        _ => None,
    };
    let target = match thing {
        Some((kind, id)) => {
            let is_id = uuid::Uuid::parse_str(id).is_ok();
            // `DOMAIN|NAME` is how names stand in Citrix's paths.
            let id = if is_id { id.clone() } else { id.replace('|', "\\") };
            let name = (!is_id).then(|| id.clone());
            Target { kind: kind.into(), id, name }
        }
        None => Target { kind: "path".into(), id: path.to_owned(), name: None },
    };
    (action, target)
}

/// A change in Citrix's words, for the record.
pub(super) fn change(customer: &Customer, deed: &Deed) -> Event {
    Event {
        action: deed.verb.clone(),
        customer: Some(customer.name.clone()),
        site: deed.sites.first().map(|site| site.to_ascii_lowercase()),
        target: Some(deed.target.clone()),
        ..Event::default()
    }
}

/// What Citrix's answer says of each of the changes.
pub(super) fn judge(result: &Result<Told, Error>, deeds: &[Deed]) -> Vec<Outcome> {
    let one = |deed: &Deed| match (result, &deed.reference) {
        (Err(_), _) => outcome(result),
        (Ok(told), Some(item)) if told.answer.status() == StatusCode::OK => {
            told.items.get(item).map_or(UNKNOWN, |code| by_status(*code))
        }
        (Ok(told), _) => by_status(told.answer.status().as_u16()),
    };
    deeds.iter().map(one).collect()
}

fn by_status(status: u16) -> Outcome {
    match status {
        ..400 => Outcome::Succeeded,
        // It was not done, nor by a service that does not know it, nor in a frozen site.
        400..=499 | 501 => Outcome::Failed(ProblemCode::UpstreamError),
        530 => Outcome::Failed(ProblemCode::SiteHibernated),
        _ => UNKNOWN,
    }
}

fn kind(collection: &str) -> Option<&'static str> {
    match collection.to_ascii_lowercase().as_str() {
        "machines" => Some("machine"),
        "sessions" => Some("session"),
        _ => None,
    }
}

const UNKNOWN: Outcome = Outcome::Unknown(ProblemCode::OutcomeUnknown);

/// Bytes of a batch's answer that are read for the record: several times what a thousand machines
/// take.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
