//! One act on one target.

use std::{fmt, sync::Arc};

use super::Bulk;
use crate::{
    audit::{Event, Target},
    config::Customer,
    domain::{
        Action, CallContext, Machine, NameOrId, PowerAction, Session, SessionAction, SessionId,
        SessionMessage, SiteId,
    },
    services::{Error, core::require_reason},
};

/// One target, as it was found when the operation was planned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Aim {
    /// Our name of the customer.
    pub customer: String,
    /// Its site.
    pub site: SiteId,
    /// Citrix's id of the machine or session.
    pub id: String,
    /// Its name, where it has one.
    pub name: Option<String>,
}

/// What is done to a target.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Something with a machine's power.
    Power(PowerAction),
    /// A machine's maintenance mode, on or off.
    Maintenance(bool),
    /// The end of a session.
    Logoff,
    /// A message to the user of a session.
    Message(SessionMessage),
}

/// Citrix took it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Taken {
    /// Its job, where it made one.
    pub job_id: Option<String>,
}

/// Asked at the last moment before something is sent: does whoever sends it still own the work?
#[derive(Clone)]
pub struct Gate(Arc<dyn Fn() -> bool + Send + Sync>);

impl Gate {
    /// A gate that is open while this says so.
    pub fn new(open: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(open))
    }

    fn check(&self) -> Result<(), Error> {
        if (self.0)() { Ok(()) } else { Err(Error::Superseded) }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate(…)")
    }
}

impl Deed {
    /// What the caller must be granted.
    pub fn needs(&self) -> Action {
        match self {
            Self::Power(_) => Action::Power,
            Self::Maintenance(_) => Action::Maintain,
            Self::Logoff | Self::Message(_) => Action::Session,
        }
    }

    /// Doing it, for the record.
    fn event(&self, customer: &Customer, aim: &Aim) -> Event {
        let (action, kind) = match self {
            Self::Power(action) => (action.as_str(), "machine"),
            Self::Maintenance(true) => ("set-maintenance", "machine"),
            Self::Maintenance(false) => ("clear-maintenance", "machine"),
            Self::Logoff => (SessionAction::Logoff.as_str(), "session"),
            Self::Message(_) => ("send-message", "session"),
        };
        Event {
            action: action.into(),
            customer: Some(customer.name.clone()),
            site: Some(aim.site.to_string()),
            target: Some(Target { kind: kind.into(), id: aim.id.clone(), name: aim.name.clone() }),
            ..Event::default()
        }
    }
}

impl Bulk {
    /// The machine as it is now: for a look before something is sent to it, or at what became of
    /// what was. The policy is asked when something is sent.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn machine(&self, ctx: &CallContext, aim: &Aim) -> Result<Machine, Error> {
        let customer = self.customer(aim)?;
        let id = NameOrId::try_from(aim.id.as_str()).map_err(|_| Error::NotFound)?;
        Ok(self.core.upstream.daas.machine(ctx, &customer, &aim.site, &id).await?)
    }

    /// The session as it is now, in the same way.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn session(&self, ctx: &CallContext, aim: &Aim) -> Result<Session, Error> {
        let customer = self.customer(aim)?;
        let id = SessionId::try_from(aim.id.as_str()).map_err(|_| Error::NotFound)?;
        Ok(self.core.upstream.daas.session(ctx, &customer, &aim.site, &id).await?)
    }

    /// The API client that acts on this target: jobs are visible to nobody else.
    ///
    /// # Errors
    /// When the caller may not act on it; see [`Error`].
    pub fn credential(
        &self,
        ctx: &CallContext,
        action: Action,
        aim: &Aim,
    ) -> Result<String, Error> {
        Ok(self.authorize(ctx, action, aim)?.client_id.clone())
    }

    /// Does it. The target is taken as it is: whoever acts has looked at it before.
    ///
    /// # Errors
    /// [`Error::Superseded`] when the gate was shut and nothing was sent; see [`Error`] for the
    /// rest.
    pub async fn act(
        &self,
        ctx: &CallContext,
        aim: &Aim,
        deed: Deed,
        gate: Gate,
    ) -> Result<Taken, Error> {
        let customer = self.authorize(ctx, deed.needs(), aim)?;
        self.check_reason(ctx, deed.needs(), [aim])?;
        if matches!(deed, Deed::Power(_) | Deed::Maintenance(_)) {
            self.core.count_machine(ctx)?;
        }
        let event = deed.event(&customer, aim);
        let (core, own, aim) = (Arc::clone(&self.core), ctx.clone(), aim.clone());
        let work = async move {
            let (daas, site) = (&core.upstream.daas, &aim.site);
            gate.check()?;
            let _writing = core.cache.writing(&customer, Some(site));
            let session = || SessionId::try_from(aim.id.as_str()).map_err(|_| Error::NotFound);
            let job_id = match &deed {
                Deed::Power(action) => {
                    daas.power(&own, &customer, site, &aim.id, *action, false).await?.job_id
                }
                Deed::Maintenance(on) => {
                    daas.set_maintenance(&own, &customer, site, &aim.id, *on).await?;
                    None
                }
                Deed::Logoff => {
                    let action = SessionAction::Logoff;
                    daas.session_action(&own, &customer, site, &session()?, action).await?;
                    None
                }
                Deed::Message(message) => {
                    daas.send_message(&own, &customer, site, &session()?, message).await?;
                    None
                }
            };
            Ok(Taken { job_id })
        };
        self.core.act(ctx, event, work).await
    }

    /// Refuses changes without a reason (`ctx.reason`) where the grants want one.
    ///
    /// # Errors
    /// [`Error::Invalid`], pointing at the reason.
    pub fn check_reason<'a>(
        &self,
        ctx: &CallContext,
        action: Action,
        aims: impl IntoIterator<Item = &'a Aim>,
    ) -> Result<(), Error> {
        if ctx.reason.is_some() {
            return Ok(());
        }
        for aim in aims {
            let account = self.core.directory.find(&aim.customer).ok_or(Error::NotFound)?;
            let site = Some(aim.site.as_str());
            require_reason(ctx, || {
                self.core.policy.needs_reason(&ctx.principal, action, account.key(), site)
            })?;
        }
        Ok(())
    }

    /// Whose target it is.
    pub(super) fn customer(&self, aim: &Aim) -> Result<Arc<Customer>, Error> {
        let account = self.core.directory.find(&aim.customer).ok_or(Error::NotFound)?;
        Ok(Arc::clone(account.usable()?))
    }

    fn authorize(
        &self,
        ctx: &CallContext,
        action: Action,
        aim: &Aim,
    ) -> Result<Arc<Customer>, Error> {
        let (account, granted) = self.core.authorize(ctx, action, &aim.customer)?;
        if !granted.contains(aim.site.as_str()) {
            let on = format!("site {} of customer {:?}", aim.site, aim.customer);
            return Err(crate::auth::Denied::forbidden(&ctx.principal, action, on).into());
        }
        Ok(Arc::clone(account.usable()?))
    }
}
