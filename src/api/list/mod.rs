//! What all lists have in common: parameters, the envelope, streaming, links.

mod fields;
mod ndjson;

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderValue, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, PartialSchema, ToSchema};

pub(super) use self::fields::IDS;
use self::{
    fields::Fields,
    ndjson::{all_lines, end_line, item_line, ndjson, ndjson_response},
};
use super::{
    ApiState,
    caching::tag,
    extract::wildcard,
    format::Format,
    params::{FromQuery, from_query, param_names, property_names, unknown_name},
    problem::Problem,
    views::{Addressed, CompletenessView, ItemView, SourceView},
};
use crate::{
    config::CustomerSelector,
    domain::{CallContext, Label, ProblemCode},
    services::{
        Completeness, Error, ListPage, Listing, Paging, Scope, SourceStatus, Verdict, Wildcard,
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

/// Parameters of lists that the gateway knows without asking anybody.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "it documents a part of `ListParams`")]
pub(crate) struct PageParams {
    /// Most items on a page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000, example = 100)]
    page_size: Option<usize>,
    /// `nextPageToken` of the page before, with the same query.
    page_token: Option<String>,
    /// Only these properties of each item, separated by commas; its ids are always there.
    #[param(style = Form, explode = false)]
    fields: Vec<String>,
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

/// What comes after the items of a list: see [`super::views::ListView`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rest {
    next_page_token: Option<String>,
    completeness: CompletenessView,
    sources: Vec<SourceView>,
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
    /// The list, unless it was narrowed to customers or regions: it has no such sources.
    pub(crate) fn without_sources(self) -> Result<Self, Problem> {
        let ListParams { region, customer, partial, .. } = &self.params;
        let given = [
            ("region", !region.is_empty()),
            ("customer", !customer.is_empty()),
            ("partial", partial.is_some()),
        ];
        let known = param_names::<PageParams>();
        let errors: Vec<_> = given
            .into_iter()
            .filter(|(_, given)| *given)
            .map(|(name, _)| unknown_name("parameter", &[name.to_owned()], &known))
            .collect();
        if errors.is_empty() {
            return Ok(self);
        }
        Err(Problem::invalid(ProblemCode::UnknownParameter, errors))
    }

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
        let fields = Fields::chosen(&self.params.fields, &known)?;
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
                let items: Vec<_> = items.into_iter().map(ItemView::from).collect();
                let sources = sources.into_iter().map(SourceView::from).collect();
                self.envelope(&items, next, sources, &fields)
            }
            Format::Ndjson => ndjson(listing, verdict, fields, self.metrics).await,
        }
    }

    /// Whether the caller wants a stream.
    pub(crate) fn is_streamed(&self) -> bool {
        self.format == Format::Ndjson
    }

    /// Streams everything, some items at a time. The answer begins once the first of them are
    /// there, so that a list that cannot be had is still a problem document.
    pub(crate) async fn answer_stream<V>(
        self,
        items: impl Stream<Item = Result<Vec<V>, Error>> + Send + 'static,
    ) -> Result<Response, Problem>
    where
        V: PartialSchema + Serialize + Send + 'static,
    {
        let fields = Fields::chosen(&self.params.fields, &property_names::<V>())?;
        let mut items = Box::pin(items);
        let first = items.next().await.transpose()?;
        let items = futures_util::stream::iter(first.map(Ok)).chain(items);
        Ok(ndjson_response(Body::from_stream(all_lines(items, fields))))
    }

    /// Answers with items that the gateway knows without asking anybody.
    #[expect(clippy::needless_pass_by_value, reason = "a list is given away by answering it")]
    pub(crate) fn answer_known<V>(
        self,
        items: Vec<V>,
        next: Option<String>,
    ) -> Result<Response, Problem>
    where
        V: PartialSchema + Serialize,
    {
        let fields = Fields::chosen(&self.params.fields, &property_names::<V>())?;
        if self.format == Format::Ndjson {
            let mut lines = Vec::new();
            for item in &items {
                lines.push(item_line(item, &fields));
            }
            lines.push(end_line(&[], next.as_deref()));
            let lines: Result<Vec<_>, _> = lines.into_iter().collect();
            let lines = lines.map_err(|cut| unwritable(&cut))?;
            return Ok(ndjson_response(Body::from(lines.concat())));
        }
        self.envelope(&items, next, Vec::new(), &fields)
    }

    fn envelope<V: Serialize>(
        &self,
        items: &[V],
        next: Option<String>,
        sources: Vec<SourceView>,
        fields: &Fields,
    ) -> Result<Response, Problem> {
        let completeness = CompletenessView::count(&sources);
        let whole = completeness.is_whole();
        let link = next.as_deref().and_then(|token| self.next_link(token));
        let items = if fields.all() {
            serde_json::to_vec(items)
        } else {
            serde_json::to_vec(&items.iter().map(|item| fields.keep(item)).collect::<Vec<_>>())
        };
        let items = items.map_err(|error| unwritable(&error))?;
        // How long it took and how old it is are left out: they differ each time.
        let statuses: Vec<_> = sources.iter().map(SourceView::identity).collect();
        let statuses = serde_json::to_vec(&(statuses, next.is_some()));
        let tag = tag(&[&items, &statuses.map_err(|error| unwritable(&error))?]);
        let rest = Rest { next_page_token: next, completeness, sources };
        let tail = serde_json::to_vec(&rest).map_err(|error| unwritable(&error))?;
        // The items are written once, for the tag and for the answer.
        let body = [b"{\"items\":", items.as_slice(), b",", tail.get(1..).unwrap_or_default()];
        let mut response = json_utf8(Body::from(body.concat()).into_response());
        let headers = response.headers_mut();
        rest.completeness.mark(headers);
        if let Some(link) = link {
            headers.insert(header::LINK, link);
        }
        if let Some(tag) = tag {
            headers.insert(header::ETAG, tag);
        }
        if !whole {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        Ok(response)
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
}

impl CompletenessView {
    fn count(sources: &[SourceView]) -> Self {
        Completeness::count(sources.iter().map(SourceView::status)).into()
    }

    fn is_whole(&self) -> bool {
        self.failed == 0
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

fn unwritable(cause: &dyn std::error::Error) -> Problem {
    Problem::new(ProblemCode::Internal, "the list could not be written").caused_by(cause)
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

const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

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
