use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    Core, Error, Listing, Located, Paging, Scope, Wildcard,
    core::same_name,
    fanout::{Keep, Query},
};
use crate::{
    audit::{Event, Target},
    config::Customer,
    domain::{
        Action, CallContext, NameOrId, Session, SessionAction, SessionId, SessionMessage, SiteId,
    },
};

/// Sessions: finding them, and acting on one.
#[derive(Clone, Debug)]
pub struct Sessions {
    core: Arc<Core>,
}

/// What sessions must be like; everything that is set must hold. Words compare without case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SessionFilter {
    /// Part of the user's name, user principal name or display name.
    pub user: Option<String>,
    /// Exactly this state.
    pub state: Option<String>,
    /// The machine by id, or part of its name.
    pub machine: Option<String>,
    /// Disconnected for at least this long.
    pub disconnected_for: Option<Duration>,
}

/// What became of a log-off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogoffOutcome {
    /// The session is gone.
    Gone,
    /// Citrix took it; the session is still there.
    Going,
}

impl Sessions {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The sessions of the sites in scope.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn list(
        &self,
        ctx: &CallContext,
        scope: Scope,
        filter: SessionFilter,
        paging: Paging,
    ) -> Result<Listing<Session>, Error> {
        let query = Query::of_sites(&self.core, |core, ctx, customer, site, part| async move {
            core.sessions(&ctx, &customer, &site, &part).await
        })
        .keeping(filter.into_test(self.core.now()));
        Listing::begin(&self.core, ctx, scope, paging, query)
    }

    /// One session.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(
        &self,
        ctx: &CallContext,
        customer: &str,
        site: &Wildcard<NameOrId>,
        session: &SessionId,
    ) -> Result<Located<Session>, Error> {
        let (customer, site) = self.core.authorize_site(ctx, Action::Read, customer, site).await?;
        let found = self.core.session(ctx, &customer, &site, session).await?;
        Ok(Located::read(ctx, customer, Some(&site), found))
    }

    /// Ends a session, and looks whether it is gone.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn log_off(
        &self,
        ctx: &CallContext,
        customer: &str,
        site: &Wildcard<NameOrId>,
        session: &SessionId,
    ) -> Result<LogoffOutcome, Error> {
        let ctx = ctx.fresh();
        let (customer, site) =
            self.core.authorize_site(&ctx, Action::Session, customer, site).await?;
        let action = SessionAction::Logoff;
        let event = change(action.as_str(), &customer, &site, session);
        let (core, own, session) = (Arc::clone(&self.core), ctx.clone(), session.clone());
        let work = async move {
            let _writing = core.cache.writing(&customer, Some(&site));
            let daas = &core.upstream.daas;
            daas.session_action(&own, &customer, &site, &session, action).await?;
            match daas.session(&own, &customer, &site, &session).await.map_err(Error::from) {
                Err(Error::NotFound) => Ok(LogoffOutcome::Gone),
                // Citrix took the log-off; that it cannot be seen to end changes nothing of that.
                Ok(_) | Err(_) => Ok(LogoffOutcome::Going),
            }
        };
        self.core.act(&ctx, event, work).await
    }

    /// Disconnects, hides or unhides a session.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn act(
        &self,
        ctx: &CallContext,
        customer: &str,
        site: &Wildcard<NameOrId>,
        session: &SessionId,
        action: SessionAction,
    ) -> Result<(), Error> {
        let ctx = ctx.fresh();
        let (customer, site) =
            self.core.authorize_site(&ctx, Action::Session, customer, site).await?;
        let event = change(action.as_str(), &customer, &site, session);
        let (core, own, session) = (Arc::clone(&self.core), ctx.clone(), session.clone());
        let work = async move {
            let _writing = core.cache.writing(&customer, Some(&site));
            let daas = &core.upstream.daas;
            Ok(daas.session_action(&own, &customer, &site, &session, action).await?)
        };
        self.core.act(&ctx, event, work).await
    }

    /// Shows a message to the user of a session.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send_message(
        &self,
        ctx: &CallContext,
        customer: &str,
        site: &Wildcard<NameOrId>,
        session: &SessionId,
        message: SessionMessage,
    ) -> Result<(), Error> {
        let ctx = ctx.fresh();
        let (customer, site) =
            self.core.authorize_site(&ctx, Action::Session, customer, site).await?;
        let event = change("send-message", &customer, &site, session);
        let (core, own, session) = (Arc::clone(&self.core), ctx.clone(), session.clone());
        let work = async move {
            let _writing = core.cache.writing(&customer, Some(&site));
            let daas = &core.upstream.daas;
            Ok(daas.send_message(&own, &customer, &site, &session, &message).await?)
        };
        self.core.act(&ctx, event, work).await
    }
}

/// A change of a session, for the record.
fn change(action: &'static str, customer: &Customer, site: &SiteId, session: &SessionId) -> Event {
    Event {
        action: action.into(),
        customer: Some(customer.name.clone()),
        site: Some(site.to_string()),
        target: Some(Target { kind: "session".into(), id: session.to_string(), name: None }),
        ..Event::default()
    }
}

impl SessionFilter {
    fn into_test(self, now: Timestamp) -> Option<Keep<Session>> {
        if self == Self::default() {
            return None;
        }
        Some(Arc::new(move |session| self.matches(session, now)))
    }

    /// Whether the session is like that at this time.
    pub fn matches(&self, session: &Session, now: Timestamp) -> bool {
        let is_state =
            |wanted: &str| session.state.as_deref().is_some_and(|state| same_name(state, wanted));
        let on_machine = |wanted: &str| {
            let wanted = wanted.to_lowercase().replace('|', "\\");
            session.machine.as_ref().is_some_and(|machine| {
                machine.id.as_deref().is_some_and(|id| same_name(id, &wanted))
                    || machine.name.as_deref().is_some_and(|n| n.to_lowercase().contains(&wanted))
            })
        };
        let long_gone =
            |at_least: Duration| session.disconnected_for(now).is_some_and(|gone| gone >= at_least);
        self.user
            .as_deref()
            .is_none_or(|part| session.user.as_ref().is_some_and(|user| user.matches(part)))
            && self.state.as_deref().is_none_or(is_state)
            && self.machine.as_deref().is_none_or(on_machine)
            && self.disconnected_for.is_none_or(long_gone)
    }
}
