use std::collections::BTreeMap;

use url::Url;

use super::Service;
use crate::{
    config::{Customer, Region, TokenForm},
    domain::{RegionName, is_loopback},
    net,
};

/// Where each service of each region is. No request leaves for a host outside this table.
#[derive(Clone, Debug)]
pub(super) struct Hosts(BTreeMap<RegionName, RegionHosts>);

/// Bases without a slash at the end; `{customer}` stands for the customer's id.
#[derive(Clone, Debug)]
struct RegionHosts {
    token: String,
    token_form: TokenForm,
    registry: String,
    core: String,
    notifications: String,
    daas: Option<String>,
    api: String,
}

impl Hosts {
    /// Takes over the configured regions, refusing what is no URL and plain HTTP to other machines.
    pub(super) fn new(regions: &BTreeMap<RegionName, Region>) -> Result<Self, net::Error> {
        let hosts = |region: &Region| {
            Ok(RegionHosts {
                token: checked(&token_endpoint(&region.token, region.token_form))?,
                token_form: region.token_form,
                registry: checked(region.registry.as_str())?,
                core: checked(region.core.as_str())?,
                notifications: checked(region.notifications.as_str())?,
                daas: region.daas.as_deref().map(checked).transpose()?,
                api: checked(region.api.as_str())?,
            })
        };
        regions
            .iter()
            .map(|(name, region)| Ok((name.clone(), hosts(region)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The base of a service for that customer, without a slash at the end; `None` where the
    /// region has no host for it.
    pub(super) fn base(&self, customer: &Customer, service: Service) -> Option<String> {
        let region = self.0.get(&customer.region)?;
        let base = match service {
            Service::Token => &region.token,
            Service::Registry => &region.registry,
            Service::Core => &region.core,
            Service::Notifications => &region.notifications,
            Service::Daas => region.daas.as_ref()?,
            // Only passed through; both are behind the API host.
            Service::Api | Service::Monitor => &region.api,
            // Stores come with their own URL.
            Service::StoreFront => return None,
        };
        Some(base.replace(CUSTOMER, customer.id.as_str()))
    }

    /// Whether a URL is one of Citrix's: its host and port are in the table of any region, or its
    /// domain belongs to Citrix Cloud. Answers may name a global alias of a regional host.
    pub(super) fn is_citrix(&self, customer: &Customer, url: &Url) -> bool {
        let authority =
            |url: &Url| Some((url.host_str()?.to_ascii_lowercase(), url.port_or_known_default()?));
        let wanted = authority(url);
        let in_table = |base: &String| {
            let base = Url::parse(&base.replace(CUSTOMER, customer.id.as_str()));
            base.is_ok_and(|base| authority(&base) == wanted)
        };
        let bases = self.0.values().flat_map(|region| {
            let fixed = [&region.api, &region.registry, &region.core, &region.notifications];
            fixed.into_iter().chain(&region.daas)
        });
        let host = wanted.as_ref().map_or("", |(host, _)| host.as_str());
        let below = |domain: &&str| host.strip_suffix(*domain).is_some_and(|h| h.ends_with('.'));
        DOMAINS.iter().any(below) || bases.into_iter().any(in_table)
    }

    /// How the region's token service is asked.
    pub(super) fn token_form(&self, region: &RegionName) -> Option<TokenForm> {
        self.0.get(region).map(|region| region.token_form)
    }
}

/// The whole URL of the token call, from what the configuration says of it.
fn token_endpoint(base: &str, form: TokenForm) -> String {
    let base = base.trim_end_matches('/');
    match form {
        _ if base.ends_with("/tokens/clients") => base.to_owned(),
        TokenForm::OAuth2 => format!("{base}/cctrustoauth2/{CUSTOMER}/tokens/clients"),
        TokenForm::Trust => format!("{base}/{CUSTOMER}/tokens/clients"),
    }
}

fn checked(base: &str) -> Result<String, net::Error> {
    let base = base.trim_end_matches('/');
    let url = Url::parse(&base.replace(CUSTOMER, "customer"))
        .map_err(|_| net::Error::InvalidUrl(base.to_owned()))?;
    let host = url.host().ok_or_else(|| net::Error::InvalidUrl(base.to_owned()))?;
    match url.scheme() {
        "https" => Ok(base.to_owned()),
        "http" if is_loopback(&host) => Ok(base.to_owned()),
        _ => Err(net::Error::PlainHttp(base.to_owned())),
    }
}

const CUSTOMER: &str = "{customer}";

/// Domains under which nothing but Citrix Cloud answers, in all its clouds.
const DOMAINS: [&str; 9] = [
    "cloud.com",
    "citrixworkspacesapi.net",
    "citrixworkspacesapi.jp",
    "citrixworkspacesapi.us",
    "citrixcloud.jp",
    "citrixcloud.us",
    "cloud.us",
    "xendesktop.net",
    "xendesktop.us",
];
