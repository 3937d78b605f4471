mod read;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

pub(super) use read::Customers;

use super::{Finding, secrets};
use crate::domain::{CustomerId, CustomerName, Label, RegionName};

/// A Citrix Cloud customer and the API client that the gateway uses for it.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Our name for it.
    pub name: CustomerName,
    /// Citrix's id.
    pub id: CustomerId,
    /// Name for people.
    pub display_name: String,
    /// The control plane it lives in.
    pub region: RegionName,
    /// Labels that grants and queries may name.
    pub labels: Vec<Label>,
    /// Id of the API client.
    pub client_id: String,
    /// Its secrets, best first: expired ones are left out, newest expiry first.
    pub client_secrets: Vec<ClientSecret>,
}

/// One secret of an API client.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    /// The secret itself.
    pub secret: SecretString,
    /// First 16 hexadecimal digits of its SHA-256: names the version without telling it.
    pub version: String,
    /// When Citrix will stop accepting it, where that is known.
    pub expires: Option<Timestamp>,
}

/// A customer whose own section or secret is wrong: listed, never served.
#[derive(Clone, Debug)]
pub struct Misconfigured {
    /// Our name for it.
    pub name: CustomerName,
    /// Citrix's id, as far as it could be read (else the name).
    pub id: String,
    /// Name for people, as far as it could be read (else the name).
    pub display_name: String,
    /// Region, as far as it could be read.
    pub region: Option<RegionName>,
    /// Labels, as far as they could be read.
    pub labels: Vec<Label>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl ClientSecret {
    /// A secret whose version is computed.
    pub fn new(secret: SecretString, expires: Option<Timestamp>) -> Self {
        let version = secrets::version(secret.expose_secret());
        Self { secret, version, expires }
    }
}
