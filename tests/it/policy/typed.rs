//! Who may do what under `/v1`, for apps with any grants.

use cwsgate::{
    auth::ApiKey,
    domain::Action::{self, Maintain, Notify, Power, Read, Session},
};
use futures_util::{StreamExt, stream};
use proptest::{prelude::*, sample::select};
use reqwest::Method;
use serde_json::Value;

use super::{
    model::{Known, NO_SITE, Words},
    world::{CUSTOMERS, Met, SESSION, SITES, Verdict, each_gateway, start},
};
use crate::support::{Gateway, Reply};

/// What a call takes, its method, its path below the customer and its body. Without `{s}` it is
/// about the customer as a whole.
type Entry = (Action, &'static str, &'static str, &'static str);

const CALLS: &[Entry] = &[
    (Read, "GET", "resource-locations", ""),
    (Read, "GET", "service-states", ""),
    (Notify, "POST", "notifications", r#"{ "title": "t", "description": "d" }"#),
    (Read, "GET", "sites/{s}/machines/LAB%7CKESTREL", ""),
    (Power, "POST", "sites/{s}/machines/LAB%7CKESTREL/actions/start", ""),
    (Maintain, "POST", "sites/{s}/machines/LAB%7CKESTREL/actions/set-maintenance", ""),
    (Maintain, "POST", "sites/{s}/machines/LAB%7CKESTREL/actions/clear-maintenance", ""),
    (Read, "GET", "sites/{s}/sessions/{session}", ""),
    (Session, "POST", "sites/{s}/sessions/{session}/actions/send-message", MESSAGE),
];
const MESSAGE: &str = r#"{ "title": "t", "text": "t", "style": "Information" }"#;

/// A call of one of the apps.
#[derive(Clone, Debug)]
struct Call {
    app: usize,
    customer: Option<&'static Known>,
    by_id: bool,
    entry: Entry,
    site: &'static str,
}

#[test]
fn an_app_may_do_under_v1_what_its_grants_say_and_nothing_else() {
    let met = Met::default();
    each_gateway(call(), HOW_MANY, async |apps, calls| {
        let (gateway, keys) = start(&apps).await;
        let gateway = &gateway;
        let absent = gateway.get("/v1/customers/nobody").await.problem(404, "not_found");
        let replies = stream::iter(&calls).map(async |call| {
            let key = &keys[call.app % keys.len()];
            (call, send(gateway, key, call).await)
        });
        let replies: Vec<_> = replies.buffered(8).collect().await;
        for (call, reply) in replies {
            let grants = &apps[call.app % apps.len()];
            let verdict = verdict(grants, call);
            met.count(&[verdict]);
            if !fits(&reply, verdict, call, &absent) {
                let (status, text) = (reply.status, &reply.text);
                return Err(format!("{verdict:?}\n{call:?}\n{grants:?}\n{status} {text}"));
            }
        }
        Ok(())
    });
    met.were_all_met();
}

fn call() -> impl Strategy<Value = Call> {
    let customer = prop_oneof![
        9 => select(CUSTOMERS.iter().collect::<Vec<_>>()).prop_map(Some),
        1 => Just(None),
    ];
    // Most often the site that the customer has.
    let site = prop_oneof![Just(None), select(SITES).prop_map(Some)];
    let parts = (0..64_usize, customer, any::<bool>(), select(CALLS), site);
    parts.prop_map(|(app, customer, by_id, entry, site)| {
        let own = customer.map_or(SITES[0], site_of);
        Call { app, customer, by_id, entry, site: site.unwrap_or(own) }
    })
}

fn verdict(grants: &[Words], call: &Call) -> Verdict {
    let (action, _, path, _) = call.entry;
    let Some(customer) = call.customer else { return Verdict::Absent };
    let naming: Vec<_> = grants.iter().filter(|grant| grant.names(customer)).collect();
    let granting: Vec<_> =
        naming.iter().copied().filter(|grant| grant.actions.contains(&action)).collect();
    let reach = |grants: &[&Words], site: &str| grants.iter().any(|grant| grant.covers(site));
    if naming.is_empty() {
        Verdict::Absent
    } else if granting.is_empty() {
        Verdict::Forbidden(action)
    } else if !path.contains("{s}") {
        if reach(&granting, NO_SITE) { Verdict::Allowed } else { Verdict::Forbidden(action) }
    } else if call.site != site_of(customer) || !reach(&naming, call.site) {
        Verdict::Absent
    } else if reach(&granting, call.site) {
        Verdict::Allowed
    } else {
        Verdict::Forbidden(action)
    }
}

/// Whether the answer is what the verdict demands. What is allowed may be refused by Citrix: a
/// machine that is on cannot be started.
fn fits(reply: &Reply, verdict: Verdict, call: &Call, absent: &Value) -> bool {
    let problem = || -> Option<Value> { serde_json::from_str(&reply.text).ok() };
    match (verdict, call.customer) {
        (Verdict::Allowed, _) => matches!(reply.status.as_u16(), 200..=299 | 409 | 422),
        (Verdict::Forbidden(action), Some(customer)) => problem().is_some_and(|problem| {
            let said = problem["detail"].as_str().unwrap_or_default();
            reply.status == 403
                && problem["code"] == "policy_denied"
                && said.contains(&format!("{:?}", action.as_str()))
                && said.contains(&format!("customer {:?}", customer.name))
        }),
        // Word for word what is said of a customer that nobody has.
        _ => problem().is_some_and(|mut problem| {
            for name in ["requestId", "instance"] {
                problem[name] = absent[name].clone();
            }
            reply.status == 404 && problem == *absent
        }),
    }
}

async fn send(gateway: &Gateway, key: &ApiKey, call: &Call) -> Reply {
    let (_, method, path, body) = call.entry;
    let customer = match call.customer {
        Some(customer) if call.by_id => customer.id,
        Some(customer) => customer.name,
        None => "nobody",
    };
    let path = path.replace("{s}", call.site).replace("{session}", SESSION);
    let method: Method = method.parse().unwrap();
    let mut request = gateway.request_as(key, method, &format!("/v1/customers/{customer}/{path}"));
    if !body.is_empty() {
        request = request.header("content-type", "application/json").body(body);
    }
    gateway.send(request).await
}

/// The site that a customer has.
fn site_of(customer: &'static Known) -> &'static str {
    let at = CUSTOMERS.iter().position(|known| known.name == customer.name);
    SITES[at.unwrap()]
}

/// Calls of each gateway.
const HOW_MANY: usize = 400;
