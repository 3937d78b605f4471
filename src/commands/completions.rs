//! `cwsgate completions`: a completion script for a shell.

use std::io::{self, Write};

use clap_complete::Shell;

use super::Exit;

/// Writes the script of `shell` for the command line `command`.
pub fn run(shell: Shell, command: &mut clap::Command, out: &mut impl Write) -> io::Result<Exit> {
    // Written at once: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "cwsgate", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Done)
}
