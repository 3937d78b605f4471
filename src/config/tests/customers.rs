use secrecy::ExposeSecret as _;

use super::{APP, Folder, about, empty, errors, load, variables};
use crate::{
    config::{CustomerSelector, Severity, TokenForm},
    domain::CustomerName,
};

const GOOD: &str = "region = \"us\"\nclient_id = \"x\"\nclient_secret = { file = \"secret\" }\n";

#[test]
fn a_broken_customer_is_misconfigured_and_the_others_are_served() {
    let loaded = load(
        &format!(
            "[customers.good]\n{GOOD}\n\
             [customers.nosecret]\nregion = \"eu\"\nlabels = [\"gold\"]\nid = \"k7m2\"\nclient_id = \"x\"\n\
             client_secret = {{ file = \"none\" }}\n\
             [customers.badkey]\ncolour = 1\n{GOOD}\n\
             [customers.badtype]\nlabels = 7\n{GOOD}\n\
             [customers.badregion]\nclient_id = \"x\"\nclient_secret = {{ file = \"secret\" }}\nregion = \"uss\"\n"
        ),
        &empty(),
    );
    let config = loaded.config.as_ref().unwrap();

    assert_eq!(config.customers.keys().map(CustomerName::as_str).collect::<Vec<_>>(), ["good"]);
    assert_eq!(config.misconfigured.len(), 4);
    let nosecret = &config.misconfigured["nosecret"];
    assert_eq!(nosecret.id, "k7m2");
    assert_eq!(nosecret.region.as_ref().unwrap().as_str(), "eu");
    assert_eq!(nosecret.labels[0].as_str(), "gold");
    assert_eq!(nosecret.findings.len(), 1);
    assert_eq!(nosecret.findings[0].severity, Severity::Customer);
    let fix = &about(&loaded, "customers.badregion.region").fix;
    assert!(fix.starts_with("did you mean \"us\"?"), "{fix}");
    assert!(loaded.findings.iter().all(|found| found.severity == Severity::Customer));
}

#[test]
fn the_name_is_the_id_and_the_display_name_unless_told_otherwise() {
    let config = load(&format!("[customers.acme]\n{GOOD}"), &empty()).config.unwrap();
    let acme = &config.customers["acme"];
    assert_eq!((acme.id.as_str(), acme.display_name.as_str()), ("acme", "acme"));
}

#[test]
fn what_a_customer_does_not_say_comes_from_the_defaults() {
    let folder = Folder::with(&[
        (
            "main.toml",
            &format!(
                "[customer_defaults]\nregion = \"eu\"\nlabels = [\"all\"]\nclient_id = \"shared\"\n\
                 client_secret = {{ file = \"s/{{customer}}\" }}\n\
                 [customers.one]\n\
                 [customers.two-b]\nregion = \"us\"\nlabels = []\nclient_secret = {{ env = \"TWO\" }}\n\
                 [customers.three]\nclient_secrets = [{{ file = \"s/{{customer}}\" }}]\n{APP}"
            ),
        ),
        ("s/one", "1"),
        ("s/three", "3"),
    ]);
    let loaded = folder.load(&variables(&[("TWO", "2")]));
    assert_eq!(errors(&loaded), [""; 0]);
    let customers = loaded.config.unwrap().customers;
    let secret = |name: &str| customers[name].client_secrets[0].secret.expose_secret().to_owned();

    assert_eq!(customers["one"].region.as_str(), "eu");
    assert_eq!(customers["one"].labels.len(), 1);
    assert_eq!(customers["two-b"].region.as_str(), "us");
    assert_eq!(customers["two-b"].labels.len(), 0);
    assert_eq!(customers["two-b"].client_id, "shared");
    assert_eq!(
        (secret("one"), secret("two-b"), secret("three")),
        ("1".into(), "2".into(), "3".into())
    );
}

#[test]
fn a_placeholder_in_a_variable_name_is_written_as_variables_are() {
    let text = "[customer_defaults]\nregion = \"eu\"\nclient_id = \"x\"\n\
                client_secret = { env = \"CITRIX_{customer}\" }\n[customers.acme-west]\n";
    let loaded = load(text, &variables(&[("CITRIX_ACME_WEST", "s")]));
    assert_eq!(errors(&loaded), [""; 0]);
}

#[test]
fn a_mistake_in_the_defaults_is_told_once_and_stops_the_start() {
    let loaded = load(
        "[customer_defaults]\nregion = \"mars\"\nclient_idd = \"x\"\nclient_secret = 5\n\
         [customers.a]\n[customers.b]\n",
        &empty(),
    );
    assert!(loaded.config.is_none());
    let keys: Vec<_> = loaded.findings.iter().map(|found| found.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "customer_defaults.region",
            "customer_defaults.client_idd",
            "customer_defaults.client_secret"
        ]
    );
}

#[test]
fn no_two_customers_share_an_id_or_a_name() {
    let loaded = load(
        &format!(
            "[customers.a]\nid = \"Same\"\n{GOOD}[customers.b]\nid = \"same\"\n{GOOD}\
             [customers.c]\nid = \"d\"\n{GOOD}[customers.d]\nid = \"other\"\n{GOOD}\
             [customers.e]\n{GOOD}"
        ),
        &empty(),
    );
    let config = loaded.config.as_ref().unwrap();

    let served = config.customers.keys().map(CustomerName::as_str).collect::<Vec<_>>();
    assert_eq!(served, ["a", "c", "e"]);
    for (name, other, line) in [("b", "a", 7), ("d", "c", 17)] {
        let refused = &config.misconfigured[name];
        assert_eq!((refused.findings.len(), refused.id.as_str()), (1, name));
        let finding = about(&loaded, &format!("customers.{name}.id"));
        assert!(finding.problem.ends_with(&format!("another customer: {other}")), "{finding}");
        assert_eq!(finding.line, Some(line));
    }
}

#[test]
fn who_is_read_first_keeps_a_name_or_id_and_a_broken_customer_takes_none() {
    let folder = Folder::with(&[
        ("secret", "s3cr3t-of-a-customer"),
        (
            "main.toml",
            &format!(
                "include = [\"b/*.toml\", \"a/*.toml\"]\n[customers.zeta]\nid = \"k1\"\n{GOOD}{APP}"
            ),
        ),
        // Of the id of `zeta`: refused, so that its own name is free for another's id.
        ("a/copy.toml", &format!("[customers.alpha]\nid = \"K1\"\n{GOOD}")),
        ("a/next.toml", &format!("[customers.next]\nid = \"alpha\"\n{GOOD}")),
        // Read before `mira`, which has the same id, and broken by itself.
        ("b/broken.toml", &format!("[customers.early]\nid = \"k2\"\ncolour = 1\n{GOOD}")),
        ("b/mira.toml", &format!("[customers.mira]\nid = \"k2\"\n{GOOD}")),
        // The order of `include` counts, then that of the names of files.
        ("a/last.toml", &format!("[customers.abel]\nid = \"k3\"\n{GOOD}")),
        ("b/z.toml", &format!("[customers.zoe]\nid = \"k3\"\n{GOOD}")),
    ]);
    for name in ["a/secret", "b/secret"] {
        folder.write(name, "s3cr3t-of-a-customer");
    }
    let config = folder.load(&empty()).config.unwrap();

    let served = config.customers.keys().map(CustomerName::as_str).collect::<Vec<_>>();
    assert_eq!(served, ["mira", "next", "zeta", "zoe"]);
    let refused = config.misconfigured.keys().map(CustomerName::as_str).collect::<Vec<_>>();
    assert_eq!(refused, ["abel", "alpha", "early"]);
}

#[test]
fn secrets_are_tried_newest_first_and_expired_ones_never() {
    let text = r#"[customers.acme]
region = "us"
client_id = "x"
client_secrets = [
  { file = "gone", expires = 2029-12-31T23:59:59Z },
  { env = "OLD", expires = 2031-01-01T00:00:00Z },
  { env = "NEW", expires = 2032-01-01T00:00:00+02:00 },
  { env = "SOON", expires = "2030-01-11T00:00:00Z" },
  { env = "EVER" },
]
"#;
    let environment = variables(&[("OLD", "o"), ("NEW", "n"), ("SOON", "s"), ("EVER", "e")]);
    let loaded = load(text, &environment);

    assert_eq!(errors(&loaded), [""; 0]);
    let warned: Vec<_> = loaded.findings.iter().map(|found| found.line.unwrap()).collect();
    assert_eq!(warned, [5, 8]);
    assert_eq!(loaded.findings[1].problem, "the secret expires in 10 days");
    let customers = loaded.config.unwrap().customers;
    let secrets = customers["acme"].client_secrets.iter();
    let order: String = secrets.map(|secret| secret.secret.expose_secret()).collect();
    assert_eq!(order, "enos");
}

#[test]
fn a_customer_whose_secrets_have_all_expired_is_misconfigured() {
    let text = "[customers.acme]\nregion = \"us\"\nclient_id = \"x\"\n\
                client_secrets = [{ file = \"secret\", expires = 2020-01-01T00:00:00Z }]\n";
    let config = load(text, &empty()).config.unwrap();
    assert!(config.misconfigured.contains_key("acme"));
}

#[test]
fn a_secret_with_an_unreadable_expiry_is_not_used() {
    let text = "[customers.acme]\nregion = \"us\"\nclient_id = \"x\"\n\
                client_secrets = [{ file = \"secret\", expires = 2031-01-01 }]\n";
    let loaded = load(text, &empty());
    about(&loaded, "customers.acme.client_secrets[0].expires");
    assert!(loaded.config.unwrap().customers.is_empty());
}

#[test]
fn changing_one_host_of_a_region_takes_what_depends_on_it_along() {
    let config =
        load("[regions.us]\napi = \"http://127.0.0.1:8081/us/\"\n", &empty()).config.unwrap();
    let us = &config.regions["us"];

    assert_eq!(us.api.as_str(), "http://127.0.0.1:8081/us");
    assert_eq!(us.token, "http://127.0.0.1:8081/us");
    assert_eq!(us.daas.as_deref(), Some("http://127.0.0.1:8081/us/cvad/manage"));
    assert_eq!(us.registry.as_str(), "https://registry.citrixworkspacesapi.net/");
}

#[test]
fn a_new_region_needs_all_its_hosts() {
    let loaded =
        load("[regions.lab]\ntoken = \"https://t.test/{customer}/tokens/clients\"\n", &empty());
    for key in ["api", "registry", "core", "notifications"] {
        let finding = about(&loaded, &format!("regions.lab.{key}"));
        assert_eq!((finding.severity, finding.line), (Severity::Error, Some(1)));
    }

    let hosts = "api = \"https://a.test\"\nregistry = \"https://r.test\"\ncore = \"https://c.test\"\n\
                 notifications = \"https://n.test\"\ntoken_form = \"trust\"\n";
    let config = load(&format!("[regions.lab]\n{hosts}"), &empty()).config.unwrap();
    assert_eq!(config.regions["lab"].token_form, TokenForm::Trust);
    assert_eq!(config.regions["lab"].daas.as_deref(), Some("https://a.test/cvad/manage"));
}

#[test]
fn a_region_without_tls_beyond_this_machine_is_refused() {
    let loaded = load("[regions.us]\napi = \"http://api.test\"\n", &empty());
    let finding = about(&loaded, "regions.us.api");
    assert_eq!(finding.problem, "plain http is for loopback hosts only");
    assert!(loaded.config.is_none());
}

#[test]
fn a_mistake_in_a_region_is_not_told_of_its_customers() {
    let loaded = load(
        &format!(
            "[regions.us]\ncore = \"http://core.example.test\"\n\
             [customers.one]\n{GOOD}[customers.two]\n{GOOD}\
             [customers.typo]\n{}",
            GOOD.replace("\"us\"", "\"uss\"")
        ),
        &empty(),
    );
    let keys: Vec<_> = loaded.findings.iter().map(|found| found.key.as_str()).collect();
    assert_eq!(keys, ["regions.us.core", "customers.typo.region"]);
    let fix = &about(&loaded, "customers.typo.region").fix;
    assert!(fix.starts_with("did you mean \"us\"?"), "{fix}");
    assert!(loaded.config.is_none());
}

#[test]
fn selectors_match_names_ids_and_labels() {
    let config =
        load(&format!("[customers.acme]\nid = \"k7\"\nlabels = [\"gold\"]\n{GOOD}"), &empty());
    let config = config.config.unwrap();
    let acme = &config.customers["acme"];
    let matches =
        |selector: CustomerSelector| selector.matches("acme", acme.id.as_str(), &acme.labels);

    assert!(matches(CustomerSelector::All));
    assert!(matches(CustomerSelector::NameOrId("k7".into())));
    assert!(!matches(CustomerSelector::NameOrId("gold".into())));
    assert!(matches(CustomerSelector::Label(acme.labels[0].clone())));
}
