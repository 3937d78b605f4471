//! Tokens: one per credential, renewed before they end, asked for once however many callers wait.
//!
//! [`Tokens`] looks credentials up by [`Key`](key::Key). Each
//! [`Credential`](credential::Credential) has one small task that asks the token service, and a
//! [`State`](state::State) that decides and does no IO. Callers get a [`Lease`]: the token with the
//! generation it is of, so that a refusal by a service drops that generation and no newer one.
//!
//! The life of a token is measured on the monotonic clock from before its request was sent, and a
//! token is not used in the last part of its life, so an expired one is never sent.

mod credential;
mod http_mint;
mod key;
mod mint;
mod outcome;
mod policy;
mod state;
mod status;
mod tokens;

#[cfg(test)]
mod tests;

pub(super) use credential::Lease;
pub(super) use http_mint::HttpMint;
pub(super) use mint::{FailureClass, MintFailure, Minted};
pub(super) use outcome::Refusal;
pub(super) use policy::Jitter;
pub use status::{TokenState, TokenStatus};
pub(super) use tokens::Tokens;

/// Reads an answer of a stranger.
pub(super) fn fuzz(bytes: &[u8]) {
    http_mint::fuzz(bytes);
}
