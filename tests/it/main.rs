//! What can be said about the repository and the whole program from the outside.
//!
//! One binary, so that linking happens once; a file per subject.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

mod architecture;
mod docs;
mod filters;
mod lists;
mod names;
mod openapi;
mod paging;
mod repository;
mod streams;
mod support;
mod wording;
