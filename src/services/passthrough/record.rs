use axum::body::Body;
use http::Response;

use crate::{
    audit::{Event, Outcome, Target},
    config::Customer,
    domain::ProblemCode,
    services::{Error, core::outcome},
    upstream::passthrough::{Passage, Payload},
};

/// A change in Citrix's words, for the record: its verb, and the path it is made on.
pub(super) fn change(customer: &Customer, passage: &Passage) -> Event {
    let path = passage.target.split('?').next().unwrap_or_default().trim_end_matches('/');
    let verb = path.rsplit('/').next().unwrap_or_default();
    let verb = verb.strip_prefix('$').or_else(|| verb.strip_prefix("%24"));
    let action = match verb {
        Some(verb) => verb.to_ascii_lowercase(),
        None => passage.method.as_str().to_ascii_lowercase(),
    };
    let calls = match &passage.payload {
        Payload::Batch(calls) => {
            let calls = calls.iter().map(|call| {
                let path = call.relative_url.split('?').next().unwrap_or_default();
                format!("{} {path}", call.method)
            });
            let all: String = calls.collect::<Vec<_>>().join(", ");
            Some(all.chars().take(MAX_CALLS).collect())
        }
        _ => None,
    };
    Event {
        action: action.into(),
        customer: Some(customer.name.clone()),
        site: passage.site.as_ref().map(ToString::to_string),
        target: Some(Target { kind: "path".into(), id: path.to_owned(), name: calls }),
        ..Event::default()
    }
}

/// What Citrix's answer says of a change.
pub(super) fn judge(result: &Result<Response<Body>, Error>) -> Outcome {
    match result {
        Ok(answer) => match answer.status().as_u16() {
            ..400 => Outcome::Succeeded,
            // It was not done, nor by a service that does not know it, nor in a frozen site.
            400..=499 | 501 => Outcome::Failed(ProblemCode::UpstreamError),
            530 => Outcome::Failed(ProblemCode::SiteHibernated),
            _ => Outcome::Unknown(ProblemCode::OutcomeUnknown),
        },
        other => outcome(other),
    }
}

/// Characters of the calls of a batch that are recorded.
const MAX_CALLS: usize = 4_096;
