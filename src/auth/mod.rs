//! Who calls and what they may do.
//!
//! [`Authenticator`] turns the credential of a request into a `Principal`; [`Policy`] decides,
//! at each use case anew, whether that principal may act on a customer or site. Deny by default;
//! no action implies another; an identity may be remembered, a decision never. [`Quotas`] says how
//! much of it, where that is limited.
//!
//! A credential is an API key ([`ApiKey`]), a token of an identity provider (`jwt`, with keys from
//! `jwks`), or a token of the gateway's own that an API key bought (`issuer`).

mod api_key;
mod authenticator;
mod credential;
mod failures;
mod issuer;
mod jwks;
mod jwt;
mod keys;
mod memory;
mod policy;
mod quota;
mod refused;
#[cfg(test)]
mod tests;

pub use api_key::{ApiKey, GenerateError, InvalidApiKey};
pub use authenticator::{Authenticator, AuthenticatorParts, CannotIssue};
pub use credential::{Credential, CredentialError};
pub use issuer::{CannotSign, IssuedToken};
pub use keys::{KeyUse, KeyUses};
pub use policy::{CustomerKey, Denied, Policy, SiteScope};
pub use quota::{Exceeded, Limited, Quotas, Standing};
pub use refused::Refused;
