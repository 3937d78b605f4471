//! Every key there is, by section, and what somebody probably meant by another one.
//!
//! `*` stands for a name of the operator's own, `[]` for the tables of a list.

/// A section's path and its keys.
pub(super) type Keys = (&'static str, &'static [&'static str]);

/// The keys of a section.
pub(super) fn keys(section: &str) -> &'static [&'static str] {
    SECTIONS.iter().find(|(name, _)| *name == section).map_or(&[], |(_, keys)| keys)
}

/// What to write instead of `key`, which `section` does not have.
pub(super) fn instead_of(key: &str, section: &str) -> String {
    let own = keys(section);
    if let Some(same) = own.iter().find(|candidate| plain(candidate) == plain(key)) {
        return format!("did you mean `{same}`?");
    }
    let homes: Vec<String> = SECTIONS
        .iter()
        .filter(|(name, keys)| *name != section && *name != SECRET && keys.contains(&key))
        .map(|(name, _)| place(name))
        .collect();
    if !homes.is_empty() {
        return format!("`{key}` belongs to {}", homes.join(" or "));
    }
    if let Some(near) = nearest(key, own.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    let elsewhere = SECTIONS.iter().filter(|(name, _)| *name != SECRET);
    let elsewhere = elsewhere.flat_map(|(name, keys)| keys.iter().map(move |key| (*name, *key)));
    if let Some(near) = nearest(key, elsewhere.clone().map(|(_, key)| key)) {
        let home = elsewhere.into_iter().find(|(_, key)| *key == near).map_or("", |(name, _)| name);
        return format!("did you mean `{near}`, which belongs to {}?", place(home));
    }
    one_of(own.iter().copied())
}

/// What to write instead of `word`, which is none of `candidates`.
pub(super) fn one_of_or_nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str> + Clone,
) -> String {
    match nearest(word, candidates.clone()) {
        Some(near) => format!("did you mean \"{near}\"? {}", one_of(candidates)),
        None => one_of(candidates),
    }
}

/// The candidate that is a slip of the finger away from `word`.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = plain(word);
    // Long texts are no misspelt words, and the comparison is quadratic.
    if word.len() > 64 {
        return None;
    }
    let allowed = (word.len() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&word, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "write one of …".
pub(super) fn one_of<'a>(candidates: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = candidates.take(20).collect();
    if all.is_empty() { "remove it".to_owned() } else { format!("use one of: {}", all.join(", ")) }
}

/// A key without what people write differently: case, `-`, `_` and `.`.
pub(super) fn plain(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '-' | '_' | '.')).map(|c| c.to_ascii_lowercase()).collect()
}

fn place(section: &str) -> String {
    match section {
        "" => "the top of the file".to_owned(),
        name => format!("[{}]", name.replace('*', "NAME").replace("[]", "")),
    }
}

/// Where a secret is, wherever a secret is asked for.
pub(super) const SECRET: &str = "secret";

/// The whole configuration.
pub(super) const SECTIONS: &[Keys] = &[
    (
        "",
        &[
            "include",
            "server",
            "admin",
            "log",
            "database",
            "operations",
            "audit",
            "regions",
            "cache",
            "upstream",
            "customer_defaults",
            "customers",
            "stores",
            "issuers",
            "apps",
        ],
    ),
    (
        "server",
        &[
            "listen",
            "tls",
            "cors_origins",
            "trusted_proxies",
            "secret",
            "previous_secret",
            "max_connections",
            "header_timeout",
            "body_timeout",
            "idle_timeout",
            "write_timeout",
            "max_header_bytes",
            "max_headers",
            "max_uri_bytes",
            "max_body_bytes",
            "max_streams",
            "max_auth_failures_per_minute",
            "default_deadline",
            "action_deadline",
            "max_deadline",
            "drain_delay",
            "drain_timeout",
        ],
    ),
    ("server.tls", &["cert_file", "key_file"]),
    ("admin", &["listen"]),
    ("log", &["filter", "format"]),
    ("database", &["url"]),
    ("operations", &["retention", "lease", "max_running"]),
    ("audit", &["retention", "file"]),
    ("regions.*", &["api", "token", "token_form", "daas", "registry", "core", "notifications"]),
    ("cache", &["max_bytes", "ttl", "stale_while_revalidate", "stale_if_error"]),
    (
        "cache.ttl",
        &[
            "resource-locations",
            "service-states",
            "sites",
            "machine-catalogs",
            "delivery-groups",
            "machines",
            "sessions",
        ],
    ),
    (
        "upstream",
        &[
            "connect_timeout",
            "read_timeout",
            "max_body_bytes",
            "max_fanout",
            "job_poll_min",
            "job_poll_max",
            "hibernated_recheck",
            "token",
            "retry",
            "cooldown",
            "slots",
            "breaker",
        ],
    ),
    (
        "upstream.retry",
        &["max_attempts", "backoff_min", "backoff_max", "budget_share", "budget_floor"],
    ),
    ("upstream.cooldown", &["without_hint", "longest"]),
    ("upstream.slots", &["in_flight", "bulk", "max_queue", "max_queue_time"]),
    (
        "upstream.breaker",
        &[
            "consecutive_failures",
            "window",
            "min_samples",
            "min_success",
            "open_min",
            "open_max",
            "region_customers",
        ],
    ),
    (
        "upstream.token",
        &[
            "mint_timeout",
            "refresh_at",
            "default_life",
            "margin",
            "backoff_min",
            "backoff_max",
            "quarantine_probe",
            "rejected_pause",
        ],
    ),
    ("customer_defaults", &["region", "labels", "client_id", "client_secret", "client_secrets"]),
    (
        "customers.*",
        &["id", "display_name", "region", "labels", "client_id", "client_secret", "client_secrets"],
    ),
    ("customers.*.client_secrets[]", &["env", "file", "expires"]),
    ("stores.*", &["url", "customer", "auth"]),
    ("stores.*.auth", &["method", "username", "password"]),
    ("issuers.*", &["issuer", "audience", "jwks_url", "algorithms"]),
    ("apps.*", &["keys", "subject", "grants", "limits"]),
    ("apps.*.limits", &["requests_per_minute", "machines_per_hour", "max_deadline"]),
    ("apps.*.keys[]", &["hash", "expires"]),
    ("apps.*.subject", &["issuer", "claim", "value"]),
    ("apps.*.grants[]", &["actions", "customers", "sites", "stores", "require_reason"]),
    (SECRET, &["env", "file"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_its_neighbour() {
        assert_eq!(instead_of("listne", "server"), "did you mean `listen`?");
        assert_eq!(instead_of("maxConnections", "server"), "did you mean `max_connections`?");
        assert_eq!(instead_of("client_secrt", "customers.*"), "did you mean `client_secret`?");
        assert_eq!(instead_of("customer", ""), "`customer` belongs to [stores.NAME]");
        assert_eq!(instead_of("servers", ""), "did you mean `server`?");
    }

    #[test]
    fn a_key_of_another_section_is_sent_home() {
        assert_eq!(instead_of("drain_delay", "admin"), "`drain_delay` belongs to [server]");
        assert_eq!(
            instead_of("drain_dealy", "admin"),
            "did you mean `drain_delay`, which belongs to [server]?"
        );
    }

    #[test]
    fn a_key_like_nothing_is_shown_the_list() {
        assert_eq!(instead_of("colour", "admin"), "use one of: listen");
    }
}
