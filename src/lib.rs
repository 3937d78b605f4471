//! cwsgate: one JSON REST API in front of Citrix Cloud and Citrix DaaS, for every region and customer.
//!
//! Each folder is a room with one concept; imports between rooms point one way only
//! (`docs/architecture.md` has the picture, `tests/it/architecture.rs` holds it true).

pub mod api;
pub mod app;
pub mod audit;
pub mod auth;
pub mod cache;
pub mod client;
pub mod commands;
pub mod config;
pub mod db;
pub mod domain;
#[doc(hidden)]
pub mod fuzz;
pub mod net;
pub mod operations;
pub mod server;
pub mod services;
pub mod simulator;
pub mod telemetry;
pub mod upstream;
pub mod wire;
