use super::{Folder, about, empty, errors, load, options, variables};
use crate::{
    config::{
        Algorithm, Config, CustomerSelector, LoadOptions, Loaded, Severity, SiteSelector, Source,
        StoreAuth,
    },
    domain::Action,
};

fn hash(id: &str) -> String {
    format!("\"cwsgate_hash_{id}_{}\"", "0".repeat(64))
}

fn app(body: &str) -> Loaded {
    load(&format!("[apps.web]\n{body}"), &empty())
}

#[test]
fn a_configuration_without_callers_is_refused_unless_told_otherwise() {
    let parse = |options| Config::parse("", std::path::Path::new("/x"), &empty(), options);
    let refused = parse(options());
    assert!(refused.config.is_none());
    assert!(about(&refused, "apps").fix.contains("--unsafe-allow-anonymous"));

    let allowed = parse(LoadOptions { allow_anonymous: true, ..options() });
    assert!(allowed.config.is_some());
    assert_eq!(about(&allowed, "apps").severity, Severity::Warning);

    let empty_table = Config::parse("[apps]\n", std::path::Path::new("/x"), &empty(), options());
    assert!(empty_table.config.is_none());
}

#[test]
fn an_app_says_who_it_is_and_what_it_may_do() {
    let loaded = load(
        &format!(
            "[customers.acme]\nid = \"k7\"\nlabels = [\"gold\"]\n\
             [issuers.corp]\nissuer = \"https://login.test/\"\naudience = \"cwsgate\"\n\
             [apps.web]\nkeys = [{}, {{ hash = {}, expires = 2031-01-01T00:00:00Z }}]\n\
             subject = {{ issuer = \"corp\", claim = \"azp\", value = \"web\" }}\n\
             grants = [{{ actions = [\"read\", \"power\"], customers = [\"acme\", \"k7\", \"label:gold\"], sites = [\"s1\", \"*\"], require_reason = true }}]\n",
            hash("Web000000001"),
            hash("Web000000002"),
        ).replace("audience = \"cwsgate\"", "audience = [\"cwsgate\"]"),
        &empty(),
    );
    assert!(!errors(&loaded).iter().any(|error| error.contains("apps")), "{:?}", errors(&loaded));
    assert!(loaded.findings.iter().all(|found| found.severity != Severity::Warning));
    let config = loaded.config.unwrap();
    let web = &config.apps["web"];

    assert_eq!(web.keys.len(), 2);
    assert_eq!(web.keys[0].expires, None);
    assert_eq!(web.keys[1].expires, Some("2031-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(web.subject.as_ref().unwrap().claim, "azp");
    let grant = &web.grants[0];
    assert!(grant.require_reason && grant.actions.contains(&Action::Power));
    assert_eq!(grant.customers[1], CustomerSelector::NameOrId("k7".to_owned()));
    assert_eq!(grant.sites.as_ref().unwrap()[1], SiteSelector::All);
    assert_eq!(config.issuers["corp"].algorithms, [Algorithm::Rs256]);
}

#[test]
fn mistakes_in_apps_stop_the_start() {
    let key = hash("Web000000001");
    let read = "{ actions = [\"read\"], customers = [\"*\"] }";
    for (body, at, problem) in [
        (format!("keys = [{key}]"), "apps.web.grants", "it is missing"),
        (format!("keys = [\"x\"]\ngrants = [{read}]"), "apps.web.keys[0]", "this is not the hash"),
        (
            format!("keys = [\"cwsgate_Web000000001_abc\"]\ngrants = [{read}]"),
            "apps.web.keys[0]",
            "this is an API key, not its hash",
        ),
        (
            format!("keys = [{key}]\ngrants = [{{ actions = [\"reed\"], customers = [\"*\"] }}]"),
            "apps.web.grants[0].actions[0]",
            "there is no such action",
        ),
        (
            format!("keys = [{key}]\ngrants = [{{ actions = [\"read\"] }}]"),
            "apps.web.grants[0]",
            "it names neither customers nor stores",
        ),
        (
            format!("keys = [{key}]\ngrants = [{{ actions = [], customers = [\"*\"] }}]"),
            "apps.web.grants[0].actions",
            "the list is empty",
        ),
        (
            format!("keys = [{key}]\ngrants = [{{ actions = [\"read\"], customers = [\"a b\"] }}]"),
            "apps.web.grants[0].customers[0]",
            "this is not a usable customer name",
        ),
        (
            format!(
                "keys = [{key}]\ngrants = [{{ actions = [\"read\"], stores = [\"*\"], sites = [\"*\"] }}]"
            ),
            "apps.web.grants[0].sites",
            "there are no customers for these sites",
        ),
        (
            format!(
                "subject = {{ issuer = \"crop\", claim = \"azp\", value = \"x\" }}\ngrants = [{read}]"
            ),
            "apps.web.subject.issuer",
            "there is no such issuer",
        ),
    ] {
        let loaded = app(&body);
        let finding = about(&loaded, at);
        assert!(finding.problem.starts_with(problem), "{finding}");
        assert_eq!(finding.severity, Severity::Error, "{finding}");
        assert!(loaded.config.is_none(), "{body}");
    }
}

#[test]
fn a_key_is_revoked_by_taking_it_out() {
    let grants = "grants = [{ actions = [\"read\"], customers = [\"*\"] }]";
    for (keys, at) in [("keys = []\n", "apps.web.keys"), ("", "apps.web")] {
        let loaded = app(&format!("{keys}{grants}"));
        let finding = about(&loaded, at);
        assert_eq!(finding.severity, Severity::Warning, "{finding}");
        assert!(finding.problem.starts_with("nobody can be this app"), "{finding}");
        assert!(loaded.config.unwrap().apps["web"].keys.is_empty());

        // With nobody else either a gateway does not start, but one that runs takes it over.
        let alone = format!("[apps.web]\n{keys}{grants}\n");
        let folder = Folder::with(&[("main.toml", &alone)]);
        let started = folder.load(&empty());
        assert!(started.config.is_none());
        assert!(about(&started, "apps").problem.starts_with("nobody can be any"));
        folder.write(
            "main.toml",
            &format!("[apps.web]\nkeys = [{}]\n{grants}\n", hash("Web000000001")),
        );
        let mut source = Source::new(&folder.path().join("main.toml"), &empty(), false);
        assert!(source.read(options().now).config.is_some());
        folder.write("main.toml", &alone);
        assert!(source.read(options().now).config.is_some());
        folder.write("main.toml", "");
        assert!(source.read(options().now).config.is_none());
    }
}

#[test]
fn the_same_tokens_cannot_stand_for_two_apps() {
    let subject = |value: &str| {
        format!(
            "subject = {{ issuer = \"corp\", claim = \"azp\", value = \"{value}\" }}\n\
             grants = [{{ actions = [\"read\"], customers = [\"*\"] }}]\n"
        )
    };
    let two = |other: &str| {
        let apps = format!("[apps.a]\n{}[apps.b]\n{}", subject("x"), subject(other));
        let issuer = "[issuers.corp]\nissuer = \"https://login.test/\"\naudience = [\"x\"]\n";
        load(&format!("{issuer}{apps}"), &empty())
    };
    assert!(two("y").config.is_some());
    let same = two("x");
    assert_eq!(about(&same, "apps.b").problem, "app a has the same `subject`");
    assert!(same.config.is_none());
}

#[test]
fn two_keys_may_be_valid_at_a_time() {
    let [one, two, three] = ["Web000000001", "Web000000002", "Web000000003"].map(hash);
    let grants = "grants = [{ actions = [\"read\"], customers = [\"*\"] }]";

    let loaded = app(&format!("keys = [{one}, {two}, {three}]\n{grants}"));
    assert_eq!(about(&loaded, "apps.web.keys").severity, Severity::Error);

    let expired = format!("{{ hash = {three}, expires = 2029-01-01T00:00:00Z }}");
    let loaded = app(&format!("keys = [{one}, {two}, {expired}]\n{grants}"));
    assert_eq!(about(&loaded, "apps.web.keys[2].expires").severity, Severity::Warning);
    assert!(loaded.config.is_some());
}

#[test]
fn a_key_belongs_to_one_app() {
    let key = hash("Web000000001");
    let grants = "grants = [{ actions = [\"read\"], customers = [\"*\"] }]";
    let loaded = load(
        &format!("[apps.a]\nkeys = [{key}]\n{grants}\n[apps.b]\nkeys = [{key}]\n{grants}\n"),
        &empty(),
    );
    let finding = about(&loaded, "apps.b.keys[0]");
    assert_eq!(finding.problem, "the same key stands in app a already");
    assert!(loaded.config.is_none());
}

#[test]
fn a_grant_on_nobody_is_reported_and_harmless() {
    let loaded = load(
        &format!(
            "[customers.contoso]\nlabels = [\"gold\"]\n[apps.web]\nkeys = [{}]\n\
             grants = [{{ actions = [\"read\"], customers = [\"contosso\", \"label:silver\"], stores = [\"hq\"] }}]\n",
            hash("Web000000001")
        ),
        &empty(),
    );
    let misspelt = about(&loaded, "apps.web.grants[0].customers[0]");
    assert_eq!(
        (misspelt.severity, misspelt.fix.as_str()),
        (Severity::Warning, "did you mean \"contoso\"?")
    );
    assert_eq!(about(&loaded, "apps.web.grants[0].customers[1]").severity, Severity::Warning);
    assert_eq!(about(&loaded, "apps.web.grants[0].stores[0]").severity, Severity::Warning);
    assert!(loaded.config.is_some());
}

#[test]
fn only_asymmetric_algorithms_and_named_audiences_are_accepted() {
    let issuer = |rest: &str| {
        load(&format!("[issuers.corp]\nissuer = \"https://login.test/\"\n{rest}"), &empty())
    };
    for (algorithm, problem) in [
        ("HS256", "who checks a symmetric signature can forge it"),
        ("none", "a token without a signature proves nothing"),
        ("RS255", "this algorithm is not supported"),
    ] {
        let loaded = issuer(&format!("audience = [\"x\"]\nalgorithms = [\"{algorithm}\"]\n"));
        assert_eq!(about(&loaded, "issuers.corp.algorithms[0]").problem, problem);
        assert!(loaded.config.is_none());
    }
    for audience in ["", "audience = []\n", "audience = [\"\"]\n"] {
        assert!(issuer(audience).config.is_none(), "{audience}");
    }
    let plain = load("[issuers.x]\nissuer = \"http://login.test\"\naudience = [\"x\"]\n", &empty());
    about(&plain, "issuers.x.issuer");
}

#[test]
fn a_broken_store_is_left_out_and_the_others_stay() {
    let loaded = load(
        r#"[stores.basic]
url = "https://sf.test/Citrix/Store/"
auth = { method = "http-basic", username = 'EXAMPLE\kiosk', password = { env = "PW" } }
[stores.forms]
url = "https://sf.test/Citrix/Store2"
auth = { method = "explicit-forms", username = { env = "NAME" }, password = { env = "NONE" } }
[stores.users]
url = "https://sf.test/Citrix/Store3"
auth = { method = "caller" }
[stores.odd]
url = "http://sf.test/Citrix/Store3"
auth = { method = "caller", password = "x" }
"#,
        &variables(&[("PW", "secret"), ("NAME", "kiosk")]),
    );
    let config = loaded.config.as_ref().unwrap();

    assert_eq!(config.stores.len(), 2);
    assert!(matches!(config.stores["basic"].auth, StoreAuth::HttpBasic(_)));
    assert!(matches!(config.stores["users"].auth, StoreAuth::Caller));
    assert_eq!(about(&loaded, "stores.forms.auth.password.env").severity, Severity::Customer);
    about(&loaded, "stores.odd.url");
    about(&loaded, "stores.odd.auth.password");
}

#[test]
fn an_app_may_be_limited_in_each_way() {
    let limits = |text: &str| {
        let body = format!(
            "keys = [{}]\ngrants = [{{ actions = [\"read\"], customers = [\"*\"] }}]\nlimits = {text}\n",
            hash("Web000000001")
        );
        app(&body)
    };
    let all = "{ requests_per_minute = 6, machines_per_hour = 7, max_deadline = \"20s\" }";
    let known = limits(all).config.unwrap().apps["web"].limits;
    assert_eq!(known.requests_per_minute.unwrap().get(), 6);
    assert_eq!(known.machines_per_hour.unwrap().get(), 7);
    assert_eq!(known.max_deadline, Some(std::time::Duration::from_secs(20)));
    assert_eq!(
        limits("{ requests_per_minute = 6 }").config.unwrap().apps["web"].limits.max_deadline,
        None
    );
    for wrong in ["{ max_deadline = \"0s\" }", "{ max_deadline = 20 }", "{ deadline = \"20s\" }"] {
        assert!(limits(wrong).config.is_none(), "{wrong}");
    }
}
