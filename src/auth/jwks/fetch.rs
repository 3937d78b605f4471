use serde::Deserialize;
use url::Url;

use super::key_set::KeySet;
use crate::{
    config::{Algorithm, Issuer},
    net::{self, Fault},
};

/// Where the keys of an issuer come from, and which of them are of use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::auth) struct Source {
    /// The issuer's name in the configuration.
    pub(super) name: String,
    /// Its `iss`, from which `url` is discovered where that is `None`.
    issuer: String,
    url: Option<Url>,
    pub(super) algorithms: Vec<Algorithm>,
}

/// Why the keys of an issuer could not be fetched. Names no address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer in time")]
    TimedOut,
    #[error("{}", .0.as_str())]
    Network(Fault),
    #[error("answer with status {0}")]
    Status(u16),
    #[error("the answer is larger than {MAX_DOCUMENT} bytes")]
    TooLarge,
    #[error("the answer is not what it should be")]
    Malformed,
    #[error("the discovery document is another issuer's")]
    ForeignIssuer,
    #[error("the discovery document names an address that is not https")]
    UnsafeAddress,
}

/// The part of a discovery document that is of use (OpenID Connect Discovery 1.0 section 3).
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl Source {
    pub(in crate::auth) fn of(issuer: &Issuer) -> Self {
        let Issuer { name, issuer, audience: _, jwks_url, algorithms } = issuer.clone();
        Self { name, issuer, url: jwks_url, algorithms }
    }

    /// Asks the provider for its keys. Bounded in size; whoever calls bounds the time.
    pub(super) async fn fetch(&self, client: &reqwest::Client) -> Result<KeySet, FetchError> {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => self.discover(client).await?,
        };
        let document = get(client, url).await?;
        KeySet::parse(&document, &self.algorithms).ok_or(FetchError::Malformed)
    }

    async fn discover(&self, client: &reqwest::Client) -> Result<Url, FetchError> {
        // Section 4.1: after the issuer without its final slash.
        let url = format!("{}{WELL_KNOWN}", self.issuer.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|_| FetchError::Malformed)?;
        let document = get(client, url.clone()).await?;
        let found: Discovered =
            serde_json::from_slice(&document).map_err(|_| FetchError::Malformed)?;
        if found.issuer != self.issuer {
            return Err(FetchError::ForeignIssuer);
        }
        let keys = Url::parse(&found.jwks_uri).map_err(|_| FetchError::Malformed)?;
        // Plain http stays on the loopback host that the configuration names.
        let same_host = || url.scheme() == "http" && keys.host() == url.host();
        match keys.scheme() {
            "https" => Ok(keys),
            "http" if same_host() => Ok(keys),
            _ => Err(FetchError::UnsafeAddress),
        }
    }
}

async fn get(client: &reqwest::Client, url: Url) -> Result<Vec<u8>, FetchError> {
    let network = |error: reqwest::Error| FetchError::Network(net::fault(&error));
    let request = client.get(url).header(http::header::ACCEPT, "application/json");
    let mut response = request.send().await.map_err(network)?;
    // A redirect is not followed either: it would name a host that the configuration does not.
    if response.status() != http::StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let mut document = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(network)? {
        if document.len() + piece.len() > MAX_DOCUMENT {
            return Err(FetchError::TooLarge);
        }
        document.extend_from_slice(&piece);
    }
    Ok(document)
}

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Bytes of a document, after inflation.
const MAX_DOCUMENT: usize = 1 << 20;
