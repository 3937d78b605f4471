//! A real gateway over a real simulator, on loopback, and a client that looks at its answers.

mod gateway;
mod observed;
mod reply;

pub(crate) use gateway::{Builder, Gateway};
pub(crate) use reply::Reply;
