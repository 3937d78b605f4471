//! StoreFront: stores with their resources, authentication services, and machine power-off.
//!
//! Sources: the Store Services API and the Authentication SDK at `developer-docs.citrix.com`.
//! What those pages leave open is marked "inferred" where it is decided here.
//!
//! One listener is the server of every store. A store and its authentication service are two
//! applications with paths of their own and distinct realms:
//!
//! | path | what |
//! |---|---|
//! | `GET /Citrix/{store}/endpoints/v1` | where the services are; no token needed |
//! | `GET /Citrix/{store}/resources/v2` | resources, and subscribes the user (auto-provisioning) |
//! | `GET /Citrix/{store}/resources/v2/withoutautoprovision` | resources, no side effect |
//! | `GET {link}`, `POST {machinepoweroff link}`, `POST {launchica link}` | one resource |
//! | `GET /Citrix/{auth}/endpoints/v1` | |
//! | `POST /Citrix/{auth}/auth/v1/token`, `GET …/token/validate` | the token service |
//! | `POST /Citrix/{auth}/auth/v1/protocols` | the choices |
//! | `POST /Citrix/{auth}/HttpBasic/Authenticate` | |
//! | `POST /Citrix/{auth}/ExplicitForms[/Start, /Cancel]` | |
//!
//! Links hold an opaque part per user and resource and a query; they can be changed, and a link
//! that is built from a resource's id leads nowhere.

mod answer;
mod build;
mod challenge;
mod document;
mod endpoints;
mod exchange;
mod form_pages;
mod forms;
mod gzip;
mod host;
mod issue;
mod listing;
mod power;
mod read;
mod resource;
mod route;
mod token_service;
mod tokens;
mod xml;

pub use document::{Document, FailureShape};

pub(super) use challenge::REASONS;
pub(super) use exchange::{LISTENER, handle};
pub(super) use host::{Rejection, Store, StoreHost, User};
pub(super) use resource::{Power, Resource};
pub(super) use tokens::Realm;

/// Namespaces and content types of the documents, as published.
mod names {
    pub(super) const REQUEST_TOKEN: &str =
        "http://citrix.com/delivery-services/1-0/auth/requesttoken";
    pub(super) const REQUEST_TOKEN_TYPE: &str = "application/vnd.citrix.requesttoken+xml";
    pub(super) const TOKEN: &str =
        "http://citrix.com/delivery-services/1-0/auth/requesttokenresponse";
    pub(super) const TOKEN_TYPE: &str = "application/vnd.citrix.requesttokenresponse+xml";
    pub(super) const CHOICES: &str =
        "http://citrix.com/delivery-services/1-0/auth/requesttokenchoices";
    pub(super) const CHOICES_TYPE: &str = "application/vnd.citrix.requesttokenchoices+xml";
    pub(super) const DESTROY: &str = "http://citrix.com/delivery-services/1-0/auth/destroytoken";
    pub(super) const DESTROY_TYPE: &str = "application/vnd.citrix.destroytoken+xml";
    pub(super) const DESTROYED: &str =
        "http://citrix.com/delivery-services/1-0/auth/destroytokenresponse";
    pub(super) const DESTROYED_TYPE: &str = "application/vnd.citrix.destroytokenresponse+xml";
    pub(super) const CLAIMS: &str = "http://citrix.com/delivery-services/1-0/auth/claimsprincipal";
    pub(super) const CLAIMS_TYPE: &str = "application/vnd.citrix.claimsidentity+xml";
    pub(super) const FORM: &str = "http://citrix.com/authentication/response/1";
    pub(super) const FORM_TYPE: &str = "application/vnd.citrix.authenticateresponse-1+xml";
    pub(super) const ENDPOINTS: &str = "http://citrix.com/dazzleservices/2-0/endpoints";
    pub(super) const ENDPOINTS_TYPE: &str = "application/vnd.citrix.endpoints+xml";
    pub(super) const RESOURCES: &str = "http://citrix.com/delivery-services/2-0/resources";
    pub(super) const RESOURCES_TYPE: &str = "application/vnd.citrix.resources+xml";
    pub(super) const RESOURCE_TYPE: &str = "application/vnd.citrix.resource+xml";
    pub(super) const SUBSCRIPTIONS: &str = "http://citrix.com/delivery-services/2-0/subscriptions";
    pub(super) const POWER_OFF_PARAMS: &str =
        "http://citrix.com/delivery-services/1-0/machinepoweroffparams";
    pub(super) const POWER_OFF_PARAMS_TYPE: &str =
        "application/vnd.citrix.machinepoweroffparams+xml";
    pub(super) const POWER_OFF: &str = "http://citrix.com/delivery-services/1-0/machinepoweroff";
    pub(super) const POWER_OFF_TYPE: &str = "application/vnd.citrix.machinepoweroff+xml";
    pub(super) const LAUNCH: &str = "http://citrix.com/delivery-services/1-0/launch";
    pub(super) const LAUNCH_TYPE: &str = "application/vnd.citrix.launchdata+xml";
}
