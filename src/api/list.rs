//! What all lists have in common: parameters, the envelope, streaming, links.

use std::collections::BTreeSet;

use async_stream::stream;
use axum::{
    Json,
    body::{Body, Bytes},
    extract::FromRequestParts,
    http::{
        HeaderMap, HeaderName, HeaderValue, Uri,
        header::{self, ACCEPT},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::{
    ApiState,
    extract::wildcard,
    params::{FromQuery, from_query, property_names, suggestion},
    problem::Problem,
    views::{Addressed, CompletenessView, ItemView, ListView, SourceView},
};
use crate::{
    config::CustomerSelector,
    domain::{CallContext, Label, ProblemCode},
    services::{
        Completeness, Event, ListPage, Listing, Paging, Scope, SourceStatus, Verdict, Wildcard,
    },
    telemetry::Metrics,
};

/// Parameters of every list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Most items on a page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000, example = 100)]
    page_size: Option<usize>,
    /// `nextPageToken` of the page before, with the same query.
    page_token: Option<String>,
    /// Only these properties of each item, separated by commas, such as `name,powerState`; its ids
    /// are always there.
    #[param(style = Form, explode = false)]
    fields: Vec<String>,
    /// What to do when some sources fail: `allow` answers with the others, `deny` fails.
    #[param(inline)]
    partial: Option<Partial>,
    /// Only customers in these regions, such as `us`; may be repeated.
    region: Vec<String>,
    /// Only these customers, by name, Citrix id or `label:x`; may be repeated.
    customer: Vec<String>,
}

/// Whether a partial answer is welcome.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Partial {
    /// One source that answers is enough.
    Allow,
    /// Every source must answer.
    Deny,
}

from_query!(ListParams);

/// How a caller wants a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// One JSON object.
    Json,
    /// One JSON object a line, as the items come.
    Ndjson,
}

/// A list as it was asked for, with the filters `F` of its kind.
pub(crate) struct List<F> {
    pub(crate) filter: F,
    params: ListParams,
    format: Format,
    uri: Uri,
    binding: Vec<u8>,
    metrics: Metrics,
}

impl<F: FromQuery> FromRequestParts<ApiState> for List<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let (params, filter) = <(ListParams, F)>::from_query(query)?;
        if params.page_size.is_some_and(|size| !(1..=MAX_PAGE).contains(&size)) {
            let detail = format!("pageSize must be from 1 to {MAX_PAGE}");
            return Err(Problem::invalid_at("/pageSize", detail));
        }
        let app = parts.extensions.get::<CallContext>().map(|ctx| ctx.principal.app.to_string());
        let uri = parts
            .extensions
            .get::<axum::extract::OriginalUri>()
            .map_or_else(|| parts.uri.clone(), |original| original.0.clone());
        let binding = binding(app.as_deref().unwrap_or_default(), &uri);
        let format = Format::wanted(&parts.headers).unwrap_or(Format::Json);
        let metrics = api.metrics.clone();
        Ok(Self { filter, params, format, uri, binding, metrics })
    }
}

impl<F> List<F> {
    /// Which customers and sites are meant.
    pub(crate) fn scope(&self, customer: &str, site: Option<&str>) -> Result<Scope, Problem> {
        let customer = match customer {
            "-" => Wildcard::All,
            name => Wildcard::One(name.to_owned()),
        };
        let site = site.map_or(Ok(Wildcard::All), wildcard)?;
        let customers: Result<Vec<_>, _> =
            self.params.customer.iter().map(|word| selector(word)).collect();
        Ok(Scope { customer, site, regions: self.params.region.clone(), customers: customers? })
    }

    /// Which page is meant.
    pub(crate) fn paging(&self) -> Paging {
        Paging {
            size: self.params.page_size.unwrap_or(DEFAULT_PAGE),
            token: self.params.page_token.clone(),
            binding: self.binding.clone(),
        }
    }

    /// Answers with things that have addresses of their own.
    pub(crate) async fn answer<T>(self, listing: Listing<T>) -> Result<Response, Problem>
    where
        T: Addressed + PartialSchema + Serialize + Send + 'static,
    {
        let mut known = property_names::<T>();
        known.extend(IDS.map(str::to_owned));
        let fields = self.fields(&known)?;
        let verdict = match self.params.partial {
            Some(Partial::Deny) => Verdict::DenyPartial,
            Some(Partial::Allow) | None => Verdict::AllowPartial,
        };
        match self.format {
            Format::Json => {
                let ListPage { items, next, sources } = listing.page(verdict).await?;
                for source in &sources {
                    count(&self.metrics, source.status);
                }
                let items = items.into_iter().map(ItemView::from).collect();
                Ok(self.envelope(
                    items,
                    next,
                    sources.into_iter().map(SourceView::from).collect(),
                    &fields,
                ))
            }
            Format::Ndjson => ndjson(listing, verdict, fields, self.metrics).await,
        }
    }

    /// Answers with items that the gateway knows without asking anybody.
    pub(crate) fn answer_known<V>(
        self,
        items: Vec<V>,
        next: Option<String>,
    ) -> Result<Response, Problem>
    where
        V: PartialSchema + Serialize,
    {
        let fields = self.fields(&property_names::<V>())?;
        if self.format == Format::Ndjson {
            let mut lines = Vec::new();
            for item in &items {
                lines.push(item_line(item, &fields));
            }
            lines.push(end_line(&[], next.as_deref()));
            let lines: Result<Vec<_>, _> = lines.into_iter().collect();
            let lines = lines.map_err(|cut| {
                Problem::new(ProblemCode::Internal, "the list could not be written").caused_by(&cut)
            })?;
            return Ok(ndjson_response(Body::from(lines.concat())));
        }
        Ok(self.envelope(items, next, Vec::new(), &fields))
    }

    fn envelope<V: Serialize>(
        &self,
        items: Vec<V>,
        next: Option<String>,
        sources: Vec<SourceView>,
        fields: &Fields,
    ) -> Response {
        let completeness = CompletenessView::count(&sources);
        let whole = completeness.is_whole();
        let header = HeaderValue::try_from(completeness.header());
        let link = next.as_deref().and_then(|token| self.next_link(token));
        let mut response = if fields.all() {
            Json(ListView { items, next_page_token: next, completeness, sources }).into_response()
        } else {
            let items: Vec<_> = items.iter().map(|item| fields.keep(item)).collect();
            Json(ListView { items, next_page_token: next, completeness, sources }).into_response()
        };
        let headers = response.headers_mut();
        if let Ok(value) = header {
            headers.insert(COMPLETENESS, value);
        }
        if let Some(link) = link {
            headers.insert(header::LINK, link);
        }
        if !whole {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        json_utf8(response)
    }

    /// `Link: <…>; rel="next"` (RFC 8288), relative to this gateway.
    fn next_link(&self, token: &str) -> Option<HeaderValue> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_pairs(&self.uri) {
            if name != "pageToken" {
                query.append_pair(&name, &value);
            }
        }
        query.append_pair("pageToken", token);
        HeaderValue::try_from(format!("<{}?{}>; rel=\"next\"", self.uri.path(), query.finish()))
            .ok()
    }

    fn fields(&self, known: &[String]) -> Result<Fields, Problem> {
        let wanted: BTreeSet<String> = self
            .params
            .fields
            .iter()
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(ToOwned::to_owned)
            .collect();
        if wanted.is_empty() {
            return Ok(Fields(None));
        }
        for name in &wanted {
            if !known.contains(name) {
                let hint = suggestion(name, known.iter().map(String::as_str));
                let detail = format!("items have no property {name:?}{hint}");
                return Err(Problem::invalid_at("/fields", detail));
            }
        }
        Ok(Fields(Some(wanted)))
    }
}

impl Format {
    /// The format that `Accept` prefers (RFC 9110, section 12.5.1); `None` if it rules out both.
    pub(crate) fn wanted(headers: &HeaderMap) -> Option<Self> {
        let mut stated = false;
        let mut best: Option<(u16, Self)> = None;
        for value in headers.get_all(ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                stated |= !range.trim().is_empty();
                let Some((format, weight)) = media_range(range) else { continue };
                // Equal weights: the first one that was named.
                if weight > 0 && best.is_none_or(|(most, _)| weight > most) {
                    best = Some((weight, format));
                }
            }
        }
        if stated { best.map(|(_, format)| format) } else { Some(Self::Json) }
    }
}

impl CompletenessView {
    fn count(sources: &[SourceView]) -> Self {
        Completeness::count(sources.iter().map(SourceView::status)).into()
    }

    fn is_whole(&self) -> bool {
        self.failed == 0
    }
}

/// A stream that cannot go on; the caller sees that its last line is missing.
#[derive(Debug, thiserror::Error)]
#[error("the stream was cut off: {0}")]
struct CutOff(String);

/// Which properties of an item are shown.
struct Fields(Option<BTreeSet<String>>);

impl Fields {
    fn all(&self) -> bool {
        self.0.is_none()
    }

    fn keep(&self, item: &impl Serialize) -> Value {
        let mut value = serde_json::to_value(item).unwrap_or_default();
        if let (Some(wanted), Value::Object(object)) = (&self.0, &mut value) {
            object.retain(|name, _| IDS.contains(&name.as_str()) || wanted.contains(name));
        }
        value
    }
}

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
async fn ndjson<T>(
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

fn count(metrics: &Metrics, status: SourceStatus) {
    metrics.record_fanout_source(match status {
        SourceStatus::Ok => "ok",
        SourceStatus::Stale => "stale",
        SourceStatus::Failed => "failed",
        SourceStatus::Skipped => "skipped",
    });
}

fn item_line(item: &impl Serialize, fields: &Fields) -> Result<Bytes, CutOff> {
    if fields.all() {
        return line(&Line::Item { item });
    }
    line(&Line::Item { item: fields.keep(item) })
}

fn end_line(sources: &[SourceView], next: Option<&str>) -> Result<Bytes, CutOff> {
    let completeness = CompletenessView::count(sources);
    line(&NoItem::End { completeness, next_page_token: next })
}

fn line(line: &impl Serialize) -> Result<Bytes, CutOff> {
    let mut text = serde_json::to_vec(line).map_err(|error| CutOff(error.to_string()))?;
    text.push(b'\n');
    Ok(text.into())
}

fn ndjson_response(body: Body) -> Response {
    let headers = [(header::CONTENT_TYPE, NDJSON), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

/// JSON with its charset, which old PowerShell needs to read umlauts.
pub(crate) fn json_utf8(mut response: Response) -> Response {
    let value = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

/// A customer as `customer=` names it.
fn selector(word: &str) -> Result<CustomerSelector, Problem> {
    match word.strip_prefix("label:") {
        Some(label) => Label::try_from(label)
            .map(CustomerSelector::Label)
            .map_err(|error| Problem::invalid_at("/customer", error.to_string())),
        None => Ok(CustomerSelector::NameOrId(word.to_owned())),
    }
}

/// What a page token belongs to: app, path and query, but for the size of the page. Encoded as
/// JSON, so that no value can slide into its neighbour.
fn binding(app: &str, uri: &Uri) -> Vec<u8> {
    let mut pairs: Vec<_> =
        form_pairs(uri).filter(|(name, _)| name != "pageSize" && name != "pageToken").collect();
    pairs.sort();
    serde_json::to_vec(&(app, uri.path(), pairs)).unwrap_or_default()
}

fn form_pairs(uri: &Uri) -> impl Iterator<Item = (String, String)> + '_ {
    url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned()
}

/// What a media range asks for, with its weight in thousandths.
fn media_range(range: &str) -> Option<(Format, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let format = match parts.next()?.to_ascii_lowercase().as_str() {
        "application/x-ndjson" | "application/ndjson" => Format::Ndjson,
        "application/json" | "application/problem+json" | "application/*" | "*/*" => Format::Json,
        _ => return None,
    };
    let weight = parts
        .filter_map(|parameter| parameter.strip_prefix("q="))
        .find_map(|weight| weight.trim().parse::<f32>().ok())
        .filter(|weight| (0.0..=1.0).contains(weight))
        .unwrap_or(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the weight is between 0 and 1"
    )]
    Some((format, (weight * 1000.0) as u16))
}

/// Properties that `fields` never leaves out.
pub(super) const IDS: [&str; 6] = ["self", "customer", "customerId", "region", "siteId", "id"];

const COMPLETENESS: HeaderName = HeaderName::from_static("cwsgate-completeness");
const NDJSON: &str = "application/x-ndjson; charset=utf-8";
const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        Format::wanted(&headers)
    }

    #[test]
    fn accept_chooses_the_format() {
        assert_eq!(Format::wanted(&HeaderMap::new()), Some(Format::Json));
        assert_eq!(wanted("application/x-ndjson"), Some(Format::Ndjson));
        assert_eq!(wanted("application/x-ndjson;q=0.5, application/json"), Some(Format::Json));
        assert_eq!(wanted("text/html, */*;q=0.8"), Some(Format::Json));
        assert_eq!(wanted("text/html"), None);
        assert_eq!(wanted("application/json;q=0"), None);
    }

    #[test]
    fn a_page_token_is_bound_to_everything_but_the_size() {
        let at = |uri: &str| binding("app", &uri.parse().unwrap());
        assert_eq!(at("/v1/m?a=1&pageSize=5&pageToken=x"), at("/v1/m?a=1"));
        assert_eq!(at("/v1/m?a=1&b=2"), at("/v1/m?b=2&a=1"));
        assert_ne!(at("/v1/m?a=1"), at("/v1/m?a=2"));
        assert_ne!(at("/v1/m"), at("/v1/n"));
        assert_ne!(
            binding("app", &"/v1/m".parse().unwrap()),
            binding("b", &"/v1/m".parse().unwrap())
        );
    }
}
