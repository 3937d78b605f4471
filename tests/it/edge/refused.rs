//! What is counted of callers that are not let in.

use cwsgate::auth::ApiKey;
use reqwest::Method;

use crate::support::{Gateway, IdentityProvider};

#[tokio::test]
async fn refused_callers_are_counted_by_what_they_showed_and_why_it_was_not_accepted() {
    let provider = IdentityProvider::start().await;
    let expired = ApiKey::generate().unwrap();
    let late = format!(
        "[apps.late]\nkeys = [{{ hash = \"{}\", expires = 2020-01-31T00:00:00Z }}]\n\
         grants = [{{ actions = [\"read\"], customers = [\"*\"] }}]",
        expired.hash()
    );
    let settings = format!("{}{late}", provider.settings("corp"));
    let gateway = Gateway::builder().settings(&settings).start().await;
    let unknown = ApiKey::generate().unwrap();
    let mut claims = provider.claims();
    claims["aud"] = "somebody-else".into();
    let foreign = provider.token(&claims);
    let ask = async |path: &str, authorization: &str| {
        let request = gateway.bare(Method::GET, path);
        gateway.send(request.header("authorization", authorization)).await.status
    };

    gateway.get("/v1/whoami").await.ok(200);
    gateway.send(gateway.bare(Method::GET, "/v1/whoami")).await.problem(401, "credentials_missing");
    for path in ["/v1/whoami", "/cvad/manage/me"] {
        assert_eq!(ask(path, &format!("Bearer {}", unknown.expose())).await, 401);
        assert_eq!(ask(path, &format!("CwsAuth Bearer={}", expired.expose())).await, 401);
        assert_eq!(ask(path, &format!("Bearer {foreign}")).await, 401);
        assert_eq!(ask(path, "Basic YTpi").await, 401);
    }
    for (id, secret) in [("tests", unknown.expose()), ("late", &gateway.key)] {
        let form =
            [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        let buying = gateway.bare(Method::POST, "/cctrustoauth2/root/tokens/clients").form(&form);
        assert_eq!(gateway.send(buying).await.status, 400);
    }
    let admin = format!("http://{}/admin/v1/tokens", gateway.admin);
    let asked = gateway.send(gateway.client().get(admin).bearer_auth("cwsgate_x")).await;
    asked.problem(401, "credentials_invalid");

    let metrics = gateway.get_admin("/metrics").await.text;
    let start = "cwsgate_auth_refusals_total{";
    let mut counted: Vec<_> = metrics.lines().filter_map(|line| line.strip_prefix(start)).collect();
    counted.sort_unstable();
    assert_eq!(
        counted,
        [
            r#"credential="api_key",reason="expired_key"} 2"#,
            r#"credential="api_key",reason="malformed"} 1"#,
            r#"credential="api_key",reason="unknown_key"} 2"#,
            r#"credential="client_secret",reason="foreign_key"} 1"#,
            r#"credential="client_secret",reason="unknown_key"} 1"#,
            r#"credential="none",reason="missing"} 1"#,
            r#"credential="token",reason="foreign_audience"} 2"#,
            r#"credential="unreadable",reason="malformed"} 2"#,
        ]
    );
}
