//! Who may do what on Citrix's paths, for apps with any grants and calls of every kind.

use cwsgate::auth::ApiKey;
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use super::{
    calls::{Call, Deed},
    model::{NO_SITE, Words},
    world::{CUSTOMERS, Met, SITES, Verdict, each_gateway, start},
};
use crate::support::{Gateway, Reply};

#[test]
fn an_app_reaches_citrix_with_what_its_grants_say_and_with_nothing_else() {
    let met = Met::default();
    each_gateway(Call::any(CUSTOMERS, SITES), CALLS, async |apps, calls| {
        let of = |call: &Call| verdict(&apps[call.app % apps.len()], call);
        let verdicts: Vec<_> = calls.iter().map(of).collect();
        met.count(&verdicts);
        compare(&apps, &calls, &verdicts).await
    });
    met.were_all_met();
}

fn verdict(grants: &[Words], call: &Call) -> Verdict {
    let Some(customer) = call.customer else { return Verdict::Absent };
    let naming: Vec<_> = grants.iter().filter(|grant| grant.names(customer)).collect();
    if naming.is_empty() {
        return Verdict::Absent;
    }
    if call.is_of_another_form() {
        return Verdict::Unsound;
    }
    // One item that is refused refuses the batch.
    let mut verdicts = call.deeds().into_iter().map(|deed| judged(&naming, &deed));
    verdicts.find(|verdict| *verdict != Verdict::Allowed).unwrap_or(Verdict::Allowed)
}

/// `naming` are the grants that name the customer.
fn judged(naming: &[&Words], deed: &Deed) -> Verdict {
    let granting: Vec<_> =
        naming.iter().copied().filter(|grant| grant.actions.contains(&deed.action)).collect();
    let forbidden = Verdict::Forbidden(deed.action);
    let reach = |grants: &[&Words], site: &str| grants.iter().any(|grant| grant.covers(site));
    if granting.is_empty() {
        forbidden
    } else if reach(&granting, NO_SITE) {
        Verdict::Allowed
    } else if deed.sites.iter().any(|site| !reach(naming, site)) {
        Verdict::Absent
    } else if deed.sites.iter().any(|site| !reach(&granting, site))
        || (deed.sites.is_empty() && !deed.greets)
    {
        forbidden
    } else {
        Verdict::Allowed
    }
}

/// Makes the calls; the error says where gateway and model differ.
async fn compare(apps: &[Vec<Words>], calls: &[Call], verdicts: &[Verdict]) -> Result<(), String> {
    let (gateway, keys) = start(apps).await;
    let absent = gateway.get("/nobody/serviceStates").await.problem(404, "not_found");
    let gateway = &gateway;
    let replies = stream::iter(calls.iter().enumerate()).map(async |(number, call)| {
        let reply = send(gateway, &keys[call.app % keys.len()], number, call).await;
        (number, reply)
    });
    let replies: Vec<_> = replies.buffer_unordered(8).collect().await;
    for (number, reply) in replies {
        let (call, verdict) = (&calls[number], verdicts[number]);
        let wrong = |what: &str| {
            let line = format!("{} {}", call.method(), call.path());
            let grants = &apps[call.app % apps.len()];
            let (status, text) = (reply.status, &reply.text);
            Err(format!("{what}: {verdict:?}\n{line}\n{call:?}\n{grants:?}\n{status} {text}"))
        };
        if !fits(&reply, verdict, call, &absent) {
            return wrong("the answer is another");
        }
    }
    reached(gateway, calls, verdicts).await
}

/// Whether the answer is what the verdict demands.
fn fits(reply: &Reply, verdict: Verdict, call: &Call, absent: &Value) -> bool {
    let by_citrix = reply.header("cwsgate-upstream") == "simulator"
        && !reply.header("content-type").starts_with("application/problem+json");
    let status = match verdict {
        Verdict::Allowed => return by_citrix,
        Verdict::Forbidden(_) => 403,
        Verdict::Absent => 404,
        Verdict::Unsound => 400,
    };
    if by_citrix || reply.status != status {
        return false;
    }
    if call.method() == Method::HEAD {
        return reply.text.is_empty();
    }
    let mut problem = reply.json();
    if verdict == Verdict::Unsound {
        return problem["code"] == "invalid_request";
    }
    let said = problem["ErrorMessage"].as_str().unwrap_or_default().to_owned();
    if let (Verdict::Forbidden(action), Some(customer)) = (verdict, call.customer) {
        return problem["code"] == "policy_denied"
            && said.contains(&format!("{:?}", action.as_str()))
            && said.contains(&format!("customer {:?}", customer.name));
    }
    // Word for word what is said of a customer that nobody has.
    for name in ["requestId", "instance"] {
        problem[name] = absent[name].clone();
    }
    problem == *absent
}

/// Whether Citrix has seen every call that is allowed, once and for the right customer, and no
/// other.
async fn reached(gateway: &Gateway, calls: &[Call], verdicts: &[Verdict]) -> Result<(), String> {
    let (asked, total) = (gateway.asked("after=0").await, gateway.total_asked().await);
    let (tokens, seen): (Vec<_>, Vec<_>) =
        asked.iter().partition(|request| request["service"] == "token");
    let mut seen: Vec<_> = seen.into_iter().map(numbered).collect();
    seen.sort_unstable();
    let allowed = calls.iter().zip(verdicts).enumerate();
    let allowed = allowed.filter(|(_, (_, verdict))| **verdict == Verdict::Allowed);
    let mut expected: Vec<_> = allowed
        .map(|(number, (call, _))| {
            let customer = call.customer.map_or("", |customer| customer.name);
            (number.to_string(), customer.to_owned())
        })
        .collect();
    expected.sort_unstable();
    if seen != expected {
        let extra: Vec<_> = seen.iter().filter(|one| !expected.contains(one)).collect();
        let missing: Vec<_> = expected.iter().filter(|one| !seen.contains(one)).collect();
        return Err(format!("at Citrix: {extra:?} came, {missing:?} did not"));
    }
    let known = (tokens.len() + expected.len()) as u64;
    if total != known {
        return Err(format!("Citrix was asked {total} times, {known} are known"));
    }
    Ok(())
}

/// The number of a call and whose it was, by what came to the simulator.
fn numbered(request: &Value) -> (String, String) {
    let headers = request["headers"].as_array().unwrap();
    let id = headers.iter().find(|pair| pair[0] == "citrix-transactionid");
    let id = id.and_then(|pair| pair[1].as_str()?.parse::<Uuid>().ok());
    let number = id.map_or_else(|| request["path"].to_string(), |id| id.as_u128().to_string());
    (number, request["customer"].as_str().unwrap_or_default().to_owned())
}

async fn send(gateway: &Gateway, key: &ApiKey, number: usize, call: &Call) -> Reply {
    let mut request = gateway
        .request_as(key, call.method(), &call.path())
        .header("citrix-transactionid", Uuid::from_u128(number as u128).to_string())
        .header("citrix-customerid", call.customer_as_named());
    if let Some(site) = call.in_header {
        let site = if number.is_multiple_of(2) { site.to_owned() } else { site.to_uppercase() };
        request = request.header("citrix-instanceid", site);
    }
    if let Some(body) = call.body() {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    gateway.send(request).await
}

/// Of each gateway.
const CALLS: usize = 300;
