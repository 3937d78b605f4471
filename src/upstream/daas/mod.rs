//! Citrix DaaS: sites, machine catalogs, delivery groups, machines, sessions and what can be done
//! to them.
//!
//! Lists are asked for in their older form with the fields that are read, because the newer form
//! leaves out session counts unless asked.

mod client;
mod groups;
mod jobs;
mod machines;
mod power;
mod sessions;
mod trail;
mod wire;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use machines::{MachineName, MachineScope};
pub use power::Accepted;
pub use trail::{JobEnd, JobTrail};
