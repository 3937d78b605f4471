//! What happens to an operation, as it happens.

use std::{convert::Infallible, fmt::Write, time::Duration};

use async_stream::stream;
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::Stream;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;
use uuid::Uuid;

use super::operations::OperationPath;
use crate::{
    api::{
        ApiState,
        extract::{Caller, Path, Query},
        format::Format,
        openapi::OperationProblems,
        params::from_query,
        problem::Problem,
    },
    operations::{Event, Operations},
};

/// Where to begin.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParams {
    /// Only events after the one with this id; `Last-Event-ID` says the same and goes before.
    after: Option<i64>,
}

from_query!(EventParams);

/// Streams what happens to an operation (server-sent events).
///
/// `progress` comes with full `state` and `counts`; `item` with an item that has ended, or whose
/// outcome became known later; `end` last. Ids grow, and the stream goes on after
/// `Last-Event-ID`, also at another replica. Items that are cancelled or interrupted together
/// come as `progress` alone. With `Accept: application/x-ndjson` the same comes as one JSON
/// object a line: `{"id":1,"type":"progress","data":{…}}`.
#[utoipa::path(
    get,
    path = "/operations/{operation}/events",
    tag = "operations",
    params(
        OperationPath,
        EventParams,
        ("Last-Event-ID" = Option<i64>, Header, description = "Only events after the one with this id."),
    ),
    responses(
        (status = 200, description = "Events, until the operation has ended", body = String, content_type = "text/event-stream"),
        (status = 204, description = "It has ended, and there is nothing after that id"),
        OperationProblems,
    ),
)]
pub(crate) async fn stream_operation_events(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<OperationPath>,
    Query(params): Query<EventParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = path.id()?;
    let operation = api.operations.get(&ctx, id).await?;
    let after = last_seen(&headers).or(params.after).unwrap_or(0);
    let first = api.operations.events(id, after).await?;
    if operation.state.is_final() && first.is_empty() {
        // To whom reconnects by itself this says not to.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let framing = match Format::wanted(&headers) {
        Some(Format::Ndjson) => Framing::Lines,
        _ => Framing::Events,
    };
    let events = events(api.operations, id, after, first, framing);
    let headers = [
        (header::CONTENT_TYPE, framing.media_type()),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that collect answers would hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

/// How events are written.
#[derive(Clone, Copy, Debug)]
enum Framing {
    /// Server-sent events (WHATWG HTML, section 9.2).
    Events,
    /// One JSON object a line.
    Lines,
}

impl Framing {
    fn media_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream; charset=utf-8",
            Self::Lines => "application/x-ndjson; charset=utf-8",
        }
    }

    fn write(self, events: &[Event]) -> Bytes {
        let mut text = String::new();
        for Event { id, kind, data } in events {
            // Writing to a string cannot fail. The data is JSON on one line.
            let _ = match self {
                Self::Events => write!(text, "id: {id}\nevent: {kind}\ndata: {data}\n\n"),
                Self::Lines => {
                    writeln!(text, "{{\"id\":{id},\"type\":\"{kind}\",\"data\":{data}}}")
                }
            };
        }
        text.into()
    }

    /// Something that says only that the connection is alive.
    fn heartbeat(self) -> Bytes {
        match self {
            Self::Events => Bytes::from_static(b": alive\n\n"),
            Self::Lines => Bytes::from_static(b"\n"),
        }
    }

    /// Asks to come back soon.
    fn come_back(self) -> Bytes {
        match self {
            Self::Events => Bytes::from_static(b"retry: 1000\n\n"),
            Self::Lines => Bytes::new(),
        }
    }
}

fn events(
    operations: Operations,
    id: Uuid,
    mut after: i64,
    first: Vec<Event>,
    framing: Framing,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream! {
        let mut changes = operations.changes();
        let mut some = first;
        let mut quiet_since = Instant::now();
        loop {
            if let Some(last) = some.last() {
                after = last.id;
                let ended = last.kind == "end";
                quiet_since = Instant::now();
                yield Ok(framing.write(&some));
                if ended {
                    return;
                }
            } else if quiet_since.elapsed() > HEARTBEAT {
                quiet_since = Instant::now();
                yield Ok(framing.heartbeat());
            }
            if operations.is_draining() {
                yield Ok(framing.come_back());
                return;
            }
            if some.is_empty() {
                changes.next().await;
            }
            some = match operations.events(id, after).await {
                Ok(some) => some,
                Err(error) => {
                    tracing::warn!(%error, operation.id = %id, "events cannot be read");
                    yield Ok(framing.come_back());
                    return;
                }
            };
        }
    }
}

/// The event that was seen last; a header that names none says nothing.
fn last_seen(headers: &HeaderMap) -> Option<i64> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.trim().parse().ok()
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const HEARTBEAT: Duration = Duration::from_secs(15);
