//! What can be said about the repository and the whole program from the outside.
//!
//! One binary, so that linking happens once; a file per subject.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

mod architecture;
mod attention;
mod audit;
mod auth;
mod bad_input;
mod cache;
mod cli;
mod clients;
mod db;
mod docs;
mod dropin;
mod durability;
mod edge;
mod errors;
mod faults;
mod filters;
mod fuzz;
mod idempotency;
mod jwt;
mod listeners;
mod lists;
mod maintenance;
mod names;
mod notifications;
mod openapi;
mod operations;
mod paging;
mod policy;
mod power;
mod readme;
mod recovery;
mod repository;
mod resilience;
mod secrets;
mod sessions;
mod store_users;
mod stores;
mod streams;
mod support;
mod wire;
mod wording;
