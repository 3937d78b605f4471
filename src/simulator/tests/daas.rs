use super::*;

#[tokio::test]
async fn a_missing_token_is_said_to_be_missing() {
    let lab = Lab::demo().await;
    let request = lab.bare("GET", "/cvad/manage/me").header("accept", "application/json");
    let answer = send(request).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["type"], json!("https://errors-api.cloud.com/common/authentication"));
    assert_eq!(answer.json()["parameters"][0]["value"], json!("missing"));
}

#[tokio::test]
async fn a_plain_bearer_token_is_refused_by_the_gateway() {
    let lab = Lab::demo().await;
    let request = lab
        .bare("GET", "/cvad/manage/me")
        .header("accept", "application/json")
        .header("citrix-customerid", &lab.customer.id)
        .bearer_auth(&lab.token);
    assert_eq!(send(request).await.status, 401);
}

#[tokio::test]
async fn only_exactly_application_json_is_an_acceptable_accept() {
    let lab = Lab::demo().await;
    for accept in ["*/*", "application/json; charset=utf-8", "application/json, text/plain, */*"] {
        let request = lab
            .bare("GET", "/cvad/manage/me")
            .header("authorization", format!("CWSAuth bearer={}", lab.token))
            .header("citrix-customerid", &lab.customer.id)
            .header("accept", accept);
        assert_eq!(send(request).await.status, 406, "{accept}");
    }
}

#[tokio::test]
async fn a_missing_customer_is_the_management_product_s_500() {
    let lab = Lab::demo().await;
    let request = lab
        .bare("GET", "/cvad/manage/me")
        .header("authorization", format!("CwsAuth Bearer={}", lab.token))
        .header("accept", "application/json");
    let answer = send(request).await;
    assert_eq!(answer.status, 500);
    assert!(answer.json()["activityId"].is_string());
    assert_eq!(answer.json()["message"], json!("Internal server error"));
}

#[tokio::test]
async fn another_customer_is_403() {
    let mut lab = Lab::demo().await;
    "globex7q2m9w".clone_into(&mut lab.customer.id);
    let answer = lab.daas("GET", "/me").await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["parameters"][1]["value"], json!("globex7q2m9w"));
}

#[tokio::test]
async fn the_site_must_be_named_except_where_it_is_not_needed() {
    let mut lab = Lab::demo().await;
    lab.customer.site_id.clear();
    let answer = lab.daas("GET", "/Machines").await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["ErrorMessage"].as_str().unwrap().contains("Citrix-InstanceId"));
    assert_eq!(lab.daas("GET", "/me").await.status, 200);
    assert_eq!(lab.daas("GET", "/Sites").await.status, 200);
}

#[tokio::test]
async fn me_and_sites_lead_to_the_site() {
    let lab = Lab::demo().await;
    let me = lab.daas("GET", "/Me").await.json();
    assert_eq!(me["Customers"][0]["Id"], json!("abcd1024xyz"));
    assert_eq!(me["Customers"][0]["Sites"][0]["Id"], json!(lab.customer.site_id));
    assert_eq!(me["ExpiryTime"], json!("8:21:50 AM"));
    let site = lab.daas("GET", &format!("/Sites/{}", lab.customer.site_id)).await.json();
    assert!(site["OrchestationApiVersion"].is_u64() && site["ProductVersion"].is_string());
}

#[tokio::test]
async fn the_preview_base_takes_the_site_in_the_path_and_writes_parameters_as_a_map() {
    let mut lab = Lab::demo().await;
    let site = lab.customer.site_id.clone();
    lab.customer.site_id.clear();
    let path = format!("/cvadapis/{site}/MachineCatalogs/Win11-Pool/Machines");
    let answer = send(lab.request("GET", &path)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["Items"].as_array().unwrap().len(), 24);
    assert_eq!(send(lab.request("GET", "/cvadapis/me")).await.status, 200);
    lab.token = "ey.wrong.token".to_owned();
    let answer = send(lab.request("GET", "/cvadapis/me")).await;
    assert_eq!(answer.json()["parameters"], json!({ "reason": "invalid" }));
}

#[tokio::test]
async fn a_transaction_id_comes_back_or_is_made() {
    let lab = Lab::demo().await;
    let request = lab.request("GET", "/cvad/manage/me").header("citrix-transactionid", "t-1");
    assert_eq!(send(request).await.header("citrix-transactionid"), Some("t-1"));
    let made = lab.daas("GET", "/me").await;
    assert_eq!(made.header("citrix-transactionid").map(str::len), Some(36));
}

#[tokio::test]
async fn names_are_written_with_a_bar_and_backslashes_are_refused() {
    let lab = Lab::demo().await;
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await["Name"], json!("DEMOLAB\\KESTREL"));
    assert_eq!(lab.daas("GET", "/machines/demolab%7Ckestrel").await.status, 200);
    assert_eq!(lab.daas("GET", "/Machines/DEMOLAB%5CKESTREL").await.status, 404);
    assert_eq!(lab.daas("GET", "/Machines/KESTREL").await.status, 404);
    let missing = lab.daas("GET", "/Machines/nobody").await;
    assert_eq!(
        (missing.status, missing.json()["SdkErrorId"].clone()),
        (404, json!("ObjectNotFound"))
    );
}

#[tokio::test]
async fn a_raw_backslash_in_a_path_is_400() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let lab = Lab::demo().await;
    let address = lab.base.strip_prefix("http://").unwrap().to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "GET /cvad/manage/Machines/DEMOLAB\\KESTREL HTTP/1.1\r\nHost: {address}\r\n\
         Accept: application/json\r\nAuthorization: CwsAuth Bearer={}\r\n\
         Citrix-CustomerId: {}\r\nCitrix-InstanceId: {}\r\nConnection: close\r\n\r\n",
        lab.token, lab.customer.id, lab.customer.site_id
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("SdkErrorId"), "{text}");
}

#[tokio::test]
async fn a_machine_has_the_documented_properties_in_the_documented_types() {
    let lab = Lab::demo().await;
    let machine = lab.machine("DEMOLAB\\OSPREY").await;
    assert_eq!(machine["SessionCount"], json!(2));
    assert_eq!(machine["PowerState"], json!("On"));
    assert_eq!(machine["MachineCatalog"]["Name"], json!("Win11-Pool"));
    assert_eq!(machine["SummaryState"], json!("InUse"));
    assert_eq!(machine["SessionsEstablished"], json!(2));
    assert!(machine["LoadIndex"].is_u64() && machine["SupportedPowerActions"].is_array());
    assert!(
        machine.get("SessionUserName").is_none(),
        "multi-session machines have no such property"
    );
    assert_eq!(lab.machine("DEMOLAB\\ROBIN").await["SessionCount"], Value::Null);
    assert!(lab.machine("DEMOLAB\\WREN").await.get("SessionCount").is_none());
}

#[tokio::test]
async fn maintenance_mode_is_set_by_patch() {
    let lab = Lab::demo().await;
    let path = "/Machines/DEMOLAB%7CKESTREL";
    let answer = lab.daas_json("PATCH", path, &json!({ "InMaintenanceMode": true })).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await["InMaintenanceMode"], json!(true));
    let wrong = lab.request("PATCH", &format!("/cvad/manage{path}")).body("InMaintenanceMode=true");
    assert_eq!(send(wrong).await.status, 415);
}

#[tokio::test]
async fn a_frozen_site_answers_530_until_it_is_activated() {
    let lab = Lab::demo().await;
    lab.control("PUT", "/_sim/customers/acme", json!({ "frozen": true })).await;
    assert_eq!(lab.daas("GET", "/me").await.status, 530);
    let path = "/resourceprovider/abcd1024xyz/site/activation?customerId=abcd1024xyz";
    assert_eq!(send(lab.request("POST", path)).await.status, 202);
    assert_eq!(lab.daas("GET", "/Machines").await.status, 530);
    lab.advance("3s").await;
    assert_eq!(lab.daas("GET", "/Machines").await.status, 200);
}

#[tokio::test]
async fn catalogs_and_groups_count_their_machines() {
    let lab = Lab::demo().await;
    let catalogs = lab.daas("GET", "/MachineCatalogs").await.json();
    assert_eq!(catalogs["Items"][0]["Name"], json!("Win11-Pool"));
    assert_eq!(catalogs["Items"][0]["TotalCount"], json!(24));
    let short = lab.daas("GET", "/MachineCatalogsV2").await.json();
    assert!(short["Items"][0].get("TotalCount").is_none());
    let group = lab.daas("GET", "/DeliveryGroups/Win11-Pool").await.json();
    assert_eq!(group["TotalDesktops"], json!(24));
    assert_eq!(group["SessionCount"], json!(7));
    let machines = lab.daas("GET", "/DeliveryGroups/Win11-Pool/Machines").await.json();
    assert_eq!(machines["Items"].as_array().unwrap().len(), 24);
}

#[tokio::test]
async fn an_unknown_path_is_404_and_never_a_crash() {
    let lab = Lab::demo().await;
    for path in ["/Nothing", "/Machines/x/y/z/w", "/", "/Jobs", "/Sites/x/y/z"] {
        let answer = lab.daas("GET", path).await;
        assert!(matches!(answer.status, 200 | 404), "{path}: {answer:?}");
    }
    assert_eq!(send(lab.bare("GET", "/a%ffb")).await.status, 400);
    assert_eq!(send(lab.bare("GET", "/%2F/%00")).await.status, 404);
}
