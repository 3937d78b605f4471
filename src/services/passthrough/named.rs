use http::HeaderMap;

use super::{DropInCall, Surface, invalid};
use crate::{domain::SiteId, services::Error};

/// The customer that a call is for, by our name or by Citrix's id.
pub(super) fn customer(call: &DropInCall) -> Result<String, Error> {
    let header = only(&call.headers, CUSTOMER_ID)?.filter(|value| !value.is_empty());
    let path = call.path.customer();
    if call.path.surface().customer_at() == Some(0) {
        return Ok(path.unwrap_or_default().to_owned());
    }
    header.map(ToOwned::to_owned).ok_or_else(|| {
        invalid("/Citrix-CustomerId", "the header Citrix-CustomerId is missing: name the customer")
    })
}

/// The site in the header; in the older form of DaaS the path says it.
pub(super) fn site(call: &DropInCall) -> Result<Option<SiteId>, Error> {
    if call.path.surface() == Surface::Preview {
        return Ok(None);
    }
    let Some(id) = only(&call.headers, INSTANCE_ID)?.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let wrong = |_| invalid("/Citrix-InstanceId", "Citrix-InstanceId is not the id of a site");
    SiteId::try_from(id).map(Some).map_err(wrong)
}

/// The value of a header that may not say two things.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Error> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) {
        return Err(invalid(format!("/{name}"), format!("{name} is there twice")));
    }
    let readable = first.to_str().map(str::trim);
    readable.map(Some).map_err(|_| invalid(format!("/{name}"), format!("{name} is not readable")))
}

const CUSTOMER_ID: &str = "Citrix-CustomerId";
const INSTANCE_ID: &str = "Citrix-InstanceId";
