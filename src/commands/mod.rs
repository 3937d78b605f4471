//! What the command line can do; each command is a plain function over its inputs and outputs.

pub mod check;
pub mod key;
