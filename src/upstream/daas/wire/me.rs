use serde::Deserialize;

use super::{IntoDomain, Reference};
use crate::{domain, upstream::lenient};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::upstream::daas) struct Me {
    #[serde(deserialize_with = "lenient::text")]
    user_id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    display_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    verified_email: Option<String>,
    customers: Option<Vec<MeCustomer>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct MeCustomer {
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::objects")]
    sites: Vec<Reference>,
}

impl IntoDomain for Me {
    type Domain = domain::Me;

    fn into_domain(self) -> Option<domain::Me> {
        let site = |site: Reference| {
            Some(domain::Site { id: site.id?, name: site.name, hibernated: false })
        };
        let customer = |customer: MeCustomer| {
            Some(domain::MeCustomer {
                id: customer.id?,
                name: customer.name,
                sites: customer.sites.into_iter().map(site).collect::<Option<_>>()?,
            })
        };
        Some(domain::Me {
            user_id: self.user_id,
            display_name: self.display_name,
            verified_email: self.verified_email,
            customers: self.customers?.into_iter().map(customer).collect::<Option<_>>()?,
        })
    }
}
