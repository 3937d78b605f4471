//! HTTP out: everything that is asked of Citrix, and nothing that is decided about it.
//!
//! A client method reads like the vendor's manual: build a [`Call`](call::Call), send it through
//! the one [`Transport`](transport::Transport), decode the reply with the client's private
//! `wire` types, return domain types. Tokens come from [`token`]; every fault becomes the one
//! [`Error`].

mod error;

pub use error::{Error, ErrorKind};

/// One of the Citrix services that are asked.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Service {
    /// The token service.
    Token,
    /// The registry: resource locations.
    Registry,
    /// Core: service states.
    Core,
    /// Notifications.
    Notifications,
    /// Citrix DaaS.
    Daas,
}

impl Service {
    /// The word in answers, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Registry => "registry",
            Self::Core => "core",
            Self::Notifications => "notifications",
            Self::Daas => "daas",
        }
    }
}
