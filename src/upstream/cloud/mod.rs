//! The platform services of Citrix Cloud: resource locations, service states, notifications.

mod client;
mod wire;

#[cfg(test)]
mod tests;

pub use client::Client;
