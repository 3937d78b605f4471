use super::*;

#[tokio::test]
async fn each_service_challenges_in_one_line_with_its_own_realm() {
    let shop = Shop::demo("hq").await;
    let (store, auth) = shop.challenges().await;
    let base = shop.store.url.as_str().trim_end_matches("/Citrix/Store").to_owned();
    assert_eq!((store.reason.as_str(), auth.reason.as_str()), ("notoken", "notoken"));
    assert_ne!(store.realm, auth.realm);
    assert_eq!(store.location, format!("{base}/Citrix/StoreAuth/auth/v1/token"));
    assert_eq!(store.root, format!("{base}/Citrix/Store/resources/v2"));
    assert_eq!(auth.location, format!("{base}/Citrix/StoreAuth/auth/v1/protocols"));
    let answer = shop.list(None, "").await;
    assert_eq!(
        answer.header("www-authenticate").unwrap(),
        format!(
            "CitrixAuth realm=\"{}\", reqtokentemplate=\"\", reason=\"notoken\", \
             locations=\"{}\", serviceroot-hint=\"{}\"",
            store.realm, store.location, store.root
        )
    );
    assert_eq!(answer.header("cwsgate-upstream"), Some("simulator"));
}

#[tokio::test]
async fn basic_gives_a_primary_token_and_that_a_service_token() {
    let shop = Shop::demo("hq").await;
    let primary = shop.basic(KIOSK, &shop.password(KIOSK)).await.unwrap();
    assert!(primary.starts_with("H4sI") && primary.len() > 1000);
    let service = shop.service_token(&primary).await;
    assert_eq!(between(&service.text, "<lifetime>", "</lifetime>"), "0.01:00:00");
    assert_eq!(between(&service.text, "<issued>", "</issued>"), "2026-10-15T07:21:50.0000000Z");
    assert_eq!(between(&service.text, "<expiry>", "</expiry>"), "2026-10-15T08:21:50.0000000Z");
    assert_eq!(shop.list(Some(&token(&service)), "").await.status, 200);
}

#[tokio::test]
async fn a_token_is_good_for_its_own_realm_origin_and_time_only() {
    let shop = Shop::demo("hq").await;
    let reason = async |token: &str| Challenge::of(&shop.list(Some(token), "").await).reason;
    let primary = shop.basic(KIOSK, &shop.password(KIOSK)).await.unwrap();
    let service = shop.sign_in(KIOSK).await;
    assert_eq!(reason(&primary).await, "notforthisservice");
    assert_eq!(Challenge::of(&shop.service_token(&service).await).reason, "notforthisservice");
    assert_eq!(reason("nonsense").await, "invalidtoken");
    assert_eq!(reason("H4sIAAAA").await, "tokenSignatureNotVerified");
    let (mut store, _) = shop.challenges().await;
    store.root = "http://elsewhere.example.test/Citrix/Store/resources/v2".to_owned();
    let elsewhere = shop.ask(&store.location.clone(), &store);
    let elsewhere = token(&send(with_token(elsewhere, Some(&primary))).await);
    assert_eq!(reason(&elsewhere).await, "invalidAudience");
    let lower = shop.http.get(shop.list_url().await);
    let lower = send(lower.header("authorization", format!("citrixauth {service}"))).await;
    assert_eq!(Challenge::of(&lower).reason, "notoken", "the scheme's case matters");
    shop.control("POST", "/_sim/time", json!({ "advance": "1h" })).await;
    assert_eq!(reason(&service).await, "expired");
    assert_eq!(shop.service_token(&primary).await.status, 200, "it lives longer");
    shop.control("POST", "/_sim/time", json!({ "advance": "19h" })).await;
    assert_eq!(Challenge::of(&shop.service_token(&primary).await).reason, "expired");
}

#[tokio::test]
async fn another_stores_token_is_not_trusted() {
    let shop = Shop::demo("hq").await;
    let other = shop.simulator.store("portal").unwrap();
    let foreign = Shop { store: other, http: client(), simulator: shop.simulator };
    let service = foreign.sign_in(MIRA).await;
    let store = foreign.simulator.store("hq").unwrap();
    let shop = Shop { store, ..foreign };
    assert_eq!(Challenge::of(&shop.list(Some(&service), "").await).reason, "nottrusted");
}

#[tokio::test]
async fn a_changed_password_or_a_locked_account_ends_a_token() {
    let shop = Shop::demo("hq").await;
    let service = shop.sign_in(MIRA).await;
    shop.control("PATCH", "/_sim/stores/hq/users/mira", json!({ "locked": true })).await;
    assert_eq!(Challenge::of(&shop.list(Some(&service), "").await).reason, "badaccount");
    let change = json!({ "locked": false, "password": "next" });
    shop.control("PATCH", "/_sim/stores/hq/users/mira", change).await;
    assert_eq!(Challenge::of(&shop.list(Some(&service), "").await).reason, "badpassword");
    assert!(shop.basic(MIRA, "next").await.is_ok());
}

#[tokio::test]
async fn every_reason_can_be_had_once_at_either_service() {
    let shop = Shop::demo("hq").await;
    let primary = shop.basic(KIOSK, &shop.password(KIOSK)).await.unwrap();
    let service = shop.sign_in(KIOSK).await;
    for reason in crate::simulator::storefront::REASONS {
        for at in ["store", "auth"] {
            let change = json!({ "reject": { "reason": reason, "at": at } });
            shop.control("PATCH", "/_sim/stores/hq", change).await;
        }
        assert_eq!(Challenge::of(&shop.list(Some(&service), "").await).reason, reason);
        assert_eq!(shop.list(Some(&service), "").await.status, 200);
        let (store, auth) = shop.challenges().await;
        assert_eq!(auth.reason, reason);
        let again = with_token(shop.ask(&store.location, &store), Some(&primary));
        assert_eq!(send(again).await.status, 200);
    }
    let wrong = json!({ "reject": { "reason": "boredom" } });
    assert_eq!(shop.simulator.control("PATCH", "/_sim/stores/hq", wrong).await.0, 400);
}

#[tokio::test]
async fn a_wrong_basic_password_is_401_and_the_third_locks_the_account() {
    let shop = Shop::demo("hq").await;
    let lars = "DEMOLAB\\lars";
    for _ in 0..3 {
        let refused = shop.basic(lars, "wrong").await.unwrap_err();
        assert_eq!(refused.status, 401);
        assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"StoreFront\""));
    }
    assert!(shop.basic(lars, &shop.password(lars)).await.is_err(), "locked");
    let user = shop.control("GET", "/_sim/stores/hq/users/DEMOLAB%7Clars", Value::Null).await;
    assert_eq!((&user["locked"], &user["wrongPasswords"]), (&json!(true), &json!(3)));
    let olga = "DEMOLAB\\olga";
    assert!(shop.basic(olga, &shop.password(olga)).await.is_err(), "her password has expired");
    assert!(shop.basic("mira@demolab.example", &shop.password(MIRA)).await.is_ok());
}

#[tokio::test]
async fn a_token_request_is_read_strictly() {
    let shop = Shop::demo("hq").await;
    let (store, auth) = shop.challenges().await;
    let primary = shop.basic(KIOSK, &shop.password(KIOSK)).await.unwrap();
    let ask = |kind: &'static str, body: String| {
        let request = with_token(shop.http.post(&store.location), Some(&primary));
        send(request.header("content-type", kind).body(body))
    };
    let right = "application/vnd.citrix.requesttoken+xml";
    let body = |namespace: &str, service: &str, more: &str| {
        format!(
            "<requesttoken xmlns=\"{namespace}\"><for-service>{service}</for-service>\
             <for-service-url>{}</for-service-url>{more}</requesttoken>",
            store.root
        )
    };
    let namespace = "http://citrix.com/delivery-services/1-0/auth/requesttoken";
    let template = "<reqtokentemplate/>";
    let realm = &*store.realm;
    assert_eq!(ask("text/xml", body(namespace, realm, template)).await.status, 415);
    assert_eq!(ask(right, body("urn:x", realm, template)).await.status, 400);
    assert_eq!(ask(right, body(namespace, "unknown", template)).await.status, 400);
    assert_eq!(ask(right, body(namespace, realm, "")).await.status, 400, "the template is missing");
    let short = format!("{template}<requested-lifetime>00:05:00</requested-lifetime>");
    let answer = ask(right, body(namespace, realm, &short)).await;
    assert_eq!(between(&answer.text, "<lifetime>", "</lifetime>"), "0.00:05:00");
    let wrong = send(shop.ask(&auth.location, &auth).header("accept", "text/html")).await;
    assert_eq!(wrong.status, 406);
}

#[tokio::test]
async fn a_dead_location_can_stand_before_the_right_one() {
    let shop = Shop::demo("hq").await;
    shop.control("PATCH", "/_sim/stores/hq", json!({ "deadLocationFirst": true })).await;
    let locations = Challenge::of(&shop.list(None, "").await).location;
    let all: Vec<&str> = locations.split('|').collect();
    assert_eq!(all.len(), 2);
    assert_eq!(send(shop.http.post(all[0])).await.status, 404);
    assert_eq!(send(shop.http.post(all[1])).await.status, 401);
}
