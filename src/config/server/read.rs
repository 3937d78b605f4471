use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};

use super::{Admin, Audit, Cache, Database, Log, LogFormat, Operations, Server, access};
use crate::config::{
    document::Value,
    reader::{Field, Section},
    schema, secrets,
    tls::Tls,
};

impl Server {
    pub(in crate::config) fn read(section: &Section<'_>) -> Self {
        let seconds = |key, low, high| {
            section.duration(key, Duration::from_secs(low)..=Duration::from_secs(high))
        };
        let size =
            |key, high| usize::try_from(section.bytes(key, 1_024..=high)).unwrap_or(usize::MAX);
        let count = |key, high| section.count(key, 1..=high);
        let server = Self {
            listen: listen(&section.field("listen")),
            tls: Tls::read(&section.field("tls")),
            cors_origins: access::cors_origins(section),
            trusted_proxies: access::trusted_proxies(section),
            secret: root_secret(&section.field("secret")),
            previous_secret: root_secret(&section.field("previous_secret")),
            max_connections: count("max_connections", 1_000_000) as usize,
            header_timeout: seconds("header_timeout", 1, 300),
            body_timeout: seconds("body_timeout", 1, 3_600),
            idle_timeout: seconds("idle_timeout", 1, 3_600),
            write_timeout: seconds("write_timeout", 1, 3_600),
            max_header_bytes: size("max_header_bytes", 1 << 20),
            max_headers: count("max_headers", 10_000) as usize,
            max_uri_bytes: size("max_uri_bytes", 64 << 10),
            max_body_bytes: size("max_body_bytes", 1 << 30),
            max_streams: count("max_streams", 10_000),
            max_auth_failures_per_minute: section
                .count("max_auth_failures_per_minute", 0..=1_000_000),
            default_deadline: seconds("default_deadline", 1, 3_600),
            action_deadline: seconds("action_deadline", 1, 3_600),
            max_deadline: seconds("max_deadline", 1, 3_600),
            drain_delay: seconds("drain_delay", 0, 600),
            drain_timeout: seconds("drain_timeout", 0, 3_600),
        };
        server.check(section);
        server
    }

    /// Checks what holds between keys.
    fn check(&self, section: &Section<'_>) {
        for (key, deadline) in
            [("default_deadline", self.default_deadline), ("action_deadline", self.action_deadline)]
        {
            if deadline > self.max_deadline {
                section
                    .field(key)
                    .wrong("it is longer than `max_deadline`", "lower it or raise `max_deadline`");
            }
        }
        if !section.field("tls").is_set() && !self.listen.ip().is_loopback() {
            section.field("listen").warn(
                "credentials cross the network in clear text",
                "set server.tls, or end TLS in front of the gateway",
            );
        }
        if self.previous_secret.is_some() && self.secret.is_none() {
            let fix = "set server.secret as well, or remove it";
            section.field("previous_secret").wrong("there is no current secret", fix);
        }
    }
}

impl Admin {
    pub(in crate::config) fn read(section: &Section<'_>, server: &Server) -> Self {
        let field = section.field("listen");
        let admin = Self { listen: listen(&field) };
        let (ours, theirs) = (admin.listen, server.listen);
        if ours.port() != 0
            && ours.port() == theirs.port()
            && (ours.ip() == theirs.ip()
                || ours.ip().is_unspecified()
                || theirs.ip().is_unspecified())
            && ours != PLACEHOLDER
        {
            field.wrong("it is the address of the public listener", "choose another port");
        }
        if !ours.ip().is_loopback() && ours != PLACEHOLDER {
            field.warn(
                "the admin API can be reached from the network",
                "make sure that callers cannot reach it, or listen on 127.0.0.1",
            );
        }
        admin
    }
}

impl Log {
    pub(in crate::config) fn read(section: &Section<'_>) -> Self {
        let choices =
            [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];
        let directives =
            |text: &str| tracing_subscriber::EnvFilter::try_new(text).ok().map(|_| text.to_owned());
        let expected = "a level such as \"info\", or \"info,cwsgate=debug\"";
        let filter = section.field("filter").parsed(directives, expected);
        Self {
            filter: filter.unwrap_or_default(),
            format: section.field("format").choice(&choices).unwrap_or(LogFormat::Auto),
        }
    }
}

impl Database {
    pub(in crate::config) fn read(section: &Section<'_>, server: &Server) -> Self {
        let field = section.field("url");
        let database = Self::of(&field)
            .unwrap_or_else(|| Self { url: SecretString::default(), sqlite_path: None });
        let postgres = database.url.expose_secret().starts_with("postgres");
        if postgres && server.secret.is_none() && !field.context.incomplete.get() {
            field.wrong(
                "PostgreSQL is shared by replicas, which need the same server.secret",
                "set server.secret, made by `openssl rand -base64 32`",
            );
        }
        database
    }

    fn of(field: &Field<'_>) -> Option<Self> {
        let node = field.node?;
        let literal = matches!(node.value, Value::Text(_));
        let text = if literal { field.filled_text()?.into() } else { secrets::read(field, None)? };
        let raw: &str = text.expose_secret();
        if let Some(path) = raw.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path == ":memory:" {
                field.warn("what is recorded ends with the process", "name a file");
                return Some(Self { url: text, sqlite_path: None });
            }
            if path.is_empty() || path.starts_with(':') || path.contains(['?', '\0']) {
                field.wrong("this does not name a file", "write \"sqlite:cwsgate.db\"");
                return None;
            }
            let path = field.context.resolve(&node.origin, path);
            let url = format!("sqlite:{}", path.display()).into();
            return Some(Self { url, sqlite_path: Some(path) });
        }
        let url = url::Url::parse(raw).ok();
        let Some(url) = url.filter(|url| matches!(url.scheme(), "postgres" | "postgresql")) else {
            let fix = "write \"sqlite:PATH\" or \"postgres://HOST/DATABASE\"";
            field.wrong("this names no database that is known", fix);
            return None;
        };
        if literal && !field.is_variable() && url.password().is_some() {
            field.warn("the URL holds a password", format!("write {}", secrets::FORM));
        }
        Some(Self { url: text, sqlite_path: None })
    }
}

impl Operations {
    pub(in crate::config) fn read(section: &Section<'_>) -> Self {
        let (second, day) = (Duration::from_secs(1), Duration::from_hours(24));
        Self {
            retention: section.duration("retention", day..=day * 3_650),
            lease: section.duration("lease", second * 2..=second * 300),
            max_running: section.count("max_running", 1..=10_000),
        }
    }
}

impl Audit {
    pub(in crate::config) fn read(section: &Section<'_>) -> Self {
        let day = Duration::from_hours(24);
        let file = section.field("file");
        let path = file.node.and_then(|node| {
            let text = file.filled_text()?;
            Some(file.context.resolve(&node.origin, text))
        });
        Self { retention: section.duration("retention", day..=day * 3_660), file: path }
    }
}

impl Cache {
    pub(in crate::config) fn read(section: &Section<'_>, ttl: &Section<'_>) -> Self {
        let day = Duration::from_hours(24);
        let classes = schema::keys("cache.ttl").iter();
        Self {
            max_bytes: section.bytes("max_bytes", 0..=1 << 40),
            ttl: classes
                .map(|class| ((*class).to_owned(), ttl.duration(class, Duration::ZERO..=day * 7)))
                .collect(),
            stale_while_revalidate: section
                .duration("stale_while_revalidate", Duration::ZERO..=day),
            stale_if_error: section.duration("stale_if_error", Duration::ZERO..=day),
        }
    }
}

fn listen(field: &Field<'_>) -> SocketAddr {
    let address = field.parsed(|text| text.parse().ok(), "an address such as \"0.0.0.0:8443\"");
    address.unwrap_or(PLACEHOLDER)
}

fn root_secret(field: &Field<'_>) -> Option<SecretString> {
    let secret = secrets::read(field, None)?;
    if secret.expose_secret().len() < MIN_ROOT {
        let fix = "take the output of `openssl rand -base64 32`";
        field.wrong("the secret is shorter than 32 characters", fix);
        return None;
    }
    Some(secret)
}

/// Stands where an address could not be read; port 0 of nothing in particular.
const PLACEHOLDER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Characters of a root secret: 32 of base64 are 192 bits.
const MIN_ROOT: usize = 32;
