use std::sync::Arc;

use super::{
    Core, Error, Listing, Located, Paging, Scope, Wildcard, core::same_name, fanout::Query,
};
use crate::{
    audit::{Event, Target},
    config::Customer,
    domain::{Action, CallContext, Machine, NameOrId, PowerAction, SiteId},
    upstream::daas,
};

/// Machines: finding them, and acting on one.
#[derive(Clone, Debug)]
pub struct Machines {
    core: Arc<Core>,
}

/// Which machines of a site.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MachineScope {
    /// All of them.
    All,
    /// Those of one machine catalog.
    Catalog(NameOrId),
    /// Those of one delivery group.
    Group(NameOrId),
}

/// What machines must be like; everything that is set must hold. Words compare without case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MachineFilter {
    /// Exactly this power state.
    pub power_state: Option<String>,
    /// Exactly this registration state.
    pub registration_state: Option<String>,
    /// Exactly this fault state.
    pub fault_state: Option<String>,
    /// In maintenance mode or not.
    pub in_maintenance_mode: Option<bool>,
    /// Exactly this many sessions; a machine with an unknown count never matches.
    pub session_count: Option<u32>,
    /// Part of the name or DNS name.
    pub name: Option<String>,
    /// Part of the name of a user of the machine.
    pub user: Option<String>,
    /// A tag it has.
    pub tag: Option<String>,
}

/// One power action on one machine.
#[derive(Clone, Copy, Debug)]
pub struct PowerRequest {
    /// What to do.
    pub action: PowerAction,
    /// Whether to cut the power instead of asking the operating system.
    pub force: bool,
    /// What to do when somebody is using the machine.
    pub if_in_use: IfInUse,
}

/// What to do when somebody is, or may be, using a machine.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IfInUse {
    /// Nothing.
    #[default]
    Refuse,
    /// Act all the same.
    Proceed,
}

/// Citrix took a power action. It queues them: taken is not yet done.
#[derive(Clone, Debug)]
pub struct PowerOutcome {
    /// The machine as it was just before.
    pub machine: Located<Machine>,
    /// Citrix's job for the action, where it made one.
    pub job_id: Option<String>,
}

impl Machines {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The machines of the sites in scope.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn list(
        &self,
        ctx: &CallContext,
        scope: Scope,
        machines: MachineScope,
        filter: MachineFilter,
        paging: Paging,
    ) -> Result<Listing<Machine>, Error> {
        let machines = Arc::new(machines);
        let query = Query::of_sites(&self.core, move |core, ctx, customer, site, part| {
            let machines = Arc::clone(&machines);
            async move {
                let within = match machines.as_ref() {
                    MachineScope::All => daas::MachineScope::All,
                    MachineScope::Catalog(name) => daas::MachineScope::Catalog(
                        core.catalog_id(&ctx, &customer, &site, name).await?,
                    ),
                    MachineScope::Group(name) => daas::MachineScope::Group(
                        core.group_id(&ctx, &customer, &site, name).await?,
                    ),
                };
                core.machines(&ctx, &customer, &site, &within, &part).await
            }
        })
        .keeping(filter.into_test());
        Listing::begin(&self.core, ctx, scope, paging, query)
    }

    /// One machine.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(
        &self,
        ctx: &CallContext,
        customer: &str,
        site: &Wildcard<NameOrId>,
        machine: &NameOrId,
    ) -> Result<Located<Machine>, Error> {
        let (customer, site) = self.core.authorize_site(ctx, Action::Read, customer, site).await?;
        let found = self.core.machine(ctx, &customer, &site, machine).await?;
        Ok(Located::read(ctx, customer, Some(&site), found))
    }

    /// Tells one machine to do something with its power.
    ///
    /// # Errors
    /// [`Error::MachineInUse`] when users would or might be interrupted and the request does not
    /// accept that; see [`Error`] for the rest.
    pub async fn power(
        &self,
        ctx: &CallContext,
        customer: &str,
        site: &Wildcard<NameOrId>,
        machine: &NameOrId,
        request: PowerRequest,
    ) -> Result<PowerOutcome, Error> {
        let ctx = ctx.fresh();
        let (customer, site) =
            self.core.authorize_site(&ctx, Action::Power, customer, site).await?;
        // Read anew just before acting: an older answer could hide a user who has come since.
        let item = self.core.find_machine(&ctx, &customer, &site, machine).await?;
        request.check(&item)?;
        self.core.count_machine(&ctx)?;
        let event = change(request.action.as_str(), &customer, &site, &item);
        let (core, own) = (Arc::clone(&self.core), ctx.clone());
        let work = async move {
            let _writing = core.cache.writing(&customer, Some(&site));
            let PowerRequest { action, force, .. } = request;
            let daas = &core.upstream.daas;
            let taken = daas.power(&own, &customer, &site, &item.id, action, force).await?;
            let machine = Located { customer, site: Some(site.to_string()), item };
            Ok(PowerOutcome { machine, job_id: taken.job_id })
        };
        self.core.act(&ctx, event, work).await
    }

    /// Puts one machine into maintenance mode, or takes it out.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_maintenance(
        &self,
        ctx: &CallContext,
        customer: &str,
        site: &Wildcard<NameOrId>,
        machine: &NameOrId,
        on: bool,
    ) -> Result<Located<Machine>, Error> {
        let ctx = ctx.fresh();
        let action = Action::Maintain;
        let (customer, site) = self.core.authorize_site(&ctx, action, customer, site).await?;
        let mut item = self.core.find_machine(&ctx, &customer, &site, machine).await?;
        let name = if on { "set-maintenance" } else { "clear-maintenance" };
        self.core.count_machine(&ctx)?;
        let event = change(name, &customer, &site, &item);
        let (core, own) = (Arc::clone(&self.core), ctx.clone());
        let work = async move {
            let _writing = core.cache.writing(&customer, Some(&site));
            core.upstream.daas.set_maintenance(&own, &customer, &site, &item.id, on).await?;
            item.in_maintenance_mode = Some(on);
            Ok(Located { customer, site: Some(site.to_string()), item })
        };
        self.core.act(&ctx, event, work).await
    }
}

impl PowerRequest {
    /// Refuses to take a machine away from its users. An unknown count is not zero.
    fn check(self, machine: &Machine) -> Result<(), Error> {
        let idle = machine.session_count == Some(0);
        if idle || !self.action.interrupts_users() || self.if_in_use == IfInUse::Proceed {
            return Ok(());
        }
        Err(Error::MachineInUse {
            name: machine.name.clone().unwrap_or_else(|| machine.id.clone()),
            sessions: machine.session_count,
        })
    }
}

impl MachineFilter {
    /// The filter as a test, or `None` when it lets everything through.
    fn into_test(self) -> Option<super::fanout::Keep<Machine>> {
        if self == Self::default() {
            return None;
        }
        Some(Arc::new(move |machine| self.matches(machine)))
    }

    /// Whether the machine is like that.
    pub fn matches(&self, machine: &Machine) -> bool {
        let is = |wanted: &Option<String>, actual: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| {
                actual.as_deref().is_some_and(|actual| same_name(actual, wanted))
            })
        };
        is(&self.power_state, &machine.power_state)
            && is(&self.registration_state, &machine.registration_state)
            && is(&self.fault_state, &machine.fault_state)
            && self.in_maintenance_mode.is_none_or(|on| machine.in_maintenance_mode == Some(on))
            && self.session_count.is_none_or(|count| machine.session_count == Some(count))
            && self.name.as_deref().is_none_or(|part| name_contains(machine, part))
            && self.user.as_deref().is_none_or(|part| has_user(machine, part))
            && self.tag.as_deref().is_none_or(|tag| machine.tags.iter().any(|t| same_name(t, tag)))
    }
}

/// A change of a machine, for the record.
fn change(action: &'static str, customer: &Customer, site: &SiteId, machine: &Machine) -> Event {
    Event {
        action: action.into(),
        customer: Some(customer.name.clone()),
        site: Some(site.to_string()),
        target: Some(Target {
            kind: "machine".into(),
            id: machine.id.clone(),
            name: machine.name.clone(),
        }),
        ..Event::default()
    }
}

fn name_contains(machine: &Machine, part: &str) -> bool {
    // `DOMAIN|NAME` is how names stand in Citrix's paths, and people copy it from there.
    let part = part.to_lowercase().replace('|', "\\");
    [&machine.name, &machine.dns_name]
        .into_iter()
        .flatten()
        .any(|name| name.to_lowercase().contains(&part))
}

fn has_user(machine: &Machine, part: &str) -> bool {
    machine.assigned_users.iter().chain(&machine.associated_users).any(|user| user.matches(part))
}
