//! Lists as a stream of JSON objects, one a line.

use async_stream::{stream, try_stream};
use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, stream::BoxStream};
use serde::Serialize;

use super::{count, fields::Fields};
use crate::{
    api::{
        problem::Problem,
        views::{Addressed, CompletenessView, ItemView, SourceView},
    },
    services::{Error, Event, Listing, Verdict},
    telemetry::Metrics,
};

/// A stream that cannot go on; the caller sees that its last line is missing.
#[derive(Debug, thiserror::Error)]
#[error("the stream was cut off: {0}")]
pub(super) struct CutOff(String);

/// A line of a stream, with its kind.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a, T> {
    Item {
        item: T,
    },
    Source {
        source: &'a SourceView,
    },
    #[serde(rename_all = "camelCase")]
    End {
        completeness: CompletenessView,
        next_page_token: Option<&'a str>,
    },
}

/// A line that is no item.
type NoItem<'a> = Line<'a, ()>;

/// Streams a list. The answer begins with the first source that answers, so that a list that
/// fails as a whole is still a problem document.
pub(super) async fn ndjson<T>(
    listing: Listing<T>,
    verdict: Verdict,
    fields: Fields,
    metrics: Metrics,
) -> Result<Response, Problem>
where
    T: Addressed + Serialize + Send + 'static,
{
    let mut events = listing.into_events();
    let mut held = Vec::new();
    let mut sources = Vec::new();
    loop {
        let Some(event) = events.next().await else { break };
        let answered = match &event {
            Event::Source(source) => {
                sources.push(source.clone());
                source.error.is_none()
            }
            Event::Item(_) | Event::End(_) => true,
        };
        let ended = matches!(event, Event::End(_));
        held.push(event);
        if ended {
            verdict.decide(std::mem::take(&mut sources))?;
        }
        if ended || (answered && verdict == Verdict::AllowPartial) {
            break;
        }
    }
    let events = futures_util::stream::iter(held).chain(events).boxed();
    Ok(ndjson_response(Body::from_stream(lines(events, fields, metrics))))
}

fn lines<T>(
    mut events: BoxStream<'static, Event<T>>,
    fields: Fields,
    metrics: Metrics,
) -> impl Stream<Item = Result<Bytes, CutOff>>
where
    T: Addressed + Serialize + Send + 'static,
{
    stream! {
        let mut sources = Vec::new();
        while let Some(event) = events.next().await {
            yield match event {
                Event::Item(item) => item_line(&ItemView::from(item), &fields),
                Event::Source(report) => {
                    count(&metrics, report.status);
                    let source = SourceView::from(report);
                    let text = line(&NoItem::Source { source: &source });
                    sources.push(source);
                    text
                }
                Event::End(Ok(next)) => end_line(&sources, next.as_deref()),
                // Without its last line the stream counts as cut off, which it is.
                Event::End(Err(error)) => Err(CutOff(error.to_string())),
            };
        }
    }
}

/// The lines of items that come some at a time, and of the end.
pub(super) fn all_lines<V: Serialize>(
    items: impl Stream<Item = Result<Vec<V>, Error>>,
    fields: Fields,
) -> impl Stream<Item = Result<Bytes, CutOff>> {
    try_stream! {
        for await some in items {
            let some = some.map_err(|error| CutOff(error.to_string()))?;
            let lines: Result<Vec<_>, _> =
                some.iter().map(|item| item_line(item, &fields)).collect();
            yield Bytes::from(lines?.concat());
        }
        yield end_line(&[], None)?;
    }
}

pub(super) fn item_line(item: &impl Serialize, fields: &Fields) -> Result<Bytes, CutOff> {
    if fields.all() {
        return line(&Line::Item { item });
    }
    line(&Line::Item { item: fields.keep(item) })
}

pub(super) fn end_line(sources: &[SourceView], next: Option<&str>) -> Result<Bytes, CutOff> {
    let completeness = CompletenessView::count(sources);
    line(&NoItem::End { completeness, next_page_token: next })
}

fn line(line: &impl Serialize) -> Result<Bytes, CutOff> {
    let mut text = serde_json::to_vec(line).map_err(|error| CutOff(error.to_string()))?;
    text.push(b'\n');
    Ok(text.into())
}

pub(super) fn ndjson_response(body: Body) -> Response {
    let headers = [(header::CONTENT_TYPE, NDJSON), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

const NDJSON: &str = "application/x-ndjson; charset=utf-8";
