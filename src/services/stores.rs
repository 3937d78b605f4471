use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Core, Error, core::require_reason};
use crate::{
    audit::{Event, Target},
    config::{Store, StoreAuth},
    domain::{
        Action, AppName, CallContext, ClientName, Enumeration, ProblemCode, StoreName,
        StoreResource,
    },
    upstream::storefront::{
        Access, CallerToken, PowerOffLink, PowerOffOutcome, Resources, Session, Visit,
    },
};

/// StoreFront stores: what they offer to an account, and switching a machine off.
#[derive(Clone, Debug)]
pub struct Stores {
    core: Arc<Core>,
}

/// Handles of users who have signed out and whose time is not over. Outlives every reading of the
/// configuration, since handles do. Cheap to clone; the clones are one.
#[derive(Clone, Debug)]
pub struct SignedOut(Cache<String, ()>);

/// As whom a store is asked, as the caller says it.
#[derive(Clone, Debug, Default)]
pub enum StoreCredential {
    /// Nothing: the store's own service account.
    #[default]
    None,
    /// The handle of a user's sign-in.
    Session(SecretString),
    /// A StoreFront token of the caller's own, for this call only.
    Token(SecretString),
}

/// What a store offers.
#[derive(Clone, Debug)]
pub struct StoreListing {
    /// The store.
    pub store: StoreName,
    /// How much of the list there is.
    pub enumeration: Enumeration,
    /// In the store's order.
    pub resources: Vec<StoreResource>,
}

/// A user's sign-in, ready to be handed out.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Opaque and sealed: good for this app and this store only.
    pub handle: SecretString,
    /// When it ends: as the store says, and 48 hours after the sign-in at the latest.
    pub expires: Timestamp,
}

/// What a handle holds, sealed.
#[derive(Deserialize, Serialize)]
struct Handle {
    token: String,
    expires: Timestamp,
}

impl Stores {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The stores that the caller may read.
    ///
    /// # Errors
    /// When there is none.
    pub fn list(&self, ctx: &CallContext) -> Result<Vec<Arc<Store>>, Error> {
        let policy = &self.core.policy;
        let readable = |store: &&Arc<Store>| {
            policy.authorize_store(&ctx.principal, Action::Read, store.name.as_str()).is_ok()
        };
        let stores: Vec<_> = self.core.stores.values().filter(readable).cloned().collect();
        if stores.is_empty() && !policy.grants_anywhere(&ctx.principal, Action::Read) {
            let on = "any store".to_owned();
            return Err(crate::auth::Denied::forbidden(&ctx.principal, Action::Read, on).into());
        }
        Ok(stores)
    }

    /// What a store offers. Never subscribes anybody to anything.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resources(
        &self,
        ctx: &CallContext,
        store: &str,
        credential: &StoreCredential,
    ) -> Result<StoreListing, Error> {
        let (store, visit) = self.visit(ctx, Action::Read, store, credential)?;
        let Resources { enumeration, items } = visit.resources(ctx).await?;
        let resources = items.into_iter().map(|item| item.resource).collect();
        Ok(StoreListing { store: store.name.clone(), enumeration, resources })
    }

    /// One resource of a store.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resource(
        &self,
        ctx: &CallContext,
        store: &str,
        resource: &str,
        credential: &StoreCredential,
    ) -> Result<(StoreName, StoreResource), Error> {
        let (store, visit) = self.visit(ctx, Action::Read, store, credential)?;
        let listed = visit.resources(ctx).await?;
        let found = find(&store, &listed, resource)?;
        Ok((store.name.clone(), found.0.clone()))
    }

    /// Cuts the power of the machine behind a resource.
    ///
    /// A hard power-off, sent once. A link that has gone stale is looked up anew, once, and
    /// followed only if it is another one.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::outcome_unknown`] tells which may have switched it off.
    pub async fn power_off(
        &self,
        ctx: &CallContext,
        store: &str,
        resource: &str,
        client_name: ClientName,
        credential: &StoreCredential,
    ) -> Result<(StoreName, StoreResource), Error> {
        let (store, visit) = self.visit(ctx, Action::Power, store, credential)?;
        let listed = visit.resources(ctx).await?;
        let (found, link) = find(&store, &listed, resource)?;
        let link = link.ok_or_else(|| refused(&store, ProblemCode::ActionNotSupported))?.clone();
        let found = found.clone();
        self.core.count_machine(ctx)?;
        let event = Event {
            action: "power-off".into(),
            customer: store.customer.clone(),
            store: Some(store.name.clone()),
            target: Some(Target {
                kind: "resource".into(),
                id: found.id.clone(),
                name: found.hostname.clone().or_else(|| found.name.clone()),
            }),
            ..Event::default()
        };
        let (own, resource) = (ctx.clone(), resource.to_owned());
        let work = async move {
            let mut outcome = visit.power_off(&own, &link, &client_name).await?;
            if is_stale(&outcome) {
                let fresh = visit.resources(&own).await?;
                let (_, newer) = find(&store, &fresh, &resource)?;
                if let Some(newer) = newer.filter(|newer| **newer != link) {
                    outcome = visit.power_off(&own, newer, &client_name).await?;
                }
            }
            settle(&store, outcome)?;
            Ok((store.name.clone(), found))
        };
        self.core.act(ctx, event, work).await
    }

    /// Signs a user of the caller's in, once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn sign_in(
        &self,
        ctx: &CallContext,
        store: &str,
        username: &str,
        password: &SecretString,
    ) -> Result<SignedIn, Error> {
        let store = self.authorize(ctx, Action::Read, store)?;
        if !matches!(store.auth, StoreAuth::Caller) {
            let detail = format!(
                "store {} is used with the gateway's own account and needs no sign-in",
                store.name
            );
            return Err(Error::Invalid { pointer: "/store".to_owned(), detail });
        }
        let client = &self.core.upstream.storefront;
        let session = client.sign_in(ctx, store, username, password).await?;
        let expires = session.expires().min(self.core.now() + LONGEST_SESSION);
        let handle = Handle { token: session.expose_token().to_owned(), expires };
        let plain =
            SecretString::from(serde_json::to_string(&handle).map_err(|_| Error::Internal)?);
        let context = binding(&ctx.principal.app, &store.name);
        let sealed =
            self.core.store_sessions.seal(plain.expose_secret().as_bytes(), context.as_bytes());
        Ok(SignedIn { handle: SecretString::from(sealed), expires })
    }

    /// Ends a user's sign-in here: its handle is good for nothing any more.
    ///
    /// # Errors
    /// When the handle was not good to begin with.
    pub fn sign_out(
        &self,
        ctx: &CallContext,
        store: &str,
        handle: &SecretString,
    ) -> Result<(), Error> {
        let store = self.authorize(ctx, Action::Read, store)?;
        self.session(ctx, store, handle)?;
        self.core.signed_out.0.insert(digest(handle), ());
        Ok(())
    }

    fn authorize(
        &self,
        ctx: &CallContext,
        action: Action,
        store: &str,
    ) -> Result<&Arc<Store>, Error> {
        self.core.policy.authorize_store(&ctx.principal, action, store)?;
        self.core.stores.get(store).ok_or(Error::NotFound)
    }

    fn visit(
        &self,
        ctx: &CallContext,
        action: Action,
        store: &str,
        credential: &StoreCredential,
    ) -> Result<(Arc<Store>, Visit), Error> {
        let store = self.authorize(ctx, action, store)?;
        require_reason(ctx, || {
            self.core.policy.store_needs_reason(&ctx.principal, action, store.name.as_str())
        })?;
        let own_account = !matches!(store.auth, StoreAuth::Caller);
        let access = match (credential, own_account) {
            (StoreCredential::None, true) => Access::Account,
            (StoreCredential::None, false) => return Err(Error::StoreSessionExpired),
            (StoreCredential::Session(_), true) => return Err(not_for_callers(store, "Session")),
            (StoreCredential::Token(_), true) => return Err(not_for_callers(store, "Token")),
            (StoreCredential::Session(handle), false) => {
                Access::Session(self.session(ctx, store, handle)?)
            }
            (StoreCredential::Token(token), false) => {
                Access::Token(CallerToken::new(token).ok_or(Error::StoreSessionExpired)?)
            }
        };
        Ok((Arc::clone(store), self.core.upstream.storefront.visit(store, access)))
    }

    fn session(
        &self,
        ctx: &CallContext,
        store: &Store,
        handle: &SecretString,
    ) -> Result<Session, Error> {
        let context = binding(&ctx.principal.app, &store.name);
        let plain = self.core.store_sessions.open(handle.expose_secret(), context.as_bytes());
        let plain = plain.map_err(|_| Error::StoreSessionExpired)?;
        let Handle { token, expires } =
            serde_json::from_slice(&plain).map_err(|_| Error::StoreSessionExpired)?;
        if expires <= self.core.now() || self.core.signed_out.0.contains_key(&digest(handle)) {
            return Err(Error::StoreSessionExpired);
        }
        Session::restore(&SecretString::from(token), expires).ok_or(Error::StoreSessionExpired)
    }
}

impl Default for SignedOut {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_SIGNED_OUT).time_to_live(LONGEST_SESSION).build())
    }
}

fn find<'a>(
    store: &Store,
    listed: &'a Resources,
    id: &str,
) -> Result<(&'a StoreResource, Option<&'a PowerOffLink>), Error> {
    match listed.find(id) {
        Some(found) => Ok((&found.resource, found.power_off.as_ref())),
        // Only a full list proves that something is not there.
        None if listed.enumeration == Enumeration::Full => Err(Error::NotFound),
        None => Err(Error::StoreIncomplete(store.name.clone())),
    }
}

fn is_stale(outcome: &PowerOffOutcome) -> bool {
    matches!(outcome, PowerOffOutcome::ResourceNotFound | PowerOffOutcome::ResourceDisabled)
}

/// What each outcome means to a caller.
fn settle(store: &Store, outcome: PowerOffOutcome) -> Result<(), Error> {
    use PowerOffOutcome as Outcome;
    let code = match outcome {
        Outcome::Done => return Ok(()),
        Outcome::InMaintenanceMode => ProblemCode::MachineInMaintenanceMode,
        Outcome::NoMachine => ProblemCode::NoAssignedMachine,
        Outcome::NotSupported => ProblemCode::ActionNotSupported,
        Outcome::InProgress => ProblemCode::OperationInProgress,
        Outcome::TimedOut => ProblemCode::OutcomeUnknown,
        Outcome::NotTrusted => ProblemCode::UpstreamNotTrusted,
        Outcome::ResourceNotFound => return Err(Error::NotFound),
        Outcome::ResourceDisabled => ProblemCode::ResourceDisabled,
        Outcome::Unreadable(error) => return Err(Error::UnreadablePowerOff(Arc::new(error))),
        Outcome::Unspecified { id } => {
            let code = ProblemCode::UpstreamUnspecified;
            return Err(Error::Store { store: store.name.clone(), code, id });
        }
    };
    Err(refused(store, code))
}

fn refused(store: &Store, code: ProblemCode) -> Error {
    Error::Store { store: store.name.clone(), code, id: None }
}

fn not_for_callers(store: &Store, sent: &str) -> Error {
    Error::Invalid {
        pointer: format!("/Cwsgate-Store-{sent}"),
        detail: format!(
            "store {} is asked with the gateway's own account; send neither a session nor a token",
            store.name
        ),
    }
}

/// What a handle is bound to. Neither name can hold the separator.
fn binding(app: &AppName, store: &StoreName) -> String {
    format!("{app}/{store}")
}

fn digest(handle: &SecretString) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    STANDARD_NO_PAD.encode(digest(&SHA256, handle.expose_secret().as_bytes()))
}

/// Most handles that are remembered as signed out.
const MAX_SIGNED_OUT: u64 = 100_000;

/// No handle is good for longer, whatever the store says, so that a signed-out one need not be
/// remembered longer.
const LONGEST_SESSION: Duration = Duration::from_hours(48);
