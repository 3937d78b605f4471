use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::{address, layers::Layers, reader::Field};
use crate::domain::RegionName;

/// One Citrix control plane and its hosts. No request leaves for a host outside this table.
#[derive(Clone, Debug, Eq, PartialEq)]
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

/// Regions that can be used, and the names of all.
#[derive(Default)]
pub(super) struct Regions {
    pub(super) good: BTreeMap<RegionName, Region>,
    /// Those with a mistake of their own too, which stops the start by itself.
    pub(super) names: BTreeSet<String>,
}

impl Regions {
    /// Reads every region below `regions`.
    pub(super) fn read_all(regions: &Field<'_>, layers: &Layers) -> Self {
        let mut found = Self::default();
        for field in regions.named() {
            layers.report_repeated("regions", &field);
            found.names.insert(field.last.to_owned());
            if let Some(region) = Region::read(&field) {
                found.good.insert(region.name.clone(), region);
            }
        }
        found
    }
}

impl Region {
    fn read(field: &Field<'_>) -> Option<Self> {
        let name = field.name::<RegionName>();
        let section = field.section("regions.*", "a table with `api` and other hosts")?;
        let url = |key| {
            let field = section.field(key).required(URL_FIX);
            field.checked(address::base_url, URL_FIX)
        };
        let template = |key| section.field(key).checked(address::url_template, URL_FIX);
        let forms = [("oauth2", TokenForm::OAuth2), ("trust", TokenForm::Trust)];
        let token_form = section.field("token_form").choice(&forms).unwrap_or(TokenForm::OAuth2);
        let (token, daas) = (template("token"), template("daas"));
        let (api, registry) = (url("api"), url("registry"));
        let (core, notifications) = (url("core"), url("notifications"));
        let api = api?;
        let base = api.as_str().trim_end_matches('/');
        // In the US Government cloud the DaaS API has a host per customer.
        let behind_api = field.last != "us-gov";
        let daas = daas.or_else(|| behind_api.then(|| format!("{base}/cvad/manage")));
        Some(Self {
            name: name?,
            token: token.unwrap_or_else(|| base.to_owned()),
            token_form,
            daas,
            registry: registry?,
            core: core?,
            notifications: notifications?,
            api,
        })
    }
}

const URL_FIX: &str = "write a base URL such as \"https://api-us.cloud.com\"";
