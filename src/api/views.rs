//! What answers look like where the domain's own types do not say it all.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        Attention, AttentionKind, DeliveryGroup, Machine, MachineCatalog, Me, Origin, ReadSource,
        ResourceLocation, ServiceState, Session, Site,
    },
    services::{Completeness, CompletenessStatus, Located, SourceReport, SourceStatus},
};

/// A thing with its address and its owner.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemView<T> {
    /// Path of the thing on this gateway; an action is `POST {self}/actions/{action}`.
    #[serde(rename = "self")]
    pub(crate) path: String,
    /// Our name of the customer it belongs to.
    pub(crate) customer: String,
    /// Citrix's id of that customer.
    pub(crate) customer_id: String,
    /// The region the customer lives in.
    pub(crate) region: String,
    /// The site it belongs to, for things that belong to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) site_id: Option<String>,
    /// The thing itself.
    #[serde(flatten)]
    pub(crate) item: T,
}

/// A list, whole or with sources missing: the same form for one customer and for many.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListView<T> {
    /// In the order of customers, sites and Citrix's own lists.
    pub(crate) items: Vec<T>,
    /// Send it as `pageToken` for the next page; `null` at the end.
    pub(crate) next_page_token: Option<String>,
    /// Whether anything is missing.
    pub(crate) completeness: CompletenessView,
    /// Every customer or site that was to be asked, and what became of it.
    pub(crate) sources: Vec<SourceView>,
}

/// How many sources of a list answered.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CompletenessView {
    /// `complete`, `partial` (some sources failed) or `failed` (none answered).
    pub(crate) status: CompletenessStatus,
    /// Sources in all.
    pub(crate) requested: usize,
    /// Sources that answered.
    pub(crate) ok: usize,
    /// Sources for which an older answer was used: they did not answer, or a newer one is on its
    /// way.
    pub(crate) stale: usize,
    /// Sources that failed.
    pub(crate) failed: usize,
    /// Sources that were not asked: not granted, or hibernated.
    pub(crate) skipped: usize,
}

/// One source of a list: a customer, or a site of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceView {
    /// Our name of the customer.
    customer: String,
    /// Citrix's id of it.
    customer_id: String,
    /// Its region.
    region: Option<String>,
    /// The site, where the source is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    site_id: Option<String>,
    /// `ok`, `stale`, `failed` or `skipped`.
    status: SourceStatus,
    /// Its items on this page.
    items: usize,
    /// How long asking it took, in milliseconds; 0 if this page did not need to.
    duration_ms: u64,
    /// Where the answer came from: `miss` is Citrix, `hit` is what the gateway keeps for some
    /// seconds, `stale` is older than that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    cache: Option<&'static str>,
    /// When Citrix gave the answer, or the oldest part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Timestamp>,
    /// Why it failed or was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<SourceProblemView>,
}

/// Why a source failed, in short; the page of the code says more.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceProblemView {
    /// Stable name of the problem.
    #[schema(value_type = String, example = "upstream_timeout")]
    code: &'static str,
    /// Whose move it is.
    origin: Origin,
    /// Whether asking again can help.
    retryable: bool,
    /// What happened.
    detail: String,
}

/// A thing that has a path of its own.
pub(crate) trait Addressed {
    /// The segment before its id.
    fn collection(&self) -> &'static str;

    /// The last segment of its path.
    fn id(&self) -> &str;
}

impl<T: Addressed> From<Located<T>> for ItemView<T> {
    fn from(located: Located<T>) -> Self {
        let Located { customer, site, item } = located;
        let owner = format!("/v1/customers/{}", customer.name);
        let id = segment(item.id()).to_string();
        let path = match &site {
            Some(site) => format!("{owner}/sites/{}/{}/{id}", segment(site), item.collection()),
            None => format!("{owner}/{}/{id}", item.collection()),
        };
        Self::at(path, &customer, site, item)
    }
}

impl<T> ItemView<T> {
    /// A thing at a path that does not follow from its collection and id.
    pub(crate) fn at(
        path: String,
        customer: &crate::config::Customer,
        site_id: Option<String>,
        item: T,
    ) -> Self {
        Self {
            path,
            customer: customer.name.to_string(),
            customer_id: customer.id.to_string(),
            region: customer.region.to_string(),
            site_id,
            item,
        }
    }
}

impl From<Completeness> for CompletenessView {
    fn from(counts: Completeness) -> Self {
        let Completeness { status, requested, ok, stale, failed, skipped } = counts;
        Self { status, requested, ok, stale, failed, skipped }
    }
}

impl CompletenessView {
    /// Says it in a header too, for whoever does not read the body.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(self.header()) {
            headers.insert(COMPLETENESS, value);
        }
    }

    fn header(&self) -> String {
        let Self { ok, stale, failed, skipped, .. } = self;
        let status = match self.status {
            CompletenessStatus::Complete => "complete",
            CompletenessStatus::Partial => "partial",
            CompletenessStatus::Failed => "failed",
        };
        format!("{status}; ok={ok}; stale={stale}; failed={failed}; skipped={skipped}")
    }
}

impl From<SourceReport> for SourceView {
    fn from(report: SourceReport) -> Self {
        Self {
            customer: report.customer.to_string(),
            customer_id: report.customer_id,
            region: report.region.map(|region| region.to_string()),
            site_id: report.site_id,
            status: report.status,
            items: report.items,
            duration_ms: millis(report.duration),
            cache: report.cache.map(ReadSource::as_str),
            as_of: report.as_of,
            problem: report.error.map(|error| {
                let code = error.code();
                SourceProblemView {
                    code: code.as_str(),
                    origin: code.origin(),
                    retryable: code.retryable(),
                    detail: error.to_string(),
                }
            }),
        }
    }
}

impl SourceView {
    /// Which source it is and what became of it, without what differs from one time to the next.
    pub(crate) fn identity(&self) -> impl Serialize + '_ {
        let code = self.problem.as_ref().map(|problem| problem.code);
        (&self.customer_id, &self.site_id, self.status, self.items, code)
    }

    /// How asking it went.
    pub(crate) fn status(&self) -> SourceStatus {
        self.status
    }
}

macro_rules! addressed {
    ($($type:ty: $collection:literal, $id:ident;)*) => { $(
        impl Addressed for $type {
            fn collection(&self) -> &'static str {
                $collection
            }

            fn id(&self) -> &str {
                &self.$id
            }
        }
    )* };
}

addressed! {
    Site: "sites", id;
    Machine: "machines", id;
    MachineCatalog: "machine-catalogs", id;
    DeliveryGroup: "delivery-groups", id;
    Session: "sessions", id;
    ResourceLocation: "resource-locations", id;
    ServiceState: "service-states", service_name;
}

/// Its path is that of the machine or session which it is about.
impl Addressed for Attention {
    fn collection(&self) -> &'static str {
        match self.kind {
            AttentionKind::StaleSession => "sessions",
            AttentionKind::Unregistered
            | AttentionKind::Stuck
            | AttentionKind::Faulted
            | AttentionKind::Maintenance => "machines",
        }
    }

    fn id(&self) -> &str {
        &self.id
    }
}

impl From<Located<Me>> for ItemView<Me> {
    fn from(Located { customer, item, .. }: Located<Me>) -> Self {
        Self::at(format!("/v1/customers/{}/me", customer.name), &customer, None, item)
    }
}

/// Whole milliseconds of a duration.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Text as one path segment (RFC 3986, section 3.3).
fn segment(text: &str) -> impl std::fmt::Display + '_ {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, KEPT)
}

/// Whether anything is missing in an answer.
const COMPLETENESS: HeaderName = HeaderName::from_static("cwsgate-completeness");
