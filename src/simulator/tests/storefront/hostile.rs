use super::*;

const DESKTOP: &str = "Farm1.Kiosk $S1-1";

/// A shop, a token and the link of a desktop.
async fn ready() -> (Shop, String, String) {
    let shop = Shop::demo("hq").await;
    let kiosk = shop.sign_in(KIOSK).await;
    let link = shop.link(&kiosk, DESKTOP).await.unwrap();
    (shop, kiosk, link)
}

#[tokio::test]
async fn a_reply_can_be_wrong_in_every_way() {
    let (shop, kiosk, link) = ready().await;
    for (document, part) in [
        ("wrong-root", "<unexpected xmlns=\"http://citrix.com/"),
        ("wrong-namespace", "xmlns=\"http://example.com/"),
        ("no-namespace", "<machinepoweroff status="),
        ("dtd", "<!DOCTYPE machinepoweroff>"),
        ("entities", "&e9;</laugh>"),
        ("deep", "<deep><deep><deep>"),
        ("two-roots", "/><machinepoweroff"),
        ("not-xml", "OK"),
        ("html", "<!DOCTYPE html>"),
        ("prefixed", "<q1:machinepoweroff xmlns:q1="),
        ("extra", "<f:future since=\"3.99\">"),
        ("instruction", "<?node 7?></machinepoweroff>"),
        ("comments", "--></machinepoweroff>"),
        ("bom", "\u{feff}<?xml"),
    ] {
        let next = json!({ "powerOff": { "document": document, "withEffect": false } });
        shop.change_resource(DESKTOP, next).await;
        let raw = shop.power_off_request(&kiosk, &link).send().await.unwrap();
        assert_eq!(raw.status(), 200);
        let text = String::from_utf8(raw.bytes().await.unwrap().to_vec()).unwrap();
        assert!(text.contains(part), "{document}: {text:.200}");
    }
    for (document, size) in
        [("empty", 0..1), ("truncated", 80..110), ("huge", 33_554_432..33_555_000)]
    {
        shop.change_resource(DESKTOP, json!({ "powerOff": { "document": document } })).await;
        let length = shop.power_off(&kiosk, &link).await.text.len();
        assert!(size.contains(&length), "{document}: {length}");
    }
}

#[tokio::test]
async fn a_cut_reply_ends_early_after_the_effect() {
    let (shop, kiosk, link) = ready().await;
    shop.change_resource(DESKTOP, json!({ "powerOff": { "document": "cut" } })).await;
    let response = shop.power_off_request(&kiosk, &link).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
    let shown = shop.change_resource(DESKTOP, json!({})).await;
    assert_eq!(shown["machine"]["powerState"], "turning-off");
}

#[tokio::test]
async fn a_compressed_reply_says_so_and_can_be_read() {
    let (shop, kiosk, link) = ready().await;
    shop.change_resource(DESKTOP, json!({ "powerOff": { "document": "gzip" } })).await;
    // This client decompresses and takes the header away.
    let answer = shop.power_off(&kiosk, &link).await;
    assert!(answer.text.contains("status=\"success\""), "{answer:?}");
    assert_eq!(answer.header("content-encoding"), None);
}

#[tokio::test]
async fn faults_know_both_services() {
    let (shop, kiosk, link) = ready().await;
    let fault = async |rule: Value| shop.control("POST", "/_sim/faults", rule).await;
    fault(
        json!({ "match": { "service": "storefront", "customer": "hq", "pathContains": "poweroff" },
        "reset": true, "afterEffect": true, "times": 1 }),
    )
    .await;
    assert!(shop.power_off_request(&kiosk, &link).send().await.is_err());
    let shown = shop.change_resource(DESKTOP, json!({})).await;
    assert_eq!(shown["machine"]["powerState"], "turning-off", "it happened all the same");
    fault(json!({ "match": { "service": "storefront" }, "document": "dtd", "times": 1 })).await;
    let list = with_token(shop.http.get(format!("{}/endpoints/v1", shop.store.url)), None);
    assert!(send(list).await.text.contains("<!DOCTYPE endpoints>"));
    fault(json!({ "match": { "service": "storeauth" }, "status": 503, "times": 1 })).await;
    let store = Challenge::of(&shop.list(None, "").await);
    let down = send(shop.ask(&store.location, &store)).await;
    assert_eq!((down.status, down.header("content-type")), (503, Some("text/html")));
    fault(json!({ "match": { "service": "storeauth" }, "garbage": "{}", "times": 1 })).await;
    let garbage = shop.ask(&store.location, &store).header("accept", "application/x+xml");
    let garbage = send(garbage).await;
    assert_eq!((garbage.status, garbage.header("content-type")), (200, Some("application/x+xml")));
    let rule = json!({ "match": { "service": "daas" }, "document": "dtd" });
    assert_eq!(shop.simulator.control("POST", "/_sim/faults", rule).await.0, 400);
    let rule = json!({ "match": { "service": "storefront" }, "hugeBody": 100_000, "times": 1 });
    fault(rule).await;
    let huge = send(shop.http.get(format!("{}/endpoints/v1", shop.store.url))).await;
    assert!(huge.text.len() > 60_000 && huge.text.ends_with("</huge>"));
}

#[tokio::test]
async fn the_server_of_the_stores_can_be_down_and_forgets_nothing_secret() {
    let (shop, kiosk, _) = ready().await;
    let url = shop.list_url().await;
    let ask = || with_token(shop.http.get(&url), Some(&kiosk)).send();
    let mode = async |mode: Value| shop.control("PUT", "/_sim/regions/storefront", mode).await;
    mode(json!({ "state": "down", "mode": "503" })).await;
    assert_eq!(ask().await.unwrap().status(), 503);
    mode(json!({ "state": "down" })).await;
    assert!(ask().await.unwrap_err().is_connect());
    mode(json!({ "state": "up" })).await;
    assert_eq!(ask().await.unwrap().status(), 200);
    let log = shop.control("GET", "/_sim/requests?service=storefront", Value::Null).await;
    assert_eq!(log["requests"][0]["customer"], "hq");
    assert_eq!(log["requests"][0]["operation"], "resources.list");
    let everything =
        log.to_string() + &shop.control("GET", "/_sim/state", Value::Null).await.to_string();
    assert!(!everything.contains(&kiosk) && !everything.contains("kiosk-Demo"));
    shop.control("POST", "/_sim/reset", Value::Null).await;
    assert_eq!(ask().await.unwrap().status(), 401, "its tokens are forgotten");
}
