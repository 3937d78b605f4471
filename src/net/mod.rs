//! The only place that builds HTTP clients.
//!
//! Every client follows no redirects, retries nothing by itself, keeps no cookies, speaks TLS 1.2
//! or newer with one crypto provider, and is told whether it may use the machine's proxy.

mod client;
mod fault;
mod streaming;

pub use client::{ClientOptions, Error, USER_AGENT, client, install_crypto};
pub use fault::{Fault, fault};
pub use streaming::{StreamingClient, streaming_client, streaming_fault};
