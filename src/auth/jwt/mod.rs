//! Tokens of identity providers (RFC 7519), checked as RFC 8725 advises.
//!
//! [`Token`] takes a text apart, strictly; [`claims`] holds the rules for times and audiences;
//! [`Issuers`] decides by the configuration of the issuer that the token names.

pub(super) mod claims;
mod issuers;
mod json;
mod token;

pub(super) use issuers::Issuers;
pub(super) use token::{MAX_KEY_ID_LEN, MAX_TOKEN_LEN, Token};
