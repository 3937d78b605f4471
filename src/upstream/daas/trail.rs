//! What became of work whose answer was lost: jobs tell, to the credential that started them.

use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;

use super::{
    client::{Client, get},
    jobs::message,
    wire,
};
use crate::{
    config::Customer,
    domain::{CallContext, PowerAction, SiteId},
    upstream::{Error, ErrorKind},
};

/// A job, looked at afterwards.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobTrail {
    /// Its id.
    pub id: String,
    /// How it ended.
    pub end: JobEnd,
    /// Citrix's words about a failure.
    pub message: Option<String>,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JobEnd {
    /// Not yet.
    NotYet,
    /// Citrix took what it was for.
    Complete,
    /// Citrix did not.
    Failed,
    /// It ended, and nobody can tell what was done.
    Unclear,
}

impl Client {
    /// One job (`GET /Jobs/{id}`); `None` once Citrix has forgotten it, after 48 hours.
    pub async fn job_trail(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &str,
    ) -> Result<Option<JobTrail>, Error> {
        let look = get("daas.jobs.get", site).path("Jobs").object(id);
        let reply = match self.send(ctx, customer, &look).await {
            Ok(reply) => reply,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let job: wire::Job = reply.json()?;
        Ok(Some(trail(&job, id.to_owned())))
    }

    /// The credential's own job for a power action on a machine, begun at `earliest` or later
    /// (`GET /Jobs`).
    pub async fn power_trail(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        machine_id: &str,
        action: PowerAction,
        earliest: Timestamp,
    ) -> Result<Option<JobTrail>, Error> {
        let reply = self.send(ctx, customer, &get("daas.jobs.list", site).path("Jobs")).await?;
        if reply.status == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let list: wire::List<wire::Job> = reply.json()?;
        let kind = match action {
            PowerAction::Start => "StartMachines",
            PowerAction::Shutdown => "ShutDownMachines",
            PowerAction::Reboot => "RebootMachines",
            PowerAction::Suspend => "SuspendMachines",
            PowerAction::Resume => "ResumeMachines",
        };
        let is_meant = |job: &wire::Job| {
            let about = |parameter: &wire::Parameter| {
                parameter.name.as_deref() == Some("Id")
                    && parameter
                        .value
                        .as_deref()
                        .is_some_and(|v| v.eq_ignore_ascii_case(machine_id))
            };
            job.kind.as_deref() == Some(kind)
                && job.formatted_creation_time.is_some_and(|created| created >= earliest)
                && job.parameters.iter().any(about)
        };
        let found = list.items.into_iter().find(is_meant);
        Ok(found.and_then(|mut job| job.id.take().map(|id| trail(&job, id))))
    }
}

fn trail(job: &wire::Job, id: String) -> JobTrail {
    let end = match job.status.as_deref() {
        Some("Complete" | "CompleteWithWarning") => JobEnd::Complete,
        Some("Failed" | "Canceled") => JobEnd::Failed,
        Some("NonTerminatingError") => JobEnd::Unclear,
        _ => JobEnd::NotYet,
    };
    JobTrail { id, end, message: message(job) }
}
