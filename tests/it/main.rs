//! What can be said about the repository and the whole program from the outside.
//!
//! One binary, so that linking happens once; a file per subject.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

mod architecture;
mod cli;
mod listeners;
mod lists;
mod readme;
mod repository;
mod support;
mod wire;
mod wording;
