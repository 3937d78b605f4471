use super::*;

async fn region(lab: &Lab, name: &str, body: Value) {
    lab.control("PUT", &format!("/_sim/regions/{name}"), body).await;
}

#[tokio::test]
async fn a_region_that_refuses_has_no_socket_and_comes_back_on_its_port() {
    let lab = Lab::demo().await;
    assert_eq!(lab.daas("GET", "/me").await.status, 200);
    region(&lab, "us", json!({ "state": "down" })).await;
    let error = lab.request("GET", "/cvad/manage/me").send().await.expect_err("refused");
    assert!(error.is_connect(), "{error:?}");
    let eu = lab.simulator.region("eu").unwrap();
    assert_eq!(send(lab.http.get(eu.join("root/ping").unwrap())).await.status, 200);
    region(&lab, "us", json!({ "state": "down", "mode": "refuse" })).await;
    region(&lab, "us", json!({ "state": "up" })).await;
    assert_eq!(lab.daas("GET", "/me").await.status, 200);
}

#[tokio::test]
async fn connections_of_a_region_that_goes_down_are_closed() {
    let lab = Lab::demo().await;
    lab.control("POST", "/_sim/faults", json!({ "hang": true, "match": { "region": "us" } })).await;
    let waiting = tokio::spawn(lab.request("GET", "/cvad/manage/me").send());
    while lab.control("GET", "/_sim/requests?operation=me", Value::Null).await["requests"]
        == json!([])
    {
        tokio::task::yield_now().await;
    }
    region(&lab, "us", json!({ "state": "down" })).await;
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test]
async fn a_region_in_trouble_answers_503_from_the_edge() {
    let lab = Lab::demo().await;
    region(&lab, "us", json!({ "state": "down", "mode": "503" })).await;
    let answer = lab.daas("GET", "/me").await;
    assert_eq!((answer.status, answer.header("citrix-transactionid")), (503, None));
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert_eq!(answer.header("cwsgate-upstream"), Some("simulator"));
    let log = lab.control("GET", "/_sim/requests?operation=me", Value::Null).await;
    assert_eq!(log["requests"][0]["status"], json!(503), "what was asked in vain is logged too");
}

#[tokio::test]
async fn a_region_that_hangs_answers_nothing() {
    let lab = Lab::demo().await;
    region(&lab, "us", json!({ "state": "down", "mode": "hang" })).await;
    let request =
        lab.request("GET", "/cvad/manage/me").timeout(std::time::Duration::from_millis(200));
    assert!(request.send().await.expect_err("nothing").is_timeout());
}

#[tokio::test]
async fn another_region_denies_or_redirects_or_serves() {
    let mut lab = Lab::demo().await;
    let us = lab.base.clone();
    lab.base = lab.simulator.region("eu").unwrap().as_str().trim_end_matches('/').to_owned();
    assert_eq!(lab.daas("GET", "/me").await.status, 403);
    lab.control("PUT", "/_sim/settings", json!({ "wrongRegion": "redirect" })).await;
    let answer = lab.daas("GET", "/me?x=1").await;
    assert_eq!(answer.status, 307);
    assert_eq!(answer.header("location"), Some(format!("{us}/cvad/manage/me?x=1").as_str()));
    lab.control("PUT", "/_sim/settings", json!({ "wrongRegion": "serve" })).await;
    assert_eq!(lab.daas("GET", "/me").await.status, 200);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let options = Options { listen: address, ..Options::default() };
    let error = Simulator::start(options).await.expect_err("taken");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn with_a_fixed_port_the_regions_take_the_next_ones() {
    for port in (21_000..60_000).step_by(997) {
        let listen = ([127, 0, 0, 1], port).into();
        let Ok(simulator) = Simulator::start(Options { listen, ..Options::default() }).await else {
            continue;
        };
        let ports = ["us", "eu"].map(|name| simulator.region(name).unwrap().port().unwrap());
        assert_eq!(ports, [port + 1, port + 2]);
        assert_eq!(simulator.url().port(), Some(port));
        return;
    }
    panic!("no three ports in a row are free");
}

#[tokio::test]
async fn after_a_shutdown_nothing_listens() {
    let lab = Lab::demo().await;
    let Lab { simulator, http, base, .. } = lab;
    simulator.shutdown().await;
    assert!(http.get(format!("{base}/root/ping")).send().await.expect_err("closed").is_connect());
}
