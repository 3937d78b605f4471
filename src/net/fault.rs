use std::{error::Error as StdError, io};

use rustls::AlertDescription;

/// How an exchange over the network failed, as far as it decides what to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The host's name does not exist. Nothing was sent.
    UnknownHost,
    /// The host's certificate or TLS version is not acceptable. Nothing was sent.
    Tls,
    /// No connection could be made. Nothing was sent.
    Connect,
    /// The connection was lost, or something that is not HTTP came back: the request may have
    /// been received.
    Interrupted,
}

impl Fault {
    /// Whether it is certain that the host has seen nothing of the request.
    pub fn nothing_sent(self) -> bool {
        !matches!(self, Self::Interrupted)
    }

    /// What happened, in words that name no host.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownHost => "the host name is unknown",
            Self::Tls => "the TLS handshake failed",
            Self::Connect => "no connection could be made",
            Self::Interrupted => "the connection was lost",
        }
    }
}

/// Tells what kind of failure a client's error is.
pub fn fault(error: &reqwest::Error) -> Fault {
    if error.is_connect() { connect_fault(error) } else { Fault::Interrupted }
}

/// Tells why no connection could be made.
pub(super) fn connect_fault(error: &dyn StdError) -> Fault {
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = cause {
        if is_tls(error) {
            return Fault::Tls;
        }
        if error.downcast_ref::<io::Error>().is_some_and(says_unknown_host) {
            return Fault::UnknownHost;
        }
        cause = error.source();
    }
    Fault::Connect
}

/// An I/O error hides the error inside it from `source`, and may hold another I/O error.
fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        // These say that the other side is in trouble, not that it is the wrong one.
        return !matches!(
            error,
            rustls::Error::AlertReceived(
                AlertDescription::InternalError | AlertDescription::UserCanceled
            )
        );
    }
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(|inner| is_tls(inner))
}

/// The resolver's failure has no kind of its own, so its text decides. "Temporary failure" and
/// anything unknown count as trouble on the way, which passes.
fn says_unknown_host(error: &io::Error) -> bool {
    let text = error.to_string();
    [
        "Name or service not known",
        "nodename nor servname",
        "No such host",
        "not known",
        "No address associated",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_exist_is_told_from_a_resolver_in_trouble() {
        let lookup = "failed to lookup address information: ";
        let unknown = io::Error::other(format!("{lookup}Name or service not known"));
        let trouble = io::Error::other(format!("{lookup}Temporary failure in name resolution"));
        assert!(says_unknown_host(&unknown));
        assert!(!says_unknown_host(&trouble));
    }
}
