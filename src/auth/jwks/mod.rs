//! The keys of identity providers (RFC 7517).
//!
//! A [`Provider`] keeps the keys of one issuer: fetched at the start and every ten minutes, and
//! once more, at most every 30 seconds, when a token names a key that is not among them. Keys
//! serve on for a day while the provider is down; then, and for keys that were never seen, callers
//! are told that the provider is away and not that their credential is bad.

mod fetch;
mod key_set;
mod provider;
#[cfg(test)]
mod tests;

pub(super) use fetch::Source;
pub(super) use key_set::library_name;
pub(super) use provider::{Found, NoKey, Provider};
