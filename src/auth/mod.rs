//! Who calls and what they may do.
//!
//! [`Authenticator`] turns the credential of a request into a `Principal`; [`Policy`] decides,
//! at each use case anew, whether that principal may act on a customer or site. Deny by default;
//! no action implies another; an identity may be remembered, a decision never.

mod api_key;
mod authenticator;
mod credential;
mod policy;

pub use api_key::{ApiKey, GenerateError, InvalidApiKey};
pub use authenticator::{Authenticator, Refused};
pub use credential::{Credential, CredentialError};
pub use policy::{CustomerKey, Denied, Policy, SiteScope};
