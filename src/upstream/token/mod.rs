//! Tokens.

mod status;

pub use status::{TokenState, TokenStatus};
