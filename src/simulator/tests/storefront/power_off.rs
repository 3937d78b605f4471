use super::*;

const DESKTOP: &str = "Farm1.Kiosk $S1-1";

#[tokio::test]
async fn a_power_off_succeeds_takes_its_time_and_refuses_another_meanwhile() {
    let shop = Shop::demo("hq").await;
    let kiosk = shop.sign_in(KIOSK).await;
    let link = shop.link(&kiosk, DESKTOP).await.unwrap();
    let (one, other) = tokio::join!(shop.power_off(&kiosk, &link), shop.power_off(&kiosk, &link));
    let texts = [one.text, other.text];
    let kind = Some("application/vnd.citrix.machinepoweroff+xml");
    assert_eq!((one.headers["content-type"].to_str().ok(), one.status), (kind, 200));
    assert_eq!(texts.iter().filter(|text| text.contains("status=\"success\"")).count(), 1);
    let busy = "<errorid>operation-in-progress</errorid>";
    assert_eq!(texts.iter().filter(|text| text.contains(busy)).count(), 1);
    let shown = shop.change_resource(DESKTOP, json!({})).await;
    assert_eq!(shown["machine"]["powerState"], "turning-off");
    assert_eq!(shown["lastClientName"], "gw-01");
    shop.control("POST", "/_sim/time", json!({ "advance": "1s" })).await;
    let shown = shop.change_resource(DESKTOP, json!({})).await;
    assert_eq!(shown["machine"]["powerState"], "off");
    let counts = &shop.counters().await["resources"][DESKTOP];
    assert_eq!(counts, &json!({ "powerOffPosts": 2, "powerOffsApplied": 1 }));
}

#[tokio::test]
async fn the_state_of_things_decides_what_is_answered() {
    let shop = Shop::demo("hq").await;
    let kiosk = shop.sign_in(KIOSK).await;
    for (id, what) in [
        ("Farm1.Reception $S1-2", "status=\"success\""),
        ("Farm1.Meeting Room $S1-3", "<errorid>in-maintenance-mode</errorid>"),
        ("Farm1.Guest $S1-4", "<errorid>no-machine</errorid>"),
        ("Farm1.Archive $S1-5", "status=\"success\""),
        ("Farm1.Shared $S1-6", "<errorid>not-supported</errorid>"),
        ("Farm1.Busy $S1-9", "errorid=\"operation-in-progress\""),
        ("Farm1.Slow $S1-10", "<error><id>timed-out</id>"),
        ("Farm1.Lost $S1-11", "<errorid>timed-out</errorid>"),
        ("Farm1.Strange $S1-12", "status=\"failure\" />"),
        ("Farm1.New $S1-13", "<error-id>hypervisor-out-of-tea</error-id>"),
        ("Farm1.Foreign $S1-14", "<errorId>not-trusted</errorId>"),
        ("Farm2.Lab $S2-1", "status=\"success\""),
    ] {
        let link = shop.link(&kiosk, id).await.unwrap_or_else(|| panic!("{id} has a link"));
        let answer = shop.power_off(&kiosk, &link).await;
        assert!(answer.status == 200 && answer.text.contains(what), "{id}: {answer:?}");
    }
    let state = async |id: &str| shop.change_resource(id, json!({})).await["machine"].clone();
    assert_eq!(state("Farm1.Slow $S1-10").await["powerState"], "turning-off", "it did happen");
    assert_eq!(state("Farm1.Lost $S1-11").await["powerState"], "on", "it did not");
    shop.control("PATCH", "/_sim/stores/hq", json!({ "trusted": false })).await;
    let link = shop.link(&kiosk, DESKTOP).await.unwrap();
    assert!(shop.power_off(&kiosk, &link).await.text.contains("<errorid>not-trusted<"));
}

#[tokio::test]
async fn each_404_has_its_reason() {
    let shop = Shop::demo("hq").await;
    let kiosk = shop.sign_in(KIOSK).await;
    let link = shop.link(&kiosk, DESKTOP).await.unwrap();
    let reason = async |link: &str| {
        let answer = shop.power_off(&kiosk, link).await;
        assert_eq!(answer.status, 404, "{answer:?}");
        answer.header("x-citrix-error-reason").map(str::to_owned)
    };
    for (change, back, expected) in [
        (json!({ "enabled": false }), json!({ "enabled": true }), "ResourceDisabled"),
        (json!({ "canPowerOff": false }), json!({ "canPowerOff": true }), "UnsupportedOperation"),
        (json!({ "hidden": true }), json!({ "hidden": false }), "ResourceNotFound"),
    ] {
        shop.change_resource(DESKTOP, change).await;
        assert_eq!(reason(&link).await.as_deref(), Some(expected));
        shop.change_resource(DESKTOP, back).await;
    }
    let query = link.find('?').unwrap();
    assert_eq!(reason(&link[..query]).await, None, "the query belongs to the link");
    shop.change_resource(DESKTOP, json!({ "rotateLinks": true })).await;
    assert_eq!(reason(&link).await, None);
    let fresh = shop.link(&kiosk, DESKTOP).await.unwrap();
    assert_eq!(shop.power_off(&kiosk, &fresh).await.status, 200);
    let next = json!({ "powerOff": { "status": 404, "reason": "ResourceNotFound" } });
    shop.change_resource(DESKTOP, next).await;
    assert_eq!(reason(&fresh).await.as_deref(), Some("ResourceNotFound"));
}

#[tokio::test]
async fn next_outcomes_are_used_in_turn_and_each_shape_is_there() {
    let shop = Shop::demo("hq").await;
    let kiosk = shop.sign_in(KIOSK).await;
    let link = shop.link(&kiosk, DESKTOP).await.unwrap();
    for (shape, what) in [
        ("element", "status=\"failure\"><errorid>x</errorid>"),
        ("camel-element", "<errorId>x</errorId>"),
        ("hyphen-element", "<error-id>x</error-id>"),
        ("attribute", "status=\"failure\" errorid=\"x\""),
        ("nested", "<result type=\"error\"><error><id>x</id>"),
        ("no-id", "status=\"failure\" />"),
        ("no-status", "machinepoweroff\"><errorid>x</errorid>"),
        ("other-status", "status=\"rejected\"><errorid>x</errorid>"),
    ] {
        let next = json!({ "powerOff": { "errorId": "x", "shape": shape } });
        shop.change_resource(DESKTOP, next).await;
        let answer = shop.power_off(&kiosk, &link).await;
        assert!(answer.text.contains(what), "{shape}: {}", answer.text);
    }
    let next = json!({ "powerOff": [
        { "errorId": "timed-out", "withEffect": true },
        { "status": 503, "times": 2 },
    ] });
    shop.change_resource(DESKTOP, next).await;
    assert!(shop.power_off(&kiosk, &link).await.text.contains("timed-out"));
    assert_eq!(shop.power_off(&kiosk, &link).await.status, 503);
    assert_eq!(shop.power_off(&kiosk, &link).await.status, 503);
    let busy = shop.power_off(&kiosk, &link).await;
    assert!(busy.text.contains("operation-in-progress"), "it was really told to go off");
    let wrong = json!({ "powerOff": { "shape": "round" } });
    let path = format!("/_sim/stores/hq/resources/{}", encoded(DESKTOP));
    assert_eq!(shop.simulator.control("PATCH", &path, wrong).await.0, 400);
}

#[tokio::test]
async fn the_request_is_checked_before_anything_happens() {
    let shop = Shop::demo("hq").await;
    let kiosk = shop.sign_in(KIOSK).await;
    let link = shop.link(&kiosk, DESKTOP).await.unwrap();
    let changed = async |name: &'static str, value: &'static str, body: &'static str| {
        let mut request = shop.power_off_request(&kiosk, &link).body(body).build().unwrap();
        request.headers_mut().insert(name, reqwest::header::HeaderValue::from_static(value));
        shop.http.execute(request).await.unwrap().status().as_u16()
    };
    assert_eq!(changed("accept", "application/json", PARAMS).await, 406);
    assert_eq!(changed("content-type", "application/xml", PARAMS).await, 415);
    assert_eq!(changed("x-any", "1", "").await, 400);
    assert_eq!(changed("x-any", "1", "<machinepoweroffparams/>").await, 400);
    assert_eq!(changed("authorization", "Bearer x", PARAMS).await, 401);
    assert_eq!(send(with_token(shop.http.get(&link), Some(&kiosk))).await.status, 405);
    let counts = &shop.counters().await["resources"][DESKTOP];
    assert_eq!(counts, &json!({ "powerOffPosts": 5, "powerOffsApplied": 0 }));
}

#[tokio::test]
async fn a_launch_starts_a_machine_that_is_off() {
    let shop = Shop::demo("hq").await;
    let kiosk = shop.sign_in(KIOSK).await;
    let list = shop.list(Some(&kiosk), "").await;
    let resource = between(&list.text, "<id>Farm1.Archive $S1-5</id>", "</resource>");
    let link = between(&resource, "<launchica><url>", "</url>");
    let launch = send(with_token(shop.http.post(&link), Some(&kiosk))).await;
    assert!(launch.text.contains("status=\"retry\"") && launch.text.contains("<after>5</after>"));
    shop.control("POST", "/_sim/time", json!({ "advance": "1s" })).await;
    let shown = shop.change_resource("ARCHIVE-05", json!({})).await;
    assert_eq!(shown["machine"]["powerState"], "on");
}
