//! The platform services of Citrix Cloud: resource locations, service states, notifications.

mod client;

pub use client::Client;
