//! Lists over several customers, sites and regions.

use crate::support::Gateway;

#[tokio::test]
async fn one_request_lists_the_machines_of_every_region() {
    let gateway = Gateway::demo().await;

    let reply = gateway.get("/v1/machines?pageSize=1000&fields=name").await;

    let body = reply.ok(200);
    assert_eq!(body["completeness"]["status"], "complete");
    assert_eq!(body["completeness"]["ok"], 3);
    let regions = reply.of_items("region");
    assert!(regions.contains(&"us".into()) && regions.contains(&"eu".into()));
    assert_eq!(reply.header("cwsgate-upstream"), "simulator");
}

#[tokio::test]
async fn a_stopped_region_leaves_a_partial_list_that_names_it() {
    let gateway = Gateway::demo().await;
    gateway.stop_region("eu").await;

    let reply = gateway.get("/v1/machines?pageSize=1000&fields=name").await;

    let body = reply.ok(200);
    assert_eq!(body["completeness"]["status"], "partial");
    assert_eq!(reply.header("cwsgate-completeness"), "partial; ok=2; stale=0; failed=1; skipped=0");
    assert_eq!(reply.header("cache-control"), "no-store");
    let sources = body["sources"].as_array().unwrap();
    let failed: Vec<_> = sources.iter().filter(|source| source["status"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["customer"], "contoso");
    assert_eq!(failed[0]["region"], "eu");
    assert_eq!(failed[0]["problem"]["origin"], "upstream");
}
