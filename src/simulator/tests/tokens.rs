use secrecy::ExposeSecret;

use super::*;

#[tokio::test]
async fn a_token_comes_the_way_the_real_service_writes_it() {
    let lab = Lab::demo().await;
    let answer = lab.ask_token(lab.customer.client_secret.expose_secret()).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.text.starts_with(char::is_whitespace) && answer.text.ends_with(char::is_whitespace)
    );
    assert_eq!(answer.json()["expires_in"], json!("3600"));
    assert_eq!(answer.json()["token_type"], json!("bearer"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("cwsgate-upstream"), Some("simulator"));
    assert!(answer.header("x-cws-transactionid").is_some());
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(token.split('.').count(), 3);
    assert!(token.starts_with("ey") && !token.contains('='), "{token}");
}

#[tokio::test]
async fn a_wrong_secret_is_400_invalid_client() {
    let lab = Lab::demo().await;
    let answer = lab.ask_token("GarbageValue").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"], json!("invalid_client"));
}

#[tokio::test]
async fn a_content_type_with_a_charset_is_refused_for_tokens() {
    let lab = Lab::demo().await;
    let body = format!("grant_type=client_credentials&client_id={}", lab.customer.client_id);
    let request = lab
        .bare("POST", "/cctrustoauth2/abcd1024xyz/tokens/clients")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .body(body);
    let answer = send(request).await;
    assert_eq!((answer.status, answer.json()["error"].clone()), (400, json!("invalid_request")));
}

#[tokio::test]
async fn an_unknown_grant_is_refused() {
    let lab = Lab::demo().await;
    let request =
        lab.bare("POST", "/cctrustoauth2/root/tokens/clients").form(&[("grant_type", "password")]);
    assert_eq!(send(request).await.json()["error"], json!("unsupported_grant_type"));
}

#[tokio::test]
async fn the_older_form_gives_a_token_as_json() {
    let lab = Lab::demo().await;
    let body = json!({
        "ClientId": lab.customer.client_id,
        "ClientSecret": lab.customer.client_secret.expose_secret(),
    });
    let request = lab
        .bare("POST", "/root/tokens/clients")
        .header("content-type", "application/json")
        .body(body.to_string());
    let answer = send(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["expiresIn"], json!(3600));
    assert!(answer.json()["token"].as_str().unwrap().starts_with("ey"));
}

#[tokio::test]
async fn a_token_expires_with_the_simulated_clock() {
    let lab = Lab::demo().await;
    assert_eq!(lab.daas("GET", "/me").await.status, 200);
    lab.advance("1h").await;
    let answer = lab.daas("GET", "/me").await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["parameters"][0], json!({ "name": "reason", "value": "invalid" }));
}

#[tokio::test]
async fn revoked_tokens_are_refused_before_they_expire() {
    let lab = Lab::demo().await;
    let told = lab.control("PUT", "/_sim/customers/acme", json!({ "revokeTokens": true })).await;
    assert_eq!(told["revokedTokens"], json!(1));
    assert_eq!(lab.daas("GET", "/me").await.status, 401);
    assert!(!lab.sign_in().await.is_empty());
}

#[tokio::test]
async fn a_rotated_secret_replaces_the_old_one() {
    let lab = Lab::demo().await;
    lab.control("PUT", "/_sim/customers/abcd1024xyz", json!({ "clientSecret": "next" })).await;
    assert_eq!(lab.ask_token(lab.customer.client_secret.expose_secret()).await.status, 400);
    assert_eq!(lab.ask_token("next").await.status, 200);
    assert_eq!(lab.daas("GET", "/me").await.status, 200, "tokens live on");
}

#[tokio::test]
async fn a_token_of_another_region_is_good_unless_told_otherwise() {
    let mut lab = Lab::demo().await;
    let us = lab.base.clone();
    lab.base = lab.simulator.region("eu").unwrap().as_str().trim_end_matches('/').to_owned();
    lab.token = lab.sign_in().await;
    lab.base = us;
    assert_eq!(lab.daas("GET", "/me").await.status, 200);
    lab.control("PUT", "/_sim/settings", json!({ "tokensCrossRegions": false })).await;
    assert_eq!(lab.daas("GET", "/me").await.status, 401);
}
