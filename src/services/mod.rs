//! Use cases, one file per resource: authorize, find out what is meant, ask upstream, answer.
//!
//! No HTTP and no vendor words here. Authorization lives in this room, not in the handlers, so
//! that bulk work and the command line cannot go round it. A list over several customers is a
//! [`Listing`]: see [`fanout`] for its order, its pages and what a failed source does to it.

mod accounts;
mod attention;
mod catalogs;
mod core;
mod cursor;
mod directory;
mod error;
mod fanout;
mod listing;
mod machines;
mod names;
mod platform;
mod reads;
mod recovery;
mod sessions;
mod sites;
mod stores;

use std::sync::Arc;

pub use accounts::{Accounts, CustomerDetail, RegionDetail, Whoami};
pub use attention::{AttentionFilter, Attentions};
pub use catalogs::Catalogs;
pub use core::{Core, CoreParts};
pub use directory::{Account, Directory, Scope, Wildcard};
pub use error::{Candidate, Error, UpstreamFault};
pub use fanout::{Event, Listing, Paging};
pub use listing::{
    Completeness, CompletenessStatus, ListPage, Located, SourceReport, SourceStatus, Verdict,
};
pub use machines::{IfInUse, MachineFilter, MachineScope, Machines, PowerOutcome, PowerRequest};
pub use platform::{NewNotification, Platform};
pub use reads::ReadCache;
pub use recovery::{
    Recoveries, Recovery, RecoveryAction, RecoveryOutcome, RecoveryStep, StepStatus,
};
pub use sessions::{LogoffOutcome, SessionFilter, Sessions};
pub use sites::Sites;
pub use stores::{SignedIn, StoreCredential, StoreListing, Stores};

pub use crate::upstream::{HealthStatus, ServiceHealth, TokenState, TokenStatus};

/// Every use case, ready to be called.
#[derive(Clone, Debug)]
pub struct Services {
    /// Customers, regions and the caller itself.
    pub accounts: Accounts,
    /// Sites and the administrator behind a credential.
    pub sites: Sites,
    /// Machine catalogs and delivery groups.
    pub catalogs: Catalogs,
    /// Machines.
    pub machines: Machines,
    /// Sessions.
    pub sessions: Sessions,
    /// Sessions that are stuck.
    pub recoveries: Recoveries,
    /// What needs somebody now.
    pub attentions: Attentions,
    /// Resource locations, service states, notifications.
    pub platform: Platform,
    /// StoreFront stores.
    pub stores: Stores,
}

impl Services {
    /// The use cases over one shared core.
    pub fn new(core: &Arc<Core>) -> Self {
        let sessions = Sessions::new(Arc::clone(core));
        let machines = Machines::new(Arc::clone(core));
        Self {
            recoveries: Recoveries::new(Arc::clone(core), sessions.clone(), machines.clone()),
            accounts: Accounts::new(Arc::clone(core)),
            sites: Sites::new(Arc::clone(core)),
            catalogs: Catalogs::new(Arc::clone(core)),
            machines,
            sessions,
            attentions: Attentions::new(Arc::clone(core)),
            platform: Platform::new(Arc::clone(core)),
            stores: Stores::new(Arc::clone(core)),
        }
    }
}
