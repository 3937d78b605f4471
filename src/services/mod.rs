//! Use cases, one file per resource: authorize, find out what is meant, ask upstream, answer.
//!
//! No HTTP and no vendor words here. Authorization lives in this room, not in the handlers, so
//! that bulk work and the command line cannot go round it. A list over several customers is a
//! [`Listing`]: see [`fanout`] for its order, its pages and what a failed source does to it.

mod accounts;
mod administration;
mod attention;
mod audit_trail;
mod bulk;
mod catalogs;
mod checkup;
mod core;
mod cursor;
mod directory;
mod error;
mod fanout;
mod idempotency;
mod listing;
mod machines;
mod names;
mod passthrough;
mod platform;
mod reads;
mod recovery;
mod sessions;
mod sites;
mod stores;

use std::sync::Arc;

pub use accounts::{Accounts, CustomerDetail, RegionDetail, Whoami};
pub use administration::{
    Administration, CredentialCheck, CredentialDetail, Guards, StoreCredentialDetail,
};
pub use attention::{AttentionFilter, Attentions};
pub use audit_trail::{AuditQuery, AuditTrail};
pub use bulk::{Aim, Bulk, Deed, Evidence, Gate, Reach, Sent, Subject, Survey, Taken, Within};
pub use catalogs::Catalogs;
pub use checkup::{Step, Trouble, sign_in};
pub use core::{Core, CoreParts};
pub use directory::{Account, Directory, Scope, Wildcard};
pub use error::{Candidate, Error, UpstreamFault};
pub use fanout::{Event, Listing, Paging};
pub use idempotency::{Idempotency, KeptAnswer, KeptHeader, Reservation};
pub use listing::{
    Completeness, CompletenessStatus, ListPage, Located, SourceReport, SourceStatus, Verdict,
};
pub use machines::{IfInUse, MachineFilter, MachineScope, Machines, PowerOutcome, PowerRequest};
pub use passthrough::{DropInCall, DropInPath, Passthrough, Surface};
pub use platform::{NewNotification, Platform};
pub use reads::ReadCache;
pub use recovery::{
    Recoveries, Recovery, RecoveryAction, RecoveryOutcome, RecoveryStep, StepStatus,
};
pub use sessions::{LogoffOutcome, SessionFilter, Sessions};
pub use sites::Sites;
pub use stores::{SignedIn, SignedOut, StoreCredential, StoreListing, Stores};

pub use crate::upstream::{
    BreakerStatus, CooldownStatus, HealthStatus, ServiceHealth, SlotStatus, TokenState,
    TokenStatus,
    passthrough::{answer_headers, request_headers},
};

/// Every use case, ready to be called.
#[derive(Clone, Debug)]
pub struct Services {
    /// Customers, regions and the caller itself.
    pub accounts: Accounts,
    /// What operators do about the gateway itself.
    pub administration: Administration,
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
    /// Calls in Citrix's own words.
    pub passthrough: Passthrough,
    /// Bulk work.
    pub bulk: Bulk,
    /// The record of changes.
    pub audit: AuditTrail,
    /// Requests that must not be carried out twice.
    pub idempotency: Idempotency,
}

impl Services {
    /// The use cases over one shared core.
    pub fn new(core: &Arc<Core>) -> Self {
        let sessions = Sessions::new(Arc::clone(core));
        let machines = Machines::new(Arc::clone(core));
        Self {
            recoveries: Recoveries::new(Arc::clone(core), sessions.clone(), machines.clone()),
            accounts: Accounts::new(Arc::clone(core)),
            administration: Administration::new(Arc::clone(core)),
            sites: Sites::new(Arc::clone(core)),
            catalogs: Catalogs::new(Arc::clone(core)),
            machines,
            sessions,
            attentions: Attentions::new(Arc::clone(core)),
            platform: Platform::new(Arc::clone(core)),
            stores: Stores::new(Arc::clone(core)),
            passthrough: Passthrough::new(Arc::clone(core)),
            bulk: Bulk::new(Arc::clone(core)),
            audit: AuditTrail::new(Arc::clone(core)),
            idempotency: core.idempotency.clone(),
        }
    }
}
