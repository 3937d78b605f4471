//! Citrix DaaS: sites, machine catalogs, delivery groups, machines, sessions and what can be done
//! to them.

mod client;

pub use client::{Accepted, Client, MachineName, MachineScope};
