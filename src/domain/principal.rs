use super::AppName;

/// An authenticated caller: who, never what they may do. Grants are looked up at each decision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Principal {
    /// The app whose grants apply.
    pub app: AppName,
    /// How the caller proved who they are.
    pub method: AuthMethod,
    /// The user or service behind the credential, where the credential names one.
    pub subject: Option<String>,
}

/// How a caller was authenticated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuthMethod {
    /// With an API key of this id.
    ApiKey {
        /// Public part of the key.
        key_id: String,
    },
    /// With a token of the gateway's own, bought with an API key of this id.
    GatewayToken {
        /// Public part of the key.
        key_id: String,
    },
    /// With a token of an identity provider.
    Jwt {
        /// Its name in the configuration.
        issuer: String,
    },
    /// As an operator at the command line, who has the configuration in hand.
    CommandLine,
    /// Not at all: the gateway was started with a flag that says `unsafe`.
    UnsafeAnonymous,
}
