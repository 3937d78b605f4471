//! Durable bulk operations: one action on many machines or sessions, planned, paced, and honest
//! about every one of them.
//!
//! An operation is stored before it is acknowledged and run in the background ([`Runner`]) by
//! whichever replica holds its lease. An item is marked as sent in the store before it is sent,
//! and never sent again after that: when its answer is lost, what became of it is found out by
//! evidence. Everything an item does goes through `services`, so that policy and audit hold for
//! each one by itself.

mod error;
mod guard;
mod item;
mod journal;
mod model;
mod plan;
mod record;
mod recorder;
mod request;
mod retry;
mod runner;
mod selector;
mod service;
mod target;
mod tenure;
mod watch;
mod worker;

pub use error::Error;
pub use journal::Key;
pub use model::{BulkAction, Counts, ItemState, OperationState};
pub use plan::{Plan, Skipped};
pub use record::{
    Creator, Event, Item, LeftOut, Operation, Order, PlanSummary, Progress, Stop, Verification,
};
pub use request::{Guard, MaxErrors, OperationOptions, OperationRequest, Settings, Verify};
pub use runner::Runner;
pub use selector::{Selector, Where};
pub use service::{Accepted, Operations};
pub use target::Target;
pub use watch::{Changes, PageOf};
