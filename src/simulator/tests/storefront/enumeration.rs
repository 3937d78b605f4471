use super::*;

#[tokio::test]
async fn the_list_holds_what_the_user_sees_with_links_that_nobody_can_guess() {
    let shop = Shop::demo("hq").await;
    let (kiosk, mira) = (shop.sign_in(KIOSK).await, shop.sign_in(MIRA).await);
    let list = shop.list(Some(&kiosk), "").await;
    assert_eq!((list.status, list.header("content-type")), (200, Some(RESOURCES)));
    assert!(list.text.contains(" enumeration=\"full\""));
    assert_eq!(list.text.matches("<resource>").count(), 16);
    assert!(!list.text.contains("Personal $S1-15"), "it is Mira's");
    assert!(shop.list(Some(&mira), "").await.text.contains("<id>Farm1.Personal $S1-15</id>"));
    assert!(list.text.contains("<title>Réception &amp; Büro &lt;Süd&gt;</title>"));
    let (one, other) =
        (shop.link(&kiosk, "Farm1.Kiosk $S1-1").await, shop.link(&mira, "Farm1.Kiosk $S1-1").await);
    assert_ne!(one, other, "links are per user");
    let id = STANDARD.encode("Farm1.Kiosk $S1-1").replace('=', "-");
    assert!(!one.unwrap().contains(&id));
    let built = format!("{}/resources/v2/{id}/poweroff", shop.store.url);
    let answer = shop.power_off(&kiosk, &built).await;
    assert_eq!((answer.status, answer.header("x-citrix-error-reason")), (404, None));
    assert!(list.text.contains("<machinepoweroff><url>/Citrix/Store/"), "one is relative");
    assert!(list.text.contains("<machinepoweroff><url>http://"));
    assert_eq!(shop.link(&kiosk, "Farm1.Pool $S1-7").await, None);
    assert_eq!(shop.link(&kiosk, "Farm1.Notepad").await, None);
}

#[tokio::test]
async fn farms_that_are_down_make_a_list_partial_or_failed_with_200() {
    let shop = Shop::demo("hq").await;
    let kiosk = shop.sign_in(KIOSK).await;
    shop.control("PATCH", "/_sim/stores/hq", json!({ "farmsDown": ["Farm2"] })).await;
    let partial = shop.list(Some(&kiosk), "").await;
    assert!(partial.text.contains(" enumeration=\"partial\"") && !partial.text.contains("LAB-21"));
    shop.control("PATCH", "/_sim/stores/hq", json!({ "farmsDown": ["Farm1", "Farm2"] })).await;
    let failed = shop.list(Some(&kiosk), "").await;
    assert_eq!(failed.status, 200);
    assert!(failed.text.contains(" enumeration=\"failed\"") && !failed.text.contains("<resource>"));
}

#[tokio::test]
async fn groups_choose_the_parts_and_an_unknown_scope_is_refused() {
    let shop = Shop::demo("hq").await;
    let kiosk = shop.sign_in(KIOSK).await;
    let vm = shop.list(Some(&kiosk), "?group=VM&group=desktop").await;
    assert!(vm.text.contains("<machinepoweroff>") && vm.text.contains("<hostname>KIOSK-01<"));
    assert!(!vm.text.contains("<title>"));
    let unknown = shop.list(Some(&kiosk), "?group=nothing").await;
    assert!(unknown.text.contains("<resource><id>Farm1.Notepad</id></resource>"));
    assert_eq!(shop.list(Some(&kiosk), "?scope=everything").await.status, 400);
    assert_eq!(shop.list(Some(&kiosk), "?scope=%24prelaunch%24").await.status, 200);
    let html = with_token(shop.http.get(shop.list_url().await), Some(&kiosk));
    assert_eq!(send(html.header("accept", "text/html")).await.status, 406);
}

#[tokio::test]
async fn only_the_list_that_says_so_subscribes_anybody() {
    let shop = Shop::demo("hq").await;
    let kiosk = shop.sign_in(KIOSK).await;
    shop.list(Some(&kiosk), "").await;
    assert_eq!(shop.counters().await["subscriptionsCreated"], 0);
    let provisioning = shop.http.get(format!("{}/resources/v2", shop.store.url));
    assert_eq!(send(with_token(provisioning, Some(&kiosk))).await.status, 200);
    assert_eq!(shop.counters().await["subscriptionsCreated"], 1);
    let subscribed = shop.list(Some(&kiosk), "?subscriptionStatus=subscribed").await;
    assert_eq!(subscribed.text.matches("<resource>").count(), 1);
}

#[tokio::test]
async fn one_resource_is_read_by_its_link() {
    let shop = Shop::demo("hq").await;
    let kiosk = shop.sign_in(KIOSK).await;
    let list = shop.list(Some(&kiosk), "?group=status").await;
    let link = between(&list.text, "<link><url>", "</url>");
    let get = with_token(shop.http.get(&link), Some(&kiosk));
    let one = send(get.header("accept", "application/vnd.citrix.resource+xml")).await;
    assert_eq!(one.status, 200);
    assert!(one.text.contains("<resource xmlns=") && one.text.contains("<id>Farm1.Kiosk $S1-1<"));
    let mira = shop.sign_in(MIRA).await;
    let other = send(with_token(shop.http.get(&link), Some(&mira))).await;
    assert_eq!(other.header("x-citrix-error-reason"), Some("ResourceNotFound"));
}
