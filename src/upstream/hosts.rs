use std::collections::BTreeMap;

use url::{Host, Url};

use super::Service;
use crate::{
    config::{Customer, Region, TokenForm},
    domain::RegionName,
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
            // Of use to the drop-in surface alone, which knows its hosts; stores come with their own
            // URL.
            Service::Monitor | Service::StoreFront => return None,
        };
        Some(base.replace(CUSTOMER, customer.id.as_str()))
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
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err(net::Error::InvalidUrl(base.to_owned())),
    };
    match url.scheme() {
        "https" => Ok(base.to_owned()),
        "http" if loopback => Ok(base.to_owned()),
        _ => Err(net::Error::PlainHttp(base.to_owned())),
    }
}

const CUSTOMER: &str = "{customer}";
