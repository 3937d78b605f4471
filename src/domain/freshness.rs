use std::time::Duration;

use jiff::Timestamp;

/// How recent the answer to a call must be, as `Cache-Control` of a request says it (RFC 9111,
/// section 5.2.1). Whoever acts reads [`Freshness::Fresh`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Freshness {
    /// Whatever the cache holds to be good enough.
    #[default]
    Any,
    /// Fresh, and not older than this.
    MaxAge(Duration),
    /// Asked of Citrix for this very call: nothing kept, and no read that began before it.
    Fresh,
    /// Only what is kept, and not older than this where a span is given.
    OnlyIfCached(Option<Duration>),
}

/// How one reading of Citrix was come by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading {
    /// Where it came from.
    pub source: ReadSource,
    /// When Citrix was asked for it.
    pub as_of: Timestamp,
    /// How long ago that is.
    pub age: Duration,
    /// How long it stays fresh; zero if it is stale.
    pub fresh_for: Duration,
    /// How long it has been stale; zero if it is fresh.
    pub stale_for: Duration,
}

/// Where a reading came from, from the best to the most doubtful.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ReadSource {
    /// It was kept, and is fresh.
    Hit,
    /// Another caller was asking Citrix for the same just then.
    Joined,
    /// Citrix was asked.
    Miss,
    /// Citrix was asked because the caller wanted that.
    Requested,
    /// Citrix was asked, and this kind of answer is not kept.
    Bypassed,
    /// It was kept, is stale, and is being renewed.
    Renewing,
    /// It was kept and is stale, and Citrix did not give a newer one.
    Fallback,
}

/// The readings that the answer to one call is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Readings {
    /// The least of all of them: the most doubtful source, the oldest, the first to go stale.
    pub worst: Reading,
    /// Readings that were kept and fresh.
    pub hits: usize,
    /// Readings that Citrix was asked for.
    pub misses: usize,
    /// Readings that were stale.
    pub stale: usize,
}

impl Reading {
    /// Whether it is older than it should be.
    pub fn is_stale(&self) -> bool {
        matches!(self.source, ReadSource::Renewing | ReadSource::Fallback)
    }

    /// Whether Citrix was asked for it during this call.
    pub fn was_asked(&self) -> bool {
        !matches!(self.source, ReadSource::Hit | ReadSource::Renewing)
    }

    /// Both as one: as doubtful, as old and as soon stale as the worse of them.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            source: self.source.max(other.source),
            as_of: self.as_of.min(other.as_of),
            age: self.age.max(other.age),
            fresh_for: self.fresh_for.min(other.fresh_for),
            stale_for: self.stale_for.max(other.stale_for),
        }
    }
}

impl ReadSource {
    /// The word for it in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Joined | Self::Miss | Self::Requested | Self::Bypassed => "miss",
            Self::Renewing | Self::Fallback => "stale",
        }
    }
}

impl Readings {
    /// These readings and one more.
    pub(super) fn with(readings: Option<Self>, reading: Reading) -> Self {
        let mut all = match readings {
            Some(all) => Self { worst: all.worst.and(reading), ..all },
            None => Self { worst: reading, hits: 0, misses: 0, stale: 0 },
        };
        match reading.source.as_str() {
            "hit" => all.hits += 1,
            "stale" => all.stale += 1,
            _ => all.misses += 1,
        }
        all
    }
}
