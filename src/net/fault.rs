use std::{error::Error as StdError, io};

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
    if !error.is_connect() {
        return Fault::Interrupted;
    }
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

fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    error.is::<rustls::Error>()
        || error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .is_some_and(<dyn StdError + Send + Sync>::is::<rustls::Error>)
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
