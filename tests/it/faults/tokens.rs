use serde_json::{Value, json};

use super::{Ask, elsewhere::elsewhere, rows};

const ASK: Ask = Ask {
    method: "GET",
    path: "/v1/customers/acme/me",
    warm: false,
    counted: "service=token&customer=acme",
    path_part: "",
};

const HURRY: &str = "[upstream.token]\nmint_timeout = \"1s\"";

const MATCH: fn() -> Value = || json!({ "service": "token", "customer": "acme" });

rows! {
    hang: ASK, { "hang": true }, HURRY => 503 "upstream_token_unavailable", 1, "no answer before the deadline";
    reset: ASK, { "reset": true }, "" => 503 "upstream_token_unavailable", 1, "the connection was lost";
    truncated: ASK, { "cutBody": 10 }, "" => 503 "upstream_token_unavailable", 1, "in the middle of the body";
    half_closed: ASK, { "cutBody": 0 }, "" => 503 "upstream_token_unavailable", 1, "in the middle of the body";
    slow_body: ASK, { "slowBodyMs": 500 }, HURRY => 503 "upstream_token_unavailable", 1, "did not arrive in time";
    huge_body: ASK, { "hugeBody": 67_108_864_u64 }, "" => 503 "upstream_token_unavailable", 1, "larger than";
    empty: ASK, { "garbage": "" }, "" => 503 "upstream_token_unavailable", 1, "token service";
    a_page: ASK, { "garbage": "<html>" }, "" => 503 "upstream_token_unavailable", 1, "something else than a JSON object";
    no_token: ASK, { "garbage": "{}" }, "" => 503 "upstream_token_unavailable", 1, "no usable token";
    server_error: ASK, { "status": 500, "style": "A" }, "" => 503 "upstream_token_unavailable", 1, "answered 500";
    edge_error: ASK, { "status": 502 }, "" => 503 "upstream_token_unavailable", 1, "answered 502";
    throttled: ASK, { "rateLimit": "retry-after", "seconds": 7 }, "" => 503 "upstream_token_unavailable", 1, "answered 429";
    wrong_secret: ASK, { "status": 400, "style": "A" }, "" => 503 "upstream_token_unavailable", 1, "invalid_client";
    moved: ASK, { "status": 302 }, "" => 503 "upstream_token_unavailable", 1, "answered 302";
}

elsewhere! {
    ASK, "CWSGATE_REGIONS__US__TOKEN", "" => 503 "upstream_token_unavailable"
}
