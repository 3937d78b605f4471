//! What a scenario holds, as a client of it needs to know it.

use secrecy::SecretString;
use url::Url;

use super::scenario::{CustomerSpec, StoreMethod, StoreSpec, StoreUserSpec};

/// A customer of the scenario with all that a client needs to know.
#[derive(Clone, Debug)]
pub struct SimulatedCustomer {
    /// The short name.
    pub name: String,
    /// Citrix's customer id.
    pub id: String,
    /// What people read.
    pub display_name: String,
    /// The region's name.
    pub region: String,
    /// The first API client's id.
    pub client_id: String,
    /// The first API client's secret, as the scenario began.
    pub client_secret: SecretString,
    /// The id of its one site.
    pub site_id: String,
    /// The name of its one site.
    pub site_name: String,
}

/// A store of the scenario with all that a client needs to know.
#[derive(Clone, Debug)]
pub struct SimulatedStore {
    /// The short name.
    pub name: String,
    /// `http://host:port/Citrix/{path}`
    pub url: Url,
    /// `DOMAIN\user` of the first user, the service account.
    pub username: String,
    /// Its password, as the scenario began.
    pub password: SecretString,
    /// The protocols that its authentication service offers.
    pub methods: Vec<StoreMethod>,
    /// Everybody who may sign in, the service account included.
    pub users: Vec<(String, SecretString)>,
}

impl SimulatedCustomer {
    pub(super) fn of(spec: &CustomerSpec) -> Self {
        let or = |given: &str, default: &str| {
            if given.is_empty() { default.to_owned() } else { given.to_owned() }
        };
        Self {
            name: spec.name.clone(),
            id: spec.id.clone(),
            display_name: or(&spec.display_name, &spec.name),
            region: spec.region.clone(),
            client_id: spec.effective_client_id(),
            client_secret: SecretString::from(spec.effective_client_secret().expose()),
            site_id: spec.effective_site_id(),
            site_name: or(&spec.site_name, "cloudxdsite"),
        }
    }
}

impl SimulatedStore {
    pub(super) fn of(spec: &StoreSpec, host: &Url) -> Self {
        let user =
            |user: &StoreUserSpec| (user.name.clone(), SecretString::from(user.password.expose()));
        let users: Vec<_> = spec.users.iter().map(user).collect();
        let (username, password) = users.first().cloned().unwrap_or_default();
        let mut url = host.clone();
        url.set_path(&format!("/Citrix/{}", spec.path));
        Self {
            name: spec.name.clone(),
            url,
            username,
            password,
            methods: spec.methods.clone(),
            users,
        }
    }
}
