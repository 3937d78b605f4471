use std::sync::Arc;

use crate::{
    config::Customer,
    domain::{
        CallContext, DeliveryGroup, Machine, MachineCatalog, Me, NameOrId, Page, PageRequest,
        PowerAction, Session, SessionAction, SessionId, SessionMessage, SiteId,
    },
    upstream::Error,
};

/// Asks Citrix DaaS.
#[derive(Clone, Debug)]
pub struct Client {}

/// Whose machines are listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MachineScope {
    /// Every machine of the site.
    All,
    /// Those of one machine catalog.
    Catalog(NameOrId),
    /// Those of one delivery group.
    Group(NameOrId),
}

/// A machine's name as people write it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MachineName {
    /// The part after `DOMAIN\`.
    Short(String),
    /// The fully qualified DNS name.
    Dns(String),
}

/// Citrix took the action; it is queued and not yet done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// The job that handed the action over, where there was one.
    pub job_id: Option<String>,
}

impl Client {
    /// Shows the administrator behind the credential, with customers and sites.
    pub async fn me(&self, ctx: &CallContext, customer: &Arc<Customer>) -> Result<Me, Error> {
        unimplemented!()
    }

    /// Lists machine catalogs.
    pub async fn machine_catalogs(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        page: &PageRequest,
    ) -> Result<Page<MachineCatalog>, Error> {
        unimplemented!()
    }

    /// Fetches one machine catalog.
    pub async fn machine_catalog(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &NameOrId,
    ) -> Result<MachineCatalog, Error> {
        unimplemented!()
    }

    /// Lists delivery groups.
    pub async fn delivery_groups(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        page: &PageRequest,
    ) -> Result<Page<DeliveryGroup>, Error> {
        unimplemented!()
    }

    /// Fetches one delivery group.
    pub async fn delivery_group(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &NameOrId,
    ) -> Result<DeliveryGroup, Error> {
        unimplemented!()
    }

    /// Lists machines.
    pub async fn machines(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        scope: &MachineScope,
        page: &PageRequest,
    ) -> Result<Page<Machine>, Error> {
        unimplemented!()
    }

    /// Fetches one machine.
    pub async fn machine(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &NameOrId,
    ) -> Result<Machine, Error> {
        unimplemented!()
    }

    /// Finds the machines of that name; more than one is possible across domains.
    pub async fn find_machines(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        name: &MachineName,
    ) -> Result<Vec<Machine>, Error> {
        unimplemented!()
    }

    /// Tells a machine what to do with its power.
    pub async fn power(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        machine_id: &str,
        action: PowerAction,
        force: bool,
    ) -> Result<Accepted, Error> {
        unimplemented!()
    }

    /// Puts a machine into maintenance mode or takes it out.
    pub async fn set_maintenance(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        machine_id: &str,
        on: bool,
    ) -> Result<(), Error> {
        unimplemented!()
    }

    /// Lists sessions.
    pub async fn sessions(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        page: &PageRequest,
    ) -> Result<Page<Session>, Error> {
        unimplemented!()
    }

    /// Fetches one session.
    pub async fn session(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &SessionId,
    ) -> Result<Session, Error> {
        unimplemented!()
    }

    /// Logs a session off, disconnects it, hides it or shows it again.
    pub async fn session_action(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &SessionId,
        action: SessionAction,
    ) -> Result<(), Error> {
        unimplemented!()
    }

    /// Shows a message box in a session.
    pub async fn send_message(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &SessionId,
        message: &SessionMessage,
    ) -> Result<(), Error> {
        unimplemented!()
    }
}
