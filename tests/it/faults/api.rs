use serde_json::{Value, json};

use super::{Ask, elsewhere::elsewhere, rows};

const READ: Ask = Ask {
    method: "GET",
    path: "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL",
    warm: true,
    counted: "service=daas&method=GET",
    path_part: "/Machines/",
};

const WRITE: Ask = Ask {
    method: "POST",
    path: "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL/actions/reboot",
    counted: "service=daas&method=POST",
    path_part: "$reboot",
    ..READ
};

const SMALL: &str = "[upstream]\nmax_body_bytes = \"4 MiB\"";
const COLD: Ask = Ask { path: "/v1/customers/acme/me", warm: false, path_part: "/me", ..READ };

elsewhere! {
    COLD, "CWSGATE_REGIONS__US__DAAS", "/cvad/manage" => 503 "upstream_unavailable"
}

mod reads {
    use super::*;

    const MATCH: fn() -> Value = || json!({ "method": "GET", "pathContains": "/Machines/" });

    rows! {
        hang: READ, { "hang": true }, "" => 504 "upstream_timeout", 1, "no answer before the deadline";
        reset: READ, { "reset": true }, "" => 503 "upstream_unavailable", 4, "the connection was lost";
        truncated: READ, { "cutBody": 40 }, "" => 502 "upstream_malformed", 4, "in the middle of the body";
        slow_body: READ, { "slowBodyMs": 3000 }, "" => 504 "upstream_timeout", 1, "did not arrive in time";
        half_closed: READ, { "cutBody": 0 }, "" => 502 "upstream_malformed", 4, "in the middle of the body";
        huge_body: READ, { "hugeBody": 67_108_864_u64 }, SMALL => 502 "upstream_malformed", 1, "larger than";
        wrong_type: READ, { "status": 200, "body": "<html></html>" }, "" => 502 "upstream_malformed", 1, "cannot be decoded";
        wrong_shape: READ, { "garbage": "[[1],[2]]" }, "" => 502 "upstream_malformed", 1, "could not be read";
        bad_gateway: READ, { "status": 502 }, "" => 502 "upstream_error", 4, "daas.machines.get";
        unavailable: READ, { "status": 503 }, "" => 503 "upstream_unavailable", 4, "daas.machines.get";
        gateway_timeout: READ, { "status": 504 }, "" => 504 "upstream_timeout", 4, "daas.machines.get";
        server_error: READ, { "status": 500, "style": "E" }, "" => 502 "upstream_error", 1, "daas.machines.get";
        forbidden: READ, { "status": 403, "style": "E" }, "" => 502 "upstream_forbidden", 1, "refuses this credential";
        throttled: READ, { "rateLimit": "retry-delay", "seconds": 60 }, "" => 503 "upstream_rate_limited", 1, "rate limit";
        hibernated: READ, { "status": 530 }, "" => 503 "site_hibernated", 1, "hibernated";
    }
}

mod writes {
    use super::*;

    const MATCH: fn() -> Value = || json!({ "pathContains": "$reboot" });

    rows! {
        hang: WRITE, { "hang": true, "afterEffect": true }, "" => 504 "outcome_unknown", 1, "no answer before the deadline";
        reset: WRITE, { "reset": true, "afterEffect": true }, "" => 504 "outcome_unknown", 1, "the connection was lost";
        reset_before: WRITE, { "reset": true }, "" => 504 "outcome_unknown", 1, "the connection was lost";
        server_error: WRITE, { "status": 500, "style": "E" }, "" => 504 "outcome_unknown", 1, "daas.machines.reboot";
        unavailable: WRITE, { "status": 503 }, "" => 504 "outcome_unknown", 1, "daas.machines.reboot";
        unreadable: WRITE, { "garbage": "<html>" }, "" => 504 "outcome_unknown", 1, "cannot be decoded";
        throttled: WRITE, { "rateLimit": "text", "seconds": 1 }, "" => 503 "upstream_rate_limited", 1, "rate limit";
        forbidden: WRITE, { "status": 403, "style": "C" }, "" => 502 "upstream_forbidden", 1, "refuses this credential";
        hibernated: WRITE, { "status": 530 }, "" => 503 "site_hibernated", 1, "hibernated";
    }
}
