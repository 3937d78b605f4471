use serde_json::{Value, json};

use super::{Ask, Reply, elsewhere::elsewhere, rows};

const LIST: Ask = Ask {
    method: "GET",
    path: "/v1/stores/hq/resources",
    warm: true,
    counted: "service=storefront&customer=hq&method=GET",
    path_part: "resources",
};

const POWER_OFF: Ask = Ask {
    method: "POST",
    path: "KIOSK/actions/power-off",
    warm: false,
    counted: "service=storefront&customer=hq&method=POST",
    path_part: "",
};

const COLD: Ask = Ask { warm: false, ..LIST };

elsewhere! {
    COLD, "CWSGATE_STORES__HQ__URL", "/Citrix/Store" => 503 "upstream_unavailable"
}

/// The path, with that of the store's desktop in place of `KIOSK`.
pub(super) async fn resolved(path: &str, get: impl AsyncFn(&str) -> Reply) -> String {
    let Some(rest) = path.strip_prefix("KIOSK") else { return path.to_owned() };
    let list = get(LIST.path).await.ok(200);
    let items = list["items"].as_array().unwrap();
    let desktop = items.iter().find(|item| item["name"] == "Kiosk").unwrap();
    format!("{}{rest}", desktop["self"].as_str().unwrap())
}

mod lists {
    use super::*;

    const MATCH: fn() -> Value = || json!({ "service": "storefront", "pathContains": "resources" });

    rows! {
        hang: LIST, { "hang": true }, "" => 504 "upstream_timeout", 1, "no answer before the deadline";
        reset: LIST, { "reset": true }, "" => 503 "upstream_unavailable", 4, "the connection was lost";
        truncated: LIST, { "cutBody": 40 }, "" => 503 "upstream_unavailable", 4, "in the middle of the body";
        half_closed: LIST, { "cutBody": 0 }, "" => 503 "upstream_unavailable", 4, "in the middle of the body";
        slow_body: LIST, { "slowBodyMs": 3000 }, "" => 504 "upstream_timeout", 1, "did not arrive in time";
        huge_body: LIST, { "hugeBody": 67_108_864_u64 }, "" => 502 "upstream_malformed", 1, "larger than";
        wrong_type: LIST, { "garbage": "{\"a\":1}" }, "" => 502 "upstream_malformed", 1, "storefront.resources.list";
        document_type: LIST, { "document": "dtd" }, "" => 502 "upstream_malformed", 1, "storefront.resources.list";
        too_deep: LIST, { "document": "deep" }, "" => 502 "upstream_malformed", 1, "storefront.resources.list";
        another_root: LIST, { "document": "wrong-root" }, "" => 502 "upstream_malformed", 1, "storefront.resources.list";
        server_error: LIST, { "status": 500 }, "" => 502 "upstream_error", 1, "answered 500";
        bad_gateway: LIST, { "status": 502 }, "" => 502 "upstream_error", 4, "answered 502";
        throttled: LIST, { "status": 429, "headers": { "retry-after": "60" } }, "" => 503 "upstream_rate_limited", 1, "answered 429";
    }
}

mod power_offs {
    use super::*;

    const MATCH: fn() -> Value = || json!({ "service": "storefront", "method": "POST" });

    rows! {
        hang: POWER_OFF, { "hang": true, "afterEffect": true }, "" => 504 "outcome_unknown", 1, "no answer before the deadline";
        reset: POWER_OFF, { "reset": true, "afterEffect": true }, "" => 504 "outcome_unknown", 1, "the connection was lost";
        server_error: POWER_OFF, { "status": 500 }, "" => 504 "outcome_unknown", 1, "answered 500";
        truncated: POWER_OFF, { "cutBody": 40, "afterEffect": true }, "" => 502 "upstream_malformed", 1, "could not be read";
        half_closed: POWER_OFF, { "cutBody": 0, "afterEffect": true }, "" => 502 "upstream_malformed", 1, "could not be read";
        slow_body: POWER_OFF, { "slowBodyMs": 3000, "afterEffect": true }, "" => 502 "upstream_malformed", 1, "could not be read";
        document_type: POWER_OFF, { "document": "dtd" }, "" => 502 "upstream_malformed", 1, "storefront";
        another_root: POWER_OFF, { "document": "wrong-root" }, "" => 502 "upstream_malformed", 1, "storefront";
        huge_body: POWER_OFF, { "hugeBody": 67_108_864_u64 }, "" => 502 "upstream_malformed", 1, "could not be read";
        not_acceptable: POWER_OFF, { "status": 406 }, "" => 502 "upstream_malformed", 1, "answered 406";
    }
}
