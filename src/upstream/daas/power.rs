use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::client::Client;
use crate::{
    config::Customer,
    domain::{CallContext, PowerAction, SiteId},
    upstream::{Error, Service, call::Call},
};

/// Citrix took the action; it is queued and not yet done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// The job that handed the action over, where there was one.
    pub job_id: Option<String>,
}

/// What is done to machines.
impl Client {
    /// Tells a machine what to do with its power (`POST /Machines/{id}/$reboot` and its likes), as
    /// a job, because Citrix's edge cuts long calls while the work goes on. `force` counts for the
    /// actions that have a forced variant.
    pub async fn power(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        machine_id: &str,
        action: PowerAction,
        force: bool,
    ) -> Result<Accepted, Error> {
        let (operation, verb) = match action {
            PowerAction::Start => ("daas.machines.start", "$start"),
            PowerAction::Shutdown => ("daas.machines.shutdown", "$shutdown"),
            PowerAction::Reboot => ("daas.machines.reboot", "$reboot"),
            PowerAction::Suspend => ("daas.machines.suspend", "$suspend"),
            PowerAction::Resume => ("daas.machines.resume", "$resume"),
        };
        let call = Call::post(operation, Service::Daas)
            .power()
            .site(site)
            .path("Machines")
            .object(machine_id)
            .path(verb)
            .query("async", "true");
        let call = if force && action.can_be_forced() { call.query("force", "true") } else { call };
        self.act(ctx, customer, site, call).await
    }

    /// Puts a machine into maintenance mode or takes it out (`PATCH /Machines/{id}`).
    pub async fn set_maintenance(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        machine_id: &str,
        on: bool,
    ) -> Result<(), Error> {
        let call = Call::patch("daas.machines.set_maintenance", Service::Daas)
            .site(site)
            .path("Machines")
            .object(machine_id)
            .json(&json!({ "InMaintenanceMode": on }));
        self.act(ctx, customer, site, call).await.map(|_| ())
    }

    /// Sends a write and follows its job, if it started one. Success needs proof: 204, a JSON object
    /// with 200, or a job that ended well.
    pub(super) async fn act(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        site: &SiteId,
        call: Call,
    ) -> Result<Accepted, Error> {
        let reply = self.send(ctx, customer, &call).await?;
        match reply.status {
            StatusCode::NO_CONTENT => Ok(Accepted { job_id: None }),
            StatusCode::ACCEPTED => match reply.job_id() {
                Some(job_id) => self.follow(ctx, customer, site, &call, job_id).await,
                None => Err(reply.malformed("a job was started and not named")),
            },
            _ => {
                let object: Map<String, Value> = reply.json()?;
                if call.is_power() && !object.contains_key("Id") {
                    return Err(reply.malformed("the answer does not describe the machine"));
                }
                Ok(Accepted { job_id: None })
            }
        }
    }
}
