use std::process::{ExitCode, Termination};

/// What a command ends with; the numbers are part of the command line's contract.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Finished, but only partly.
    Partly = 3,
    /// Not authenticated.
    NotAuthenticated = 4,
    /// Stopped waiting while the work goes on.
    StillRunning = 5,
    /// The configuration is wrong (`EX_CONFIG` of sysexits).
    Configuration = 78,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}
