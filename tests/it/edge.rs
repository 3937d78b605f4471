//! The outside of the real gateway: TLS, browsers and proxies, reload, the admin API, the end.

mod access;
mod admin;
mod drain;
mod keys;
mod mutations;
mod refused;
mod reload;
pub(crate) mod serving;
mod slow_clients;
mod tls;
