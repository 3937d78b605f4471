use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::Error;
use crate::{
    cache::Cached,
    config::Customer,
    domain::{CallContext, CustomerName, ProblemCode, ReadSource, RegionName, SiteId},
};

/// A thing and where it lives.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// Whose it is.
    pub customer: Arc<Customer>,
    /// The site it belongs to, for things that belong to one.
    pub site: Option<String>,
    /// The thing itself.
    pub item: T,
}

impl<T: Clone> Located<T> {
    /// A thing that was read; the call takes note of how.
    pub(super) fn read(
        ctx: &CallContext,
        customer: Arc<Customer>,
        site: Option<&SiteId>,
        found: Cached<T>,
    ) -> Self {
        ctx.note_reading(found.reading);
        let item = Arc::unwrap_or_clone(found.value);
        Self { customer, site: site.map(ToString::to_string), item }
    }
}

/// One page of a list, whole or with sources missing.
#[derive(Clone, Debug)]
pub struct ListPage<T> {
    /// In the order of customers, sites and the upstream.
    pub items: Vec<Located<T>>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
    /// Every source and what became of it.
    pub sources: Vec<SourceReport>,
}

/// What became of one source of a list: a customer, or one of its sites.
#[derive(Clone, Debug)]
pub struct SourceReport {
    /// Our name of the customer.
    pub customer: CustomerName,
    /// Citrix's id of it.
    pub customer_id: String,
    /// Its region, where that is known.
    pub region: Option<RegionName>,
    /// The site, where the source is one.
    pub site_id: Option<String>,
    /// How it went.
    pub status: SourceStatus,
    /// Items of it on this page.
    pub items: usize,
    /// How long asking it took; zero if this page did not need to.
    pub duration: Duration,
    /// When Citrix was asked for the oldest part of its answer; `None` if this page did not need
    /// it.
    pub as_of: Option<Timestamp>,
    /// Where its answer came from; `None` if there is none.
    pub cache: Option<ReadSource>,
    /// Why it failed or was skipped.
    pub error: Option<Error>,
    /// It was asked, among others, and does not have what the path names.
    pub absent: bool,
}

/// How asking a source went.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceStatus {
    /// It answered.
    Ok,
    /// An older answer was used: a newer one is on its way, or could not be had.
    Stale,
    /// It did not answer.
    Failed,
    /// It was not asked: the grant lacks the action there, or the site is hibernated.
    Skipped,
}

/// Whether a list is whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Completeness {
    /// In one word.
    pub status: CompletenessStatus,
    /// Sources in all.
    pub requested: usize,
    /// Sources that answered.
    pub ok: usize,
    /// Sources with an older answer.
    pub stale: usize,
    /// Sources that failed.
    pub failed: usize,
    /// Sources that were not asked.
    pub skipped: usize,
}

/// Whether a list is whole, in one word.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CompletenessStatus {
    /// No source failed.
    Complete,
    /// Some failed, some answered.
    Partial,
    /// None answered.
    Failed,
}

/// Whether the sources that answered are enough.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Verdict {
    /// One source is enough.
    #[default]
    AllowPartial,
    /// Every source must answer.
    DenyPartial,
}

impl Completeness {
    /// Counts the sources.
    pub fn of(sources: &[SourceReport]) -> Self {
        Self::count(sources.iter().map(|source| source.status))
    }

    /// Counts the sources by their status.
    pub fn count(sources: impl Iterator<Item = SourceStatus>) -> Self {
        let (mut ok, mut stale, mut failed, mut skipped) = (0, 0, 0, 0);
        for status in sources {
            match status {
                SourceStatus::Ok => ok += 1,
                SourceStatus::Stale => stale += 1,
                SourceStatus::Failed => failed += 1,
                SourceStatus::Skipped => skipped += 1,
            }
        }
        let status = match (failed, ok + stale) {
            (0, _) => CompletenessStatus::Complete,
            (_, 0) => CompletenessStatus::Failed,
            _ => CompletenessStatus::Partial,
        };
        Self { status, requested: ok + stale + failed + skipped, ok, stale, failed, skipped }
    }
}

impl Verdict {
    /// Decides whether the sources make an answer.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no source has what the path names. [`Error::Sources`] otherwise:
    /// failures alike give their code; else any that ran out of time, then any unavailability
    /// with the smallest hint when to retry, then any other error of Citrix's.
    pub fn decide(self, sources: Vec<SourceReport>) -> Result<Vec<SourceReport>, Error> {
        let counts = Completeness::of(&sources);
        let answered = counts.ok + counts.stale;
        let enough = match self {
            Self::AllowPartial => answered > 0 || sources.is_empty(),
            Self::DenyPartial => counts.failed == 0 && (answered > 0 || sources.is_empty()),
        };
        if !sources.is_empty() && sources.iter().all(|source| source.absent) {
            return Err(Error::NotFound);
        }
        if enough {
            return Ok(sources);
        }
        let failures: Vec<&Error> = sources
            .iter()
            .filter(|source| counts.failed == 0 || source.status == SourceStatus::Failed)
            .filter_map(|source| source.error.as_ref())
            .collect();
        if let [only] = failures.as_slice()
            && sources.len() == 1
            && only.code().status() < 500
        {
            // Not about the source but about the request: its own error says it best.
            return Err((*only).clone());
        }
        let code = common_code(&failures);
        let retry_after = failures.iter().filter_map(|error| error.retry_after()).min();
        Err(Error::Sources { code, retry_after, sources })
    }
}

fn common_code(failures: &[&Error]) -> ProblemCode {
    let codes: Vec<_> = failures.iter().map(|error| error.code()).collect();
    let Some(first) = codes.first() else { return ProblemCode::PolicyDenied };
    if codes.iter().all(|code| code == first) {
        return *first;
    }
    let any = |status| codes.iter().any(|code| code.status() == status);
    if any(504) {
        ProblemCode::UpstreamTimeout
    } else if any(503) {
        ProblemCode::UpstreamUnavailable
    } else {
        ProblemCode::UpstreamError
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(status: SourceStatus, error: Option<ProblemCode>) -> SourceReport {
        SourceReport {
            customer: CustomerName::try_from("acme").unwrap(),
            customer_id: "a".into(),
            region: None,
            site_id: None,
            status,
            items: 0,
            duration: Duration::ZERO,
            as_of: None,
            cache: None,
            error: error.map(Error::FailedEarlier),
            absent: false,
        }
    }

    fn failed(code: ProblemCode) -> SourceReport {
        source(SourceStatus::Failed, Some(code))
    }

    fn code_of(sources: Vec<SourceReport>, verdict: Verdict) -> Option<ProblemCode> {
        verdict.decide(sources).err().map(|error| error.code())
    }

    #[test]
    fn one_answer_is_enough_unless_partial_answers_are_denied() {
        let sources = || vec![source(SourceStatus::Ok, None), failed(ProblemCode::UpstreamTimeout)];
        assert_eq!(code_of(sources(), Verdict::AllowPartial), None);
        assert_eq!(code_of(sources(), Verdict::DenyPartial), Some(ProblemCode::UpstreamTimeout));
    }

    #[test]
    fn failures_alike_keep_their_code_and_others_are_ranked() {
        use ProblemCode as C;
        for (codes, expected) in [
            (vec![C::UpstreamForbidden, C::UpstreamForbidden], C::UpstreamForbidden),
            (vec![C::UpstreamUnavailable, C::UpstreamTimeout], C::UpstreamTimeout),
            (vec![C::UpstreamError, C::CredentialQuarantined], C::UpstreamUnavailable),
            (vec![C::UpstreamError, C::UpstreamMalformed], C::UpstreamError),
        ] {
            let sources = codes.into_iter().map(failed).collect();
            assert_eq!(code_of(sources, Verdict::AllowPartial), Some(expected));
        }
    }

    #[test]
    fn a_skipped_source_makes_nothing_partial_and_nothing_whole_by_itself() {
        let skipped = || source(SourceStatus::Skipped, Some(ProblemCode::PolicyDenied));
        let sources = vec![source(SourceStatus::Ok, None), skipped()];
        assert_eq!(Completeness::of(&sources).status, CompletenessStatus::Complete);
        assert_eq!(code_of(sources, Verdict::DenyPartial), None);
        assert_eq!(
            code_of(vec![skipped(), skipped()], Verdict::AllowPartial),
            Some(ProblemCode::PolicyDenied)
        );
    }
}
