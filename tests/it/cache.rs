//! What the gateway keeps of Citrix's answers, and whom it tells what of it.

use std::time::Duration;

use reqwest::{Method, StatusCode, header::CACHE_CONTROL};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::support::{Gateway, Reply};

const MACHINES: &str = "/v1/customers/acme/sites/-/machines?pageSize=1000";
const KESTREL: &str = "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL";

async fn caching() -> Gateway {
    Gateway::builder().caching().start().await
}

/// A gateway whose answers about machines are stale at once.
async fn forgetful() -> Gateway {
    let settings = "[cache.ttl]\nmachines = \"1ms\"";
    Gateway::builder().caching().settings(settings).start().await
}

/// How often the simulator was asked for something whose path ends like this.
async fn asked(gateway: &Gateway, end: &str) -> usize {
    let asked = gateway.asked("service=daas&method=GET").await;
    asked.iter().filter(|request| request["path"].as_str().unwrap().ends_with(end)).count()
}

async fn get_with(gateway: &Gateway, path: &str, name: &str, value: &str) -> Reply {
    gateway.send(gateway.request(Method::GET, path).header(name, value)).await
}

#[tokio::test]
async fn the_same_question_is_asked_once() {
    let gateway = caching().await;

    let first = gateway.get(MACHINES).await;
    let second = gateway.get(MACHINES).await;

    assert_eq!(asked(&gateway, "/Machines").await, 1);
    assert_eq!(first.ok(200)["items"], second.ok(200)["items"]);
    assert_eq!(first.json()["sources"][0]["cache"], "miss");
    assert_eq!(second.json()["sources"][0]["cache"], "hit");
    assert_eq!(second.json()["sources"][0]["asOf"], first.json()["sources"][0]["asOf"]);
    assert_eq!(second.json()["sources"][0]["status"], "ok");
    assert!(first.header("cache-status").starts_with("cwsgate; fwd=miss; stored; ttl="));
    assert!(second.header("cache-status").starts_with("cwsgate; hit; ttl="));
    assert!(first.headers.get("age").is_none());
    assert!(second.header("age").parse::<u64>().unwrap() <= 5);
    assert!(second.header("cache-control").starts_with("private, max-age="));
    // Nobody takes it for real, and no id of a call that was not made is shown.
    assert_eq!(second.header("cwsgate-upstream"), "simulator");
    assert_eq!(first.header("citrix-transactionid"), first.header("x-request-id"));
    assert!(second.headers.get("citrix-transactionid").is_none());
}

#[tokio::test]
async fn a_hundred_equal_reads_are_one_call_even_when_the_first_caller_hangs_up() {
    let gateway = caching().await;
    gateway.get("/v1/customers/acme/sites").await.ok(200);
    gateway.fault(json!({ "match": { "pathContains": "/Machines" }, "latencyMs": 8000 }));
    let ask = || tokio::spawn(gateway.request(Method::GET, MACHINES).send());
    let first = ask();
    until(async || asked(&gateway, "/Machines").await == 1).await;
    let others: Vec<_> = (0..99).map(|_| ask()).collect();
    until(async || {
        let metrics = gateway.get_admin("/metrics").await.text;
        metrics.contains("http_server_active_requests 100\n")
    })
    .await;

    first.abort();

    for other in others {
        assert_eq!(other.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(asked(&gateway, "/Machines").await, 1);
}

#[tokio::test]
async fn reading_goes_on_while_a_region_is_down_and_says_that_it_is_stale() {
    let gateway = forgetful().await;
    let whole = gateway.get("/v1/machines?pageSize=1000").await.ok(200);
    let one = "/v1/customers/contoso/sites/-/machines/CONTOSO%7CAUK";
    gateway.get(one).await.ok(200);
    gateway.stop_region("eu").await;

    let reply = gateway.get("/v1/machines?pageSize=1000").await;

    let body = reply.ok(200);
    assert_eq!(body["items"], whole["items"]);
    assert_eq!(body["completeness"]["status"], "complete");
    assert_eq!(body["completeness"]["stale"], 1);
    assert_eq!(body["completeness"]["ok"], 2);
    assert_eq!(
        reply.header("cwsgate-completeness"),
        "complete; ok=2; stale=1; failed=0; skipped=0"
    );
    let sources = body["sources"].as_array().unwrap();
    let eu = sources.iter().find(|source| source["customer"] == "contoso").unwrap();
    assert_eq!((&eu["status"], &eu["cache"]), (&json!("stale"), &json!("stale")));
    assert!(eu["asOf"].is_string(), "{eu}");
    assert!(reply.headers.contains_key("age"));
    // One thing alone, too.
    let reply = gateway.get(one).await;
    reply.ok(200);
    let said = reply.header("cache-status");
    assert!(said.starts_with("cwsgate; fwd=stale; ttl=-") && said.contains("stale-if-error"));
    assert_eq!(reply.header("cache-control"), "private, no-cache");
    // Who wants to know how it is now is told that nobody knows.
    let now = get_with(&gateway, one, "cache-control", "no-cache").await;
    now.problem(503, "upstream_unavailable");
}

#[tokio::test]
async fn what_was_never_read_is_not_made_up_while_a_region_is_down() {
    let gateway = forgetful().await;
    gateway.get("/v1/customers/contoso/sites").await.ok(200);
    gateway.stop_region("eu").await;

    let reply = gateway.get("/v1/machines?pageSize=1000").await;

    assert_eq!(reply.ok(200)["completeness"]["status"], "partial");
    assert_eq!(reply.header("cache-control"), "no-store");
    gateway.sim("PUT", "/_sim/regions/eu", json!({ "state": "up" })).await;
    let whole = gateway.get("/v1/machines?pageSize=1000").await.ok(200);
    assert_eq!(whole["completeness"]["ok"], 3, "the failure was kept");
}

#[tokio::test]
async fn our_own_change_is_seen_at_once() {
    let gateway = caching().await;
    let state = async |path: &str| gateway.get(path).await.ok(200)["inMaintenanceMode"].clone();
    assert_eq!(state(KESTREL).await, false);
    assert_eq!(state(KESTREL).await, false);
    let others = asked(&gateway, "/MachineCatalogs").await;

    gateway.post(&format!("{KESTREL}/actions/set-maintenance"), Value::Null).await.ok(200);

    assert_eq!(state(KESTREL).await, true);
    let listed = gateway.get(&format!("{MACHINES}&name=KESTREL")).await;
    assert_eq!(listed.of_items("inMaintenanceMode"), [true]);
    assert_eq!(asked(&gateway, "/MachineCatalogs").await, others);
}

#[tokio::test]
async fn apps_share_what_was_read_and_never_what_they_may_see() {
    let (builder, desk) =
        Gateway::builder().caching().app("desk", r#"{ actions = ["read"], customers = ["acme"] }"#);
    let (builder, power) = builder.app("power", r#"{ actions = ["power"], customers = ["acme"] }"#);
    let (builder, other) =
        builder.app("other", r#"{ actions = ["read"], customers = ["globex"] }"#);
    let gateway = builder.start().await;
    let get =
        async |key, path: &str| gateway.send(gateway.request_as(key, Method::GET, path)).await;
    gateway.get(MACHINES).await.ok(200);
    gateway.get("/v1/machines?pageSize=1000").await.ok(200);

    assert_eq!(get(&desk, MACHINES).await.ok(200)["sources"][0]["cache"], "hit");
    get(&power, MACHINES).await.problem(403, "policy_denied");
    get(&other, MACHINES).await.problem(404, "not_found");
    let all = get(&other, "/v1/machines?pageSize=1000").await;
    assert!(all.of_items("customer").iter().all(|customer| customer == "globex"));
    assert!(!all.of_items("customer").is_empty());
    for path in [MACHINES, "/v1/machines?pageSize=1000"] {
        let reply = get(&desk, path).await;
        assert!(reply.of_items("customer").iter().all(|customer| customer == "acme"), "{path}");
    }
}

#[tokio::test]
async fn a_power_action_looks_at_the_machine_and_not_at_what_is_kept() {
    let gateway = caching().await;
    assert_eq!(gateway.get(KESTREL).await.ok(200)["sessionCount"], 0);
    let session = json!({ "user": "mira", "state": "Active" });
    gateway.sim("POST", "/_sim/machines/acme/DEMOLAB%7CKESTREL/sessions", session).await;
    assert_eq!(gateway.get(KESTREL).await.ok(200)["sessionCount"], 0, "not kept");
    let (read, resolved) = (asked(&gateway, "KESTREL").await, asked(&gateway, "/me").await);

    let reply = gateway.post(&format!("{KESTREL}/actions/reboot"), Value::Null).await;

    reply.problem(409, "machine_in_use");
    assert_eq!(asked(&gateway, "KESTREL").await, read + 1);
    // `-` for the site is a name, and who acts on a name wants it looked up now.
    assert_eq!(asked(&gateway, "/me").await, resolved + 1);
    let by_id = gateway.get(KESTREL).await.ok(200)["self"].as_str().unwrap().to_owned();
    gateway
        .post(&format!("{by_id}/actions/reboot"), Value::Null)
        .await
        .problem(409, "machine_in_use");
    assert_eq!(asked(&gateway, "/me").await, resolved + 1);
}

#[tokio::test]
async fn operations_are_planned_and_carried_out_by_what_citrix_says_now() {
    let gateway = caching().await;
    let kestrel = "customers/acme/sites/-/machines/KESTREL";
    let body = |dry_run: bool| json!({ "action": "reboot", "dryRun": dry_run, "selector": { "in": [kestrel] } });
    let operate = async |body: Value| {
        let post = gateway.request(Method::POST, "/v1/operations").header("idempotency-key", "k");
        let post = post.header("content-type", "application/json").body(body.to_string());
        gateway.send(post).await
    };
    // All of it is kept, and says that nobody is there.
    for path in [MACHINES, KESTREL, "/v1/machines?pageSize=1000"] {
        gateway.get(path).await.ok(200);
    }
    let plan = operate(body(true)).await.ok(200);
    assert_eq!(plan["plan"]["targets"].as_array().unwrap().len(), 1, "{plan}");
    let id = gateway.get(KESTREL).await.ok(200)["id"].as_str().unwrap().to_owned();
    // The first look is the plan's; the one just before acting is held up.
    let slow = json!({ "match": { "method": "GET", "pathContains": id }, "latencyMs": 1500 });
    gateway.fault(slow);
    let begun = operate(body(false)).await.ok(202);
    let session = json!({ "user": "mira", "state": "Active" });
    gateway.sim("POST", "/_sim/machines/acme/DEMOLAB%7CKESTREL/sessions", session).await;

    let path = format!("{}?wait=50s", begun["self"].as_str().unwrap());
    let ended = gateway.get(&path).await.ok(200);

    assert_eq!(ended["counts"]["skipped"], 1, "{ended}");
    assert_eq!(gateway.power_counts("DEMOLAB\\KESTREL", "reboot").await, (0, 0));
    let plan = operate(body(true)).await.ok(200);
    assert_eq!(plan["plan"]["targets"], json!([]), "{plan}");
}

#[tokio::test]
async fn who_has_the_same_already_is_told_only_that() {
    let gateway = caching().await;
    for path in [MACHINES, KESTREL, "/v1/customers", "/v1/whoami", "/v1/customers/acme/sites"] {
        let reply = gateway.get(path).await;
        reply.ok(200);
        let tag = reply.header("etag").to_owned();
        assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{path}: {tag:?}");

        let same = get_with(&gateway, path, "if-none-match", &format!("\"x\", {tag}")).await;

        assert_eq!((same.status, same.text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path}");
        assert_eq!(same.header("etag"), tag, "{path}");
        assert!(same.header("cache-control").starts_with("private, "), "{path}");
        assert!(!same.header("x-request-id").is_empty());
        get_with(&gateway, path, "if-none-match", "\"x\"").await.ok(200);
    }
}

#[tokio::test]
async fn the_tag_changes_with_the_answer_and_not_with_the_time() {
    let gateway = Gateway::demo().await;
    let tag = async |path: &str| {
        let reply = gateway.get(path).await;
        reply.ok(200);
        reply.header("etag").to_owned()
    };
    for path in [MACHINES, KESTREL] {
        let before = tag(path).await;
        sleep(Duration::from_millis(20)).await;
        assert_eq!(tag(path).await, before, "{path}");
        let session = json!({ "user": "mira", "state": "Active" });
        gateway.sim("POST", "/_sim/machines/acme/DEMOLAB%7CKESTREL/sessions", session).await;
        assert_ne!(tag(path).await, before, "{path}");
    }
    // A source that fails is another answer, even with the same items.
    let sessions =
        "/v1/customers/-/sites/-/machine-catalogs?customer=acme&customer=contoso&fields=id";
    let whole = tag(sessions).await;
    gateway.stop_region("eu").await;
    assert_ne!(tag(sessions).await, whole);
    assert_ne!(tag(&format!("{MACHINES}&fields=name")).await, tag(MACHINES).await);
}

#[tokio::test]
async fn callers_say_how_recent_an_answer_must_be() {
    let gateway = caching().await;
    let get = async |directives: &str| {
        let request = gateway.request(Method::GET, KESTREL).header(CACHE_CONTROL, directives);
        gateway.send(request).await
    };
    get("only-if-cached").await.problem(504, "not_cached");
    assert_eq!(gateway.total_asked().await, 0);

    gateway.get(KESTREL).await.ok(200);
    let kept = get("only-if-cached").await;
    kept.ok(200);
    assert!(kept.header("cache-status").starts_with("cwsgate; hit"));
    assert!(get("max-age=60").await.header("cache-status").starts_with("cwsgate; hit"));
    assert_eq!(asked(&gateway, "KESTREL").await, 1);
    for (count, directives) in ["no-cache", "max-age=0", "no-store"].into_iter().enumerate() {
        let reply = get(directives).await;
        reply.ok(200);
        assert!(reply.header("cache-status").starts_with("cwsgate; fwd=request"), "{directives}");
        assert_eq!(asked(&gateway, "KESTREL").await, count + 2, "{directives}");
    }
    // What nobody understands is passed over.
    get("max-age=soon, x").await.ok(200);
}

#[tokio::test]
async fn a_list_of_kept_answers_names_the_sources_that_are_not_kept() {
    let gateway = caching().await;
    gateway.get(MACHINES).await.ok(200);
    let path = "/v1/machines?pageSize=1000";

    let reply = get_with(&gateway, path, "cache-control", "only-if-cached").await;

    let body = reply.ok(200);
    assert_eq!(body["completeness"]["ok"], 1);
    assert_eq!(body["completeness"]["failed"], 2);
    let codes: Vec<_> = body["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| &source["problem"]["code"])
        .collect();
    assert_eq!(codes, [&Value::Null, &json!("not_cached"), &json!("not_cached")]);
    let some = gateway.get(path).await;
    some.ok(200);
    let said = some.header("cache-status");
    assert_eq!(said, "cwsgate; fwd=partial; detail=\"hit=1, miss=2, stale=0\"");
}

#[tokio::test]
async fn what_is_kept_stays_within_its_room_and_is_counted() {
    let room = 96 * 1024;
    let settings = "[cache]\nmax_bytes = \"96 KiB\"";
    let gateway = Gateway::builder().caching().settings(settings).start().await;
    for size in 1..=20 {
        gateway.get(&format!("/v1/machines?pageSize={size}")).await.ok(200);
    }
    gateway.get("/v1/machines?pageSize=20").await.ok(200);

    let metrics = gateway.get_admin("/metrics").await.text;

    let number = |name: &str| -> u64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).trim().parse().unwrap()
    };
    let held = number("cwsgate_cache_size_bytes ");
    assert!(held > 0 && held <= room, "{held} bytes");
    assert!(number("cwsgate_cache_evictions_total ") > 0, "all of it fitted");
    assert!(number("cwsgate_cache_entries ") > 0);
    assert!(number("cwsgate_cache_reads_total{class=\"machines\",outcome=\"miss\"} ") >= 60);
    assert!(number("cwsgate_cache_reads_total{class=\"sites\",outcome=\"hit\"} ") > 0);
}

#[tokio::test]
async fn a_new_site_is_found_at_once() {
    let gateway = caching().await;
    gateway.get("/v1/customers/acme/sites").await.ok(200);
    let before = asked(&gateway, "/me").await;
    gateway.get("/v1/customers/acme/sites/nowhere").await.problem(404, "not_found");
    assert_eq!(asked(&gateway, "/me").await, before + 1);
}

/// Waits for something that is about to happen.
async fn until(happened: impl AsyncFn() -> bool) {
    let wait = async {
        while !happened().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_mins(1), wait).await.expect("it did not happen");
}
