use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::{
    Admin, App, Audit, Cache, Config, Database, Environment, Finding, Issuer, Log, Operations,
    ResilienceSettings, Server, Severity, Store, UpstreamSettings, apps::Known, context::Context,
    customers::Customers, document::Origin, file::read_text, layers::Layers, reader::Section,
    regions::Regions,
};

/// What came of reading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; absent when a finding is an [`Severity::Error`].
    pub config: Option<Config>,
    /// Every problem, in the order of the files and their lines.
    pub findings: Vec<Finding>,
    /// The files and folders it was made from, for noticing changes: what is included, secrets and
    /// certificates too. Some may not exist yet.
    pub sources: BTreeSet<PathBuf>,
    /// The folders in which patterns of `include` were looked for, as far as they are there.
    pub folders: BTreeSet<PathBuf>,
}

/// What reading depends on besides files and environment.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// The time by which expiry is judged.
    pub now: Timestamp,
    /// Whether a configuration without callers is fine: then everybody gets in.
    pub allow_anonymous: bool,
}

impl Loaded {
    /// Whether nothing is wrong but for warnings.
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Warning)
    }
}

impl Config {
    /// Reads the configuration file `path` and all that it names, and checks everything.
    pub fn load(path: &Path, environment: &Environment, options: LoadOptions) -> Loaded {
        Self::load_file(path, environment, options, false)
    }

    /// The same for a gateway that serves already: taking the last key out shuts everybody out,
    /// as it should, and is no reason to keep the key.
    pub(super) fn load_again(
        path: &Path,
        environment: &Environment,
        options: LoadOptions,
    ) -> Loaded {
        Self::load_file(path, environment, options, true)
    }

    fn load_file(
        path: &Path,
        environment: &Environment,
        options: LoadOptions,
        serving: bool,
    ) -> Loaded {
        let base = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let context = Context::new(environment, options.now, Some(Arc::from(path)), base);
        context.serving.set(serving);
        context.uses(path);
        match read_text(path) {
            Ok(text) => Self::read(context, &text, options),
            Err(problem) => {
                let fix = "name a readable TOML file with --config";
                context.report(Severity::Error, &Origin::default(), "", problem, fix);
                context.finish(None)
            }
        }
    }

    /// Reads a configuration from `text`; relative paths belong to the folder `base`.
    pub fn parse(
        text: &str,
        base: &Path,
        environment: &Environment,
        options: LoadOptions,
    ) -> Loaded {
        let context = Context::new(environment, options.now, None, base.to_path_buf());
        Self::read(context, text, options)
    }

    /// The keys that `new` changes and that need a restart.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let url = |config: &Self| config.database.url.expose_secret().to_owned();
        let changed = [
            ("server.listen", self.server.listen != new.server.listen),
            ("admin.listen", self.admin.listen != new.admin.listen),
            ("server.tls", self.server.tls.is_some() != new.server.tls.is_some()),
            ("log", self.log != new.log),
            ("database.url", url(self) != url(new)),
            ("operations", self.operations != new.operations),
            ("audit.retention", self.audit.retention != new.audit.retention),
            ("audit.file", self.audit.file != new.audit.file),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
    }

    fn read(context: Context<'_>, text: &str, options: LoadOptions) -> Loaded {
        let layers = Layers::of(&context, text);
        let config = Self::of(&context, &layers, options);
        drop(layers);
        context.finish(config)
    }

    fn of(context: &Context<'_>, layers: &Layers, options: LoadOptions) -> Option<Self> {
        let nowhere = Origin::default();
        let root = Section::open(context, "", "", &layers.table, &nowhere, Severity::Error);
        let fields =
            ["server", "admin", "log", "database", "audit", "operations", "cache", "upstream"]
                .map(|key| root.field(key));
        let [server, admin, log, database, audit, operations, cache, upstream] = &fields;
        let cache = cache.section("cache", TABLE);
        let upstream = upstream.section("upstream", TABLE);
        let ttl = cache.map(|cache| cache.field("ttl"));
        let token = upstream.map(|upstream| upstream.field("token"));
        let guards =
            upstream.map(|upstream| ResilienceSettings::SECTIONS.map(|s| upstream.field(s)));

        let server = server.section("server", TABLE).map(|section| Server::read(&section));
        let admin = admin.section("admin", TABLE).zip(server.as_ref());
        let admin = admin.map(|(section, server)| Admin::read(&section, server));
        let log = log.section("log", TABLE).map(|section| Log::read(&section));
        let database = database.section("database", TABLE).zip(server.as_ref());
        let database = database.map(|(section, server)| Database::read(&section, server));
        let operations = operations.section("operations", TABLE);
        let operations = operations.map(|section| Operations::read(&section));
        let audit = audit.section("audit", TABLE).map(|section| Audit::read(&section));
        let ttl = ttl.as_ref().and_then(|ttl| ttl.section("cache.ttl", TABLE));
        let cache = cache.zip(ttl).map(|(section, ttl)| Cache::read(&section, &ttl));
        let token = token.as_ref().and_then(|token| token.section("upstream.token", TABLE));
        let resilience = guards.as_ref().and_then(ResilienceSettings::read);
        let upstream = upstream.zip(token).zip(resilience).map(|((section, token), resilience)| {
            UpstreamSettings::read(&section, &token, resilience)
        });

        let regions = Regions::read_all(&root.field("regions"), layers);
        let customers = Customers::read_all(&root, layers, &regions);
        let (stores, store_names) = Store::read_all(&root.field("stores"), layers, &customers);
        let issuers = Issuer::read_all(&root.field("issuers"), layers);
        let known = Known { customers: &customers, stores: &store_names, issuers: &issuers };
        let apps_field = root.field("apps");
        let apps = App::read_all(&apps_field, layers, &known);
        if apps_field.named().is_empty() {
            report_no_callers(context, options.allow_anonymous);
        } else if apps.values().all(App::is_nobody)
            && !(options.allow_anonymous || context.serving.get() || context.has_errors())
        {
            let problem = "nobody can be any of the apps: none has `keys` or `subject`";
            let fix = "add keys = [\"…\"] to one, made by `cwsgate key new`";
            context.report(Severity::Error, &Origin::default(), "apps", problem, fix);
        }
        Some(Self {
            server: server?,
            admin: admin?,
            log: log?,
            database: database?,
            operations: operations?,
            audit: audit?,
            cache: cache?,
            upstream: upstream?,
            regions: regions.good,
            customers: customers.good,
            misconfigured: customers.misconfigured,
            stores,
            issuers,
            apps,
        })
    }
}

fn report_no_callers(context: &Context<'_>, allowed: bool) {
    if context.incomplete.get() {
        return;
    }
    let (severity, problem) = if allowed {
        (Severity::Warning, "anybody who reaches the listener may do everything")
    } else {
        (Severity::Error, "there are no apps, so that callers would not be authenticated")
    };
    let fix = "add an app: `cwsgate key new --app NAME` prints what to paste \
               (--unsafe-allow-anonymous starts without)";
    context.report(severity, &Origin::default(), "apps", problem, fix);
}

const TABLE: &str = "a table";
