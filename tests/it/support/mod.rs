//! A real gateway over a real simulator, on loopback, and a client that looks at its answers.

mod document;
mod gateway;
mod identity;
mod observed;
mod postgres;
mod program;
mod reply;
mod stores;

pub(crate) use document::{Operation, operations};
pub(crate) use gateway::{Builder, Gateway, defaults};
pub(crate) use identity::{IdentityProvider, Instead, Signer, signed_part};
pub(crate) use postgres::Postgres;
pub(crate) use program::{Ended, Program, bash, program, run, run_command, tool, write};
pub(crate) use reply::Reply;
pub(crate) use stores::{Store, over_both};
