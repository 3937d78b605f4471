use url::Url;

use crate::domain::RegionName;

/// One Citrix control plane and its hosts. No request leaves for a host outside this table.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its name in the configuration.
    pub name: RegionName,
    /// The API gateway host, base of `/cctrustoauth2`, `/cvad/manage` and others.
    pub api: Url,
    /// Base of the token service; `{api}` unless told otherwise. A URL that ends in
    /// `/tokens/clients` is used as it is (`{customer}` replaced).
    pub token: String,
    /// How tokens are asked for.
    pub token_form: TokenForm,
    /// Base of the DaaS API, `{customer}` replaced by the customer's id; `{api}/cvad/manage`
    /// unless told otherwise, `None` where each customer has its own host.
    pub daas: Option<String>,
    /// Base of the registry (resource locations).
    pub registry: Url,
    /// Base of core (service states).
    pub core: Url,
    /// Base of notifications.
    pub notifications: Url,
}

/// How a token service is asked.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TokenForm {
    /// `POST /cctrustoauth2/{customer}/tokens/clients`, form-encoded.
    OAuth2,
    /// `POST /{customer}/tokens/clients`, JSON: the older form, still the only one in some clouds.
    Trust,
}
