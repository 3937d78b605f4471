use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::Router;

use super::{Error, Shared, observer::UpstreamMetrics, secret};
use crate::{
    api::{self, Access, ApiState, Control, Deadlines},
    auth::{Authenticator, AuthenticatorParts, Policy, Quotas},
    config::{App as Caller, AppLimits, Config, CustomerSelector, Grant, StoreSelector},
    domain::{Action, AppName},
    services::{Core, CoreParts, Directory, ReadCache, Services},
    upstream::Upstream,
};

/// Everything that is built from one reading of the configuration. A request stays with the
/// generation that was current when it came; the generation goes with its last request.
#[derive(Debug)]
pub(super) struct Generation {
    /// What it was built from.
    pub(super) config: Config,
    /// The routes of the public listener.
    pub(super) public: Router,
    /// The routes of the admin listener.
    pub(super) admin: Router,
    upstream: Upstream,
    pub(super) authenticator: Arc<Authenticator>,
    quotas: Arc<Quotas>,
    cache: ReadCache,
}

impl Generation {
    /// Builds everything anew but for what [`Shared`] holds and, while regions and upstream
    /// settings stay as they were `before`, the way to Citrix with its tokens and connections.
    pub(super) fn build(
        config: Config,
        shared: &Shared,
        control: &Control,
        before: Option<&Self>,
    ) -> Result<Self, Error> {
        let upstream = match before {
            Some(before) if before.asks_alike(&config) => before.upstream.clone(),
            // Stores are in no region: their accounts stay signed in, or in quarantine.
            Some(before) if before.config.upstream == config.upstream => {
                let mut upstream = upstream(&config, shared)?;
                upstream.storefront = before.upstream.storefront.clone();
                upstream
            }
            _ => upstream(&config, shared)?,
        };
        let cache = match before.filter(|before| before.config.cache == config.cache) {
            Some(before) => before.cache.clone(),
            None => ReadCache::new(
                config.cache.clone(),
                Arc::clone(&shared.clock),
                shared.metrics.clone(),
            ),
        };
        let state = state(config.clone(), shared, upstream.clone(), cache.clone(), before)?;
        let (authenticator, quotas) = (Arc::clone(&state.authenticator), Arc::clone(&state.quotas));
        let admin = api::admin(state.clone(), shared.lifecycle.clone(), control.clone());
        let public = api::router(state);
        Ok(Self { config, public, admin, upstream, authenticator, quotas, cache })
    }

    /// Whether Citrix is asked in the same way.
    pub(super) fn asks_alike(&self, config: &Config) -> bool {
        self.config.regions == config.regions && self.config.upstream == config.upstream
    }
}

fn upstream(config: &Config, shared: &Shared) -> Result<Upstream, Error> {
    let observer = Arc::new(UpstreamMetrics(shared.metrics.clone()));
    let clock = Arc::clone(&shared.clock);
    Ok(Upstream::new(&config.regions, &config.upstream, clock, observer)?)
}

fn state(
    config: Config,
    shared: &Shared,
    upstream: Upstream,
    cache: ReadCache,
    before: Option<&Generation>,
) -> Result<ApiState, Error> {
    let secret = secret::root(&config)?;
    let clock = Arc::clone(&shared.clock);

    let mut apps = config.apps;
    let anonymous = shared.options.unsafe_allow_anonymous.then(|| {
        let app = all_powerful(ANONYMOUS);
        let name = app.name.clone();
        apps.insert(name.clone(), app);
        name
    });
    let parts = AuthenticatorParts {
        apps: &apps,
        issuers: &config.issuers,
        anonymous,
        secret: &secret,
        previous_secret: config.server.previous_secret.as_ref(),
        max_failures_per_minute: config.server.max_auth_failures_per_minute,
        metrics: shared.metrics.clone(),
        clock: Arc::clone(&clock),
    };
    let authenticator = match before {
        Some(before) => before.authenticator.reconfigured(parts),
        None => Authenticator::new(parts),
    }?;
    let quotas = Arc::new(Quotas::new(apps.values(), before.map(|before| &*before.quotas)));
    let core = Arc::new(Core::new(CoreParts {
        directory: Directory::new(config.regions, config.customers, config.misconfigured),
        stores: config.stores,
        policy: Policy::new(apps.values()),
        quotas: Arc::clone(&quotas),
        upstream,
        audit: shared.audit.clone(),
        idempotency: shared.idempotency.clone(),
        signed_out: shared.signed_out.clone(),
        clock: Arc::clone(&clock),
        secret,
        previous_secret: config.server.previous_secret,
        max_fanout: config.upstream.max_fanout,
        cache,
        changes: shared.changes.clone(),
    }));
    let services = Services::new(&core);
    Ok(ApiState {
        operations: shared.operations.serve(services.bulk.clone()),
        services,
        authenticator: Arc::new(authenticator),
        quotas,
        metrics: shared.metrics.clone(),
        clock,
        access: Access {
            cors_origins: config.server.cors_origins,
            trusted_proxies: config.server.trusted_proxies.into(),
            tls: config.server.tls.is_some(),
        },
        deadlines: Deadlines {
            default: config.server.default_deadline,
            action: config.server.action_deadline,
            max: config.server.max_deadline,
            of_apps: Arc::new(deadlines_of(&apps)),
        },
        changes: shared.changes.clone(),
    })
}

fn deadlines_of(apps: &BTreeMap<AppName, Caller>) -> BTreeMap<AppName, Duration> {
    let limited =
        apps.values().filter_map(|app| Some((app.name.clone(), app.limits.max_deadline?)));
    limited.collect()
}

/// An app that may do everything.
fn all_powerful(name: &str) -> Caller {
    Caller {
        name: AppName::try_from(name).expect("the name is letters only"),
        keys: Vec::new(),
        subject: None,
        limits: AppLimits::default(),
        grants: vec![Grant {
            actions: Action::ALL.into_iter().collect(),
            customers: vec![CustomerSelector::All],
            sites: None,
            stores: vec![StoreSelector::All],
            require_reason: false,
        }],
    }
}

/// The app of callers without a credential, where those are let in.
const ANONYMOUS: &str = "anonymous";
