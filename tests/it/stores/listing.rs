use serde_json::json;

use super::{Desktop, KIOSK, change_store, counters};
use crate::support::Gateway;

#[tokio::test]
async fn stores_are_listed_without_asking_them() {
    let gateway = Gateway::demo().await;
    let reply = gateway.get("/v1/stores").await;
    reply.ok(200);
    assert_eq!(reply.of_items("name"), ["hq", "kiosk", "portal"]);
    assert_eq!(reply.of_items("signIn"), ["service-account", "service-account", "caller"]);
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn a_list_shows_what_the_store_offers_and_subscribes_nobody() {
    let gateway = Gateway::demo().await;
    for store in ["hq", "kiosk"] {
        let reply = gateway.get(&format!("/v1/stores/{store}/resources")).await;
        let list = reply.ok(200);
        assert_eq!(list["enumeration"], "full");
        for item in list["items"].as_array().unwrap() {
            let id = item["id"].as_str().unwrap();
            let safe = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(!id.is_empty() && id.chars().all(safe), "{id}");
            assert_eq!(item["self"], format!("/v1/stores/{store}/resources/{id}"));
            let alone = gateway.get(item["self"].as_str().unwrap()).await.ok(200);
            assert_eq!(alone, *item);
        }
        assert_eq!(counters(&gateway, store).await["subscriptionsCreated"], 0, "{store}");
    }
    let list = gateway.get("/v1/stores/hq/resources").await.ok(200);
    let items = list["items"].as_array().unwrap();
    let named = |name: &str| items.iter().find(|item| item["name"] == name).unwrap();
    let kiosk = named(KIOSK);
    assert_eq!(kiosk["type"], "Citrix.MPS.Desktop");
    assert_eq!(kiosk["hostname"], "KIOSK-01");
    assert_eq!(kiosk["assignment"], "assigned");
    assert_eq!(kiosk["canPowerOff"], true);
    assert_eq!(kiosk["store"], "hq");
    assert_eq!(named("Notepad")["canPowerOff"], false);
    assert_eq!(named("Pooled desktop")["canPowerOff"], false);
    assert_eq!(named("Guest desktop")["assignment"], "assign-on-first-use");
    // Another user's.
    assert!(items.iter().all(|item| item["name"] != "Mira's desktop"));
}

#[tokio::test]
async fn only_a_full_list_proves_that_something_is_not_there() {
    let gateway = Gateway::demo().await;
    let here = Desktop::of(&gateway, "hq", KIOSK).await;
    let lab = Desktop::of(&gateway, "hq", "Lab bench").await;
    let nowhere = Desktop { path: "/v1/stores/hq/resources/nowhere".to_owned(), ..lab };
    let lab = Desktop::of(&gateway, "hq", "Lab bench").await;
    gateway.get(&nowhere.path).await.problem(404, "not_found");
    nowhere.power_off(&gateway).await.problem(404, "not_found");
    let farms = gateway.sim("GET", "/_sim/stores/hq", json!(null)).await;
    let farms = farms["resources"].as_array().unwrap().iter().map(|it| it["farm"].clone());
    let farms: std::collections::BTreeSet<_> =
        farms.map(|farm| farm.as_str().unwrap().to_owned()).collect();

    change_store(&gateway, "hq", json!({ "farmsDown": ["Farm2"] })).await;
    let list = gateway.get("/v1/stores/hq/resources").await.ok(200);
    assert_eq!(list["enumeration"], "partial");
    gateway.get(&here.path).await.ok(200);
    for absent in [&lab, &nowhere] {
        let problem = gateway.get(&absent.path).await.problem(503, "upstream_unavailable");
        assert_eq!(problem["retryable"], true);
        let problem = absent.power_off(&gateway).await.problem(503, "upstream_unavailable");
        assert!(problem.get("outcome").is_none(), "{problem}");
    }
    // What is there can be switched off all the same.
    here.power_off(&gateway).await.ok(200);

    change_store(&gateway, "hq", json!({ "farmsDown": farms })).await;
    let list = gateway.get("/v1/stores/hq/resources").await.ok(200);
    assert_eq!(list["enumeration"], "failed");
    assert_eq!(list["items"], json!([]));
    for absent in [&here, &lab, &nowhere] {
        absent.power_off(&gateway).await.problem(503, "upstream_unavailable");
    }
    assert_eq!(here.posts(&gateway).await, (1, 1));
    assert_eq!(lab.posts(&gateway).await, (0, 0));

    change_store(&gateway, "hq", json!({ "farmsDown": [] })).await;
    lab.power_off(&gateway).await.ok(200);
    assert_eq!(lab.posts(&gateway).await, (1, 1));
}
