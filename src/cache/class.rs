use std::time::Duration;

use crate::config;

/// A kind of answer that is kept for a time of its own, as the configuration names it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// Resource locations of a customer.
    ResourceLocations,
    /// Service states of a customer.
    ServiceStates,
    /// Sites of a customer.
    Sites,
    /// Machine catalogs of a site.
    MachineCatalogs,
    /// Delivery groups of a site.
    DeliveryGroups,
    /// Machines of a site.
    Machines,
    /// Sessions of a site.
    Sessions,
}

/// How long after it came an answer is good for what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Windows {
    /// As good as new.
    pub(super) fresh: Duration,
    /// After that: good while a newer one is fetched.
    pub(super) renew: Duration,
    /// After its fresh time: good when there is no newer one to be had.
    pub(super) fall_back: Duration,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::ResourceLocations,
        Self::ServiceStates,
        Self::Sites,
        Self::MachineCatalogs,
        Self::DeliveryGroups,
        Self::Machines,
        Self::Sessions,
    ];

    /// The word in the configuration and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResourceLocations => "resource-locations",
            Self::ServiceStates => "service-states",
            Self::Sites => "sites",
            Self::MachineCatalogs => "machine-catalogs",
            Self::DeliveryGroups => "delivery-groups",
            Self::Machines => "machines",
            Self::Sessions => "sessions",
        }
    }

    /// Somebody who looks at machines or sessions may act on what they see, so that these are never
    /// older than they need to be.
    fn may_be_renewed_late(self) -> bool {
        !matches!(self, Self::Machines | Self::Sessions)
    }
}

impl Windows {
    /// Of an answer that is not kept.
    pub(super) const NONE: Self =
        Self { fresh: Duration::ZERO, renew: Duration::ZERO, fall_back: Duration::ZERO };

    /// The windows of a class; `None` if it is not kept at all.
    pub(super) fn of(class: Class, config: &config::Cache) -> Option<Self> {
        let fresh = config.ttl.get(class.as_str()).copied().unwrap_or_default();
        let late = class.may_be_renewed_late();
        let renew = if late { config.stale_while_revalidate } else { Duration::ZERO };
        let kept = !fresh.is_zero() && config.max_bytes > 0;
        kept.then_some(Self { fresh, renew, fall_back: config.stale_if_error })
    }

    /// How long an answer is of any use.
    pub(super) fn life(&self) -> Duration {
        self.fresh + self.renew.max(self.fall_back)
    }
}
