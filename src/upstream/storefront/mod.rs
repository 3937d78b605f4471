//! StoreFront: what a store offers to an account, and switching a machine off.
//!
//! The Store Services API in XML, signed in to with the `CitrixAuth` scheme. Everything is per
//! user: the token *is* the user, so tokens and lists of two accounts are never mixed. Of URLs
//! only the store's own is known beforehand; every other one comes from the store's answers and
//! is followed only where `origin` allows.
//!
//! Public pages: the Store Services API (`developer-docs.citrix.com`, "StoreFront Store Services
//! API") and the Authentication SDK's pages on the `CitrixAuth` scheme, the security token
//! services and common forms authentication.

mod access;
mod challenge;
mod client;
mod forms;
mod http;
mod origin;
mod place;
mod power_off;
mod resources;
mod sign_in;
mod token;
mod visit;
mod wallet;

#[cfg(test)]
mod tests;

pub use access::{Access, CallerToken, Session};
pub use client::Client;
pub use power_off::{PowerOffOutcome, read_reply};
pub use resources::{ListedResource, PowerOffLink, Resources};
pub use visit::Visit;

/// Reads an answer of a stranger as a list and as a token.
pub(super) fn fuzz(bytes: &[u8]) {
    let _ = Resources::read(bytes);
    let _ = resources::list_link(bytes);
    let _ = token::Reply::read(bytes);
}
