//! The audit trail: who changed what, why, and what became of it.
//!
//! In two steps. An [`Intent`] is on disk before anything is sent to Citrix, and where it cannot
//! be, nothing is sent ([`Unavailable`]); its outcome is written when the answer is there. An
//! entry whose outcome was never written, because the process died, says `unknown`: it may have
//! happened. What was refused before anything was to be sent is in the log alone.
//!
//! The record is the database. A file of JSON lines beside it is a copy for log collectors: one
//! line for each step, and a failure to write it stops nothing and is loud in the log.

mod entry;
mod file;
mod recorder;
mod search;

pub use entry::{Actor, Entry, Event, OUTCOMES, Outcome, Target};
pub use recorder::{Audit, Intent, Unavailable};
pub use search::{Filter, Part, Visible};
