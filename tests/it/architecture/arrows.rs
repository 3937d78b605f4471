/// Each room with the rooms it may import, from the top of the house to the bottom: a room
/// imports only what stands below it. A room without a folder yet has its place reserved.
/// Every room above `telemetry` may also use [`EVERYWHERE`].
pub(super) const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["commands"]),
    ("commands", &["app", "api", "client", "auth", "simulator", "config"]),
    ("client", &["net"]),
    ("fuzz", &["api", "auth", "server", "upstream", "config"]),
    (
        "app",
        &[
            "server",
            "api",
            "operations",
            "services",
            "upstream",
            "auth",
            "audit",
            "cache",
            "db",
            "net",
            "config",
        ],
    ),
    ("server", &["config"]),
    ("api", &["operations", "services", "audit", "auth", "config"]),
    ("operations", &["services", "audit", "auth", "db", "config"]),
    // `wire` for page tokens: what a token holds is the use case's business, not HTTP's.
    ("services", &["upstream", "cache", "audit", "auth", "db", "wire", "config"]),
    ("upstream", &["net", "wire", "config"]),
    ("auth", &["net", "config"]),
    ("audit", &["db", "config"]),
    ("cache", &["config"]),
    ("db", &["config"]),
    // Shares no code with the clients that it is there to prove.
    ("simulator", &["config"]),
    ("net", &["config"]),
    ("telemetry", &["config", "domain"]),
    ("config", &["domain"]),
    ("wire", &[]),
    ("domain", &[]),
];

/// Words and measuring instruments: of use to all who act.
const EVERYWHERE: &[&str] = &["domain", "telemetry"];

/// Whether the arrow `from -> to` is written.
pub(super) fn may_import(from: &str, to: &str) -> bool {
    let acts = ARROWS.iter().take_while(|(room, _)| *room != "telemetry").any(|(r, _)| *r == from);
    ARROWS.iter().any(|(room, targets)| *room == from && targets.contains(&to))
        || (acts && EVERYWHERE.contains(&to))
}
