//! A real gateway over a real simulator, on loopback, and a client that looks at its answers.

mod gateway;
mod program;
mod reply;

pub(crate) use gateway::{Builder, Gateway};
pub(crate) use program::{Program, bash, program, run, run_command, write};
pub(crate) use reply::Reply;
