//! What the command line can do; each command is a plain function over its inputs and outputs.

pub mod check;
pub mod completions;
pub mod demo;
pub mod doctor;
mod exit;
pub mod explain;
pub mod healthcheck;
pub mod key;
pub mod openapi;
pub mod reboot_idle;
pub mod serve;
mod signals;
pub mod simulate;

mod cli;

use std::{
    fmt::Display,
    io::{self, Write},
};

pub use cli::run;
pub use exit::Exit;

/// Says on standard error what went wrong. When nobody reads there, there is nobody to tell.
fn complain(message: impl Display) {
    let _ = writeln!(io::stderr(), "cwsgate: {message}");
}

/// A base URL without its final slash, ready to have a path put behind it.
fn trimmed(url: &url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
