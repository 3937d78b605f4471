//! A real gateway over a real simulator, on loopback, and a client that looks at its answers.

mod document;
mod gateway;
mod identity;
mod observed;
mod program;
mod reply;

pub(crate) use document::{Operation, operations};
pub(crate) use gateway::{Builder, Gateway};
pub(crate) use identity::{IdentityProvider, Instead, Signer, signed_part};
pub(crate) use program::{Program, bash, program, run, run_command, write};
pub(crate) use reply::Reply;
