//! The words of the product as plain data: ids, resources, pages, callers and deadlines.
//!
//! Every room may use this one; it imports none and does no IO. Resource types are what the
//! upstream clients return and what the API shows, so they carry the JSON names (lowerCamelCase)
//! and schemas of the public API. Values that come from Citrix keep Citrix's spelling: its enums
//! grow, so they are strings here.

mod action;
mod address;
mod attention;
mod clock;
mod context;
mod freshness;
mod ids;
mod machine;
mod page;
mod platform;
mod principal;
mod problem;
mod session;
mod site;
mod store;

pub use action::{Action, UnknownAction};
pub use address::{ClientAddr, PeerAddr, is_loopback};
pub use attention::{Attention, AttentionKind};
pub use clock::{Clock, SystemClock};
pub use context::{CallContext, RequestId, Via};
pub use freshness::{Freshness, ReadSource, Reading, Readings};
pub use ids::{
    AppName, ClientName, CustomerId, CustomerName, InvalidId, Label, NameOrId, RegionName,
    SessionId, SiteId, StoreName,
};
pub use machine::{DeliveryGroup, Machine, MachineCatalog, PowerAction, Reference, User};
pub use page::{Page, PageRequest};
pub use platform::{Notification, NotificationContent, ResourceLocation, ServiceState};
pub use principal::{AuthMethod, Principal};
pub use problem::{Origin, ProblemCode, UnknownCode};
pub use session::{MessageStyle, Session, SessionAction, SessionClient, SessionMessage};
pub use site::{Me, MeCustomer, Site};
pub use store::{Enumeration, StoreResource};
