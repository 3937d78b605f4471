/// One of the Citrix services that are asked.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Service {
    /// The token service.
    Token,
    /// The registry: resource locations.
    Registry,
    /// Core: service states.
    Core,
    /// Notifications.
    Notifications,
    /// Citrix DaaS.
    Daas,
    /// Monitor: takes one call at a time per customer.
    Monitor,
    /// The other services behind the API host, which are passed through and never asked by a
    /// client of ours: administrators, system log, connectors and others.
    Api,
    /// A StoreFront store, its authentication service included.
    StoreFront,
}

impl Service {
    /// Every service of a control plane whose health is kept.
    pub const ALL: [Self; 5] =
        [Self::Token, Self::Registry, Self::Core, Self::Notifications, Self::Daas];

    /// The word in answers, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Registry => "registry",
            Self::Core => "core",
            Self::Notifications => "notifications",
            Self::Daas => "daas",
            Self::Monitor => "monitor",
            Self::Api => "api",
            Self::StoreFront => "storefront",
        }
    }

    /// Whether it takes one call at a time per customer and answers others 429.
    pub(super) fn is_serial(self) -> bool {
        self == Self::Monitor
    }
}
