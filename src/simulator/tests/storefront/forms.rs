use super::*;

/// A conversation: where to post, and the cookie.
struct Talk<'a> {
    shop: &'a Shop,
    first: Answer,
    cookie: String,
}

impl<'a> Talk<'a> {
    async fn start(shop: &'a Shop, language: &str) -> Self {
        let (_, auth) = shop.challenges().await;
        let location = shop.choice(&auth, "ExplicitForms").await.expect("it is offered");
        let first = send(shop.ask(&location, &auth).header("accept-language", language)).await;
        let cookie = first.header("set-cookie").expect("a cookie").split(';').next().unwrap();
        Self { shop, cookie: cookie.to_owned(), first }
    }

    /// Answers a form at the `PostBack` of the first one.
    async fn post(&self, fields: &[(&str, &str)]) -> Answer {
        self.post_to("<PostBack>", fields).await
    }

    async fn post_to(&self, element: &str, fields: &[(&str, &str)]) -> Answer {
        let path = between(&self.first.text, element, "<");
        let url = self.shop.store.url.join(&path).unwrap();
        send(self.shop.http.post(url).header("cookie", &self.cookie).form(fields)).await
    }
}

fn logon<'a>(name: &'a str, password: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("StateContext", ""),
        ("username", name),
        ("password", password),
        ("saveCredentials", "false"),
        ("loginBtn", "Log On"),
    ]
}

#[tokio::test]
async fn the_right_password_gives_a_primary_token_with_a_warning_when_it_expires_soon() {
    let shop = Shop::demo("hq").await;
    let talk = Talk::start(&shop, "en").await;
    assert_eq!(talk.first.status, 200);
    assert!(talk.first.text.contains("<Result>more-info</Result>"));
    let answer = talk.post(&logon(KIOSK, &shop.password(KIOSK))).await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/vnd.citrix.requesttokenresponse+xml")
    );
    assert!(!answer.text.contains("CredentialUpdateInformation"));
    assert_eq!(shop.service_token(&token(&answer)).await.status, 200);
    let again = talk.post(&logon(KIOSK, &shop.password(KIOSK))).await;
    assert!(again.text.contains("<Status>error-sessionid-invalid<"), "the conversation is over");
    let soon = Talk::start(&shop, "en").await;
    let answer = soon.post(&logon("DEMOLAB\\jonas", &shop.password("DEMOLAB\\jonas"))).await;
    assert!(answer.text.contains("CredentialUpdateInformation"), "{answer:?}");
}

#[tokio::test]
async fn a_wrong_password_is_200_with_the_form_again_and_the_third_locks() {
    let shop = Shop::demo("hq").await;
    let talk = Talk::start(&shop, "en").await;
    for _ in 0..3 {
        let again = talk.post(&logon("DEMOLAB\\lars", "wrong")).await;
        assert_eq!(again.status, 200);
        assert!(again.text.contains("<Status>success</Status><Result>more-info</Result>"));
        assert!(again.text.contains("<Type>error</Type>"), "{again:?}");
    }
    let refused = talk.post(&logon("DEMOLAB\\lars", &shop.password("DEMOLAB\\lars"))).await;
    assert!(refused.text.contains("<Result>fail</Result>"), "{refused:?}");
}

#[tokio::test]
async fn an_expired_password_is_changed_on_the_way() {
    let shop = Shop::demo("hq").await;
    let talk = Talk::start(&shop, "en").await;
    let old = shop.password("DEMOLAB\\olga");
    let form = talk.post(&logon("DEMOLAB\\olga", &old)).await;
    assert!(form.text.contains("<Result>update-credentials</Result>"), "{form:?}");
    let change = |new: &'static str| {
        [
            ("StateContext", ""),
            ("oldPassword", old.as_str()),
            ("newPassword", new),
            ("confirmPassword", "olga-Demo-2"),
            ("changePasswordBtn", "Change Password"),
        ]
    };
    assert!(talk.post(&change("other")).await.text.contains("<Type>error</Type>"));
    let confirmation = talk.post(&change("olga-Demo-2")).await;
    assert!(confirmation.text.contains("<Type>confirmation</Type>"), "{confirmation:?}");
    let done = [("StateContext", ""), ("changePasswordConfirmBtn", "OK")];
    token(&talk.post(&done).await);
    assert!(shop.basic("DEMOLAB\\olga", "olga-Demo-2").await.is_ok());
}

#[tokio::test]
async fn buttons_are_localized_and_must_be_echoed() {
    let shop = Shop::demo("hq").await;
    let talk = Talk::start(&shop, "cs-CZ,cs").await;
    assert!(talk.first.text.contains("<Button>Přihlásit</Button>"));
    let english = talk.post(&[]).await;
    assert!(english.text.contains("<Status>error-state-context-invalid<"));
    let password = shop.password(KIOSK);
    let mut fields = logon(KIOSK, &password);
    fields[4].1 = "Přihlásit";
    let in_english = talk.post(&fields).await;
    assert!(in_english.text.contains("<Status>error-params-not-expected<"));
    let url = between(&talk.first.text, "<PostBack>", "<");
    let url = shop.store.url.join(&url).unwrap();
    let czech = shop.http.post(url).header("cookie", &talk.cookie).form(&fields);
    token(&send(czech.header("accept-language", "cs")).await);
}

#[tokio::test]
async fn a_conversation_ends_after_five_minutes_or_by_cancelling() {
    let shop = Shop::demo("hq").await;
    let password = shop.password(KIOSK);
    let talk = Talk::start(&shop, "en").await;
    shop.control("POST", "/_sim/time", json!({ "advance": "5m" })).await;
    let late = talk.post(&logon(KIOSK, &password)).await;
    assert!(late.text.contains("<Status>error-sessionid-expired<"), "{late:?}");
    let talk = Talk::start(&shop, "en").await;
    let cancelled = talk.post_to("<CancelPostBack>", &[("StateContext", "")]).await;
    assert!(cancelled.text.contains("<Result>cancelled<"), "{cancelled:?}");
    assert_eq!(shop.counters().await["passwordChecks"], 0);
}

#[tokio::test]
async fn the_kiosk_store_has_forms_only_with_a_domain_list_and_a_context() {
    let shop = Shop::demo("kiosk").await;
    let (_, auth) = shop.challenges().await;
    assert_eq!(shop.choice(&auth, "HttpBasic").await, None);
    let basic = auth.location.replace("auth/v1/protocols", "HttpBasic/Authenticate");
    assert_eq!(send(shop.ask(&basic, &auth)).await.status, 404);
    let talk = Talk::start(&shop, "en").await;
    assert!(talk.first.text.contains("<ComboBox>"));
    let context = between(&talk.first.text, "<StateContext>", "</StateContext>");
    let answer = talk
        .post(&[
            ("StateContext", &context),
            ("username", "kiosk"),
            ("password", &shop.password(KIOSK)),
            ("domain", "DEMOLAB"),
            ("saveCredentials", "false"),
            ("loginBtn", "Log On"),
        ])
        .await;
    let service = token(&shop.service_token(&token(&answer)).await);
    let list = shop.list(Some(&service), "").await;
    assert_eq!(list.text.matches("<resource>").count(), 3);
}
