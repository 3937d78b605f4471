//! The platform services of Citrix Cloud: resource locations, service states, notifications.

mod client;
mod wire;

pub use client::Client;
