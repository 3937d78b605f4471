use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::Outcome;
use crate::net::{self, Fault};

/// What may be waited for and held of one answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// When everything must have been read.
    pub(super) deadline: Instant,
    /// Longest silence in the middle of a body.
    pub(super) read_timeout: Duration,
    /// Bytes of a body, after inflation.
    pub(super) max_body_bytes: usize,
}

/// An answer: status and headers are certain, the body may have got lost.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Result<Bytes, BodyLost>,
    /// For how long the service is left alone because of it, where a guard says so.
    pub(super) cooldown: Option<Duration>,
}

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyLost {
    #[error("the body did not arrive in time")]
    TimedOut,
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the connection was lost in the middle of the body")]
    Interrupted(#[source] reqwest::Error),
}

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("{}", .fault.as_str())]
    Network {
        fault: Fault,
        #[source]
        source: reqwest::Error,
    },
    #[error("no answer before the deadline")]
    TimedOut,
}

/// Sends a request once and reads the answer within its bounds.
pub(super) async fn exchange(
    client: &reqwest::Client,
    request: reqwest::Request,
    bounds: Bounds,
) -> Result<Answer, NoAnswer> {
    let mut response = match timeout_at(bounds.deadline, client.execute(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(source)) => {
            let source = source.without_url();
            return Err(NoAnswer::Network { fault: net::fault(&source), source });
        }
        Err(_) => return Err(NoAnswer::TimedOut),
    };
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let body = read_body(&mut response, &headers, bounds).await;
    Ok(Answer { status, headers, body, cooldown: None })
}

/// What an exchange says of the service.
pub(super) fn outcome(answer: &Result<Answer, NoAnswer>) -> Outcome {
    match answer {
        Ok(Answer { body: Err(BodyLost::Interrupted(_)), .. }) => Outcome::Lost,
        Ok(Answer { body: Err(BodyLost::TimedOut), .. }) | Err(NoAnswer::TimedOut) => {
            Outcome::TimedOut
        }
        Ok(Answer { status, .. }) => {
            Outcome::Answered { status: status.as_u16(), retry_after: None }
        }
        Err(NoAnswer::Network { fault, .. }) if fault.nothing_sent() => Outcome::Unreachable,
        Err(NoAnswer::Network { .. }) => Outcome::Lost,
    }
}

async fn read_body(
    response: &mut reqwest::Response,
    headers: &HeaderMap,
    bounds: Bounds,
) -> Result<Bytes, BodyLost> {
    let hint = headers
        .get(http::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok())
        .unwrap_or(0);
    if hint > bounds.max_body_bytes {
        return Err(BodyLost::TooLarge(bounds.max_body_bytes));
    }
    let mut body = Vec::with_capacity(hint);
    loop {
        let silence = (Instant::now() + bounds.read_timeout).min(bounds.deadline);
        let chunk = match timeout_at(silence, response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Ok(body.into()),
            Ok(Err(error)) => return Err(BodyLost::Interrupted(error.without_url())),
            Err(_) => return Err(BodyLost::TimedOut),
        };
        if body.len() + chunk.len() > bounds.max_body_bytes {
            return Err(BodyLost::TooLarge(bounds.max_body_bytes));
        }
        body.extend_from_slice(&chunk);
    }
}
