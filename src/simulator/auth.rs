//! The checks in front of every service: who calls, for which customer, and in the right words.

use super::errors::{self, Parameters};
use super::http::{Reply, Request};
use super::settings::WrongRegion;
use super::world::{Caller, World};

/// Reads `CwsAuth Bearer=<token>`, scheme and word without case.
pub(super) fn cws_token(header: Option<&str>) -> Result<&str, Unauthenticated> {
    let header = header.map(str::trim).filter(|header| !header.is_empty());
    let (scheme, rest) =
        header.ok_or(Unauthenticated::Missing)?.split_once(' ').ok_or(Unauthenticated::Invalid)?;
    let rest = rest.trim();
    if !scheme.eq_ignore_ascii_case("cwsauth") {
        return Err(Unauthenticated::Invalid);
    }
    match rest.split_at_checked("bearer=".len()) {
        Some((word, token)) if word.eq_ignore_ascii_case("bearer=") && !token.is_empty() => {
            Ok(token)
        }
        _ => Err(Unauthenticated::Invalid),
    }
}

/// Reads a plain `Bearer <token>`, which DaaS itself takes, but not the gateway before it.
pub(super) fn plain_token(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unauthenticated {
    Missing,
    Invalid,
}

impl Unauthenticated {
    /// The gateway's 401.
    pub(super) fn guideline(self, style: Parameters) -> Reply {
        let reason = match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
        };
        let detail = "Missing or invalid authentication details";
        errors::guideline(401, "common/authentication", detail, &[("reason", reason)], style)
    }
}

/// The API gateway's checks: `Accept`, token, `Citrix-CustomerId`, and that they belong together.
/// Returns the caller and the index of the customer.
pub(super) fn gateway(
    world: &World,
    request: &Request,
    style: Parameters,
) -> Result<(Caller, usize), Reply> {
    if world.settings.strict_accept && request.header("accept") != Some("application/json") {
        let wanted = [("contentType", "application/json")];
        let detail = "Must accept application/json media type";
        return Err(errors::guideline(406, "common/notAcceptable", detail, &wanted, style));
    }
    let token =
        cws_token(request.header("authorization")).map_err(|error| error.guideline(style))?;
    let caller = world
        .caller(token, request.region)
        .ok_or_else(|| Unauthenticated::Invalid.guideline(style))?;
    let Some(id) = request.header("citrix-customerid").filter(|id| !id.is_empty()) else {
        return Err(errors::management(500, "Internal server error"));
    };
    let customer = customer_of(world, &caller, id, request, style)?;
    Ok((caller, customer))
}

/// The older platform hosts' checks: the token, and that its customer is the one in the path.
pub(super) fn platform(world: &World, request: &Request, id: &str) -> Result<usize, Reply> {
    let token = cws_token(request.header("authorization")).map_err(|_| errors::cws_auth())?;
    let caller = world.caller(token, request.region).ok_or_else(errors::cws_auth)?;
    customer_of(world, &caller, id, request, Parameters::Array).map_err(Reply::platform)
}

fn customer_of(
    world: &World,
    caller: &Caller,
    id: &str,
    request: &Request,
    style: Parameters,
) -> Result<usize, Reply> {
    let own = &world.customers[caller.customer];
    if own.id != id {
        let parameters = [("entityType", "Customer"), ("id", id)];
        let detail = "Access denied";
        return Err(errors::guideline(403, "common/authorization", detail, &parameters, style));
    }
    if own.region == request.region {
        return Ok(caller.customer);
    }
    match world.settings.wrong_region {
        WrongRegion::Serve => Ok(caller.customer),
        WrongRegion::Deny => {
            let parameters = [
                ("message", "User is not authenticated for the specified resource"),
                ("entityType", "https://catalogs.apps.cloud.com/customer"),
                ("id", id),
            ];
            Err(errors::guideline(403, "common/authorization", "Access denied", &parameters, style))
        }
        WrongRegion::Redirect => {
            let right = &world.regions[own.region];
            let parameters = [
                ("Citrix-CustomerId", id),
                ("customerDataRegion", right.name.as_str()),
                ("currentAPIMRegion", world.regions[request.region].name.as_str()),
            ];
            let detail = "Regional customer must use their designated regional endpoint";
            let query = if request.raw_query.is_empty() { "" } else { "?" };
            let location = format!("{}{}{query}{}", right.url, request.path, request.raw_query);
            Err(errors::guideline(307, "common/Redirect", detail, &parameters, style)
                .header("location", location))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_spellings_of_the_header_are_read() {
        for header in
            ["CwsAuth Bearer=t", "CWSAuth bearer=t", " cwsauth BEARER=t", "CwsAuth  bearer=t"]
        {
            assert_eq!(cws_token(Some(header)), Ok("t"), "{header}");
        }
        assert_eq!(cws_token(None), Err(Unauthenticated::Missing));
        for header in ["Bearer t", "CwsAuth t", "CwsAuth Bearer=", "CwsAuth"] {
            assert_eq!(cws_token(Some(header)), Err(Unauthenticated::Invalid), "{header}");
        }
    }
}
