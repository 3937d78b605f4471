use std::time::Duration;

use http::StatusCode;
use tokio::time::sleep;

use super::{
    client::{Client, error, get},
    power::Accepted,
    wire,
};
use crate::{
    config::Customer,
    domain::{CallContext, SiteId},
    upstream::{Error, ErrorKind, call::Call, fault::clean, transport::power_refusal},
};

impl Client {
    /// Looks at a job until it ends (`GET /Jobs/{id}`), with the credential that started it, since
    /// no other can see it. When the deadline or the job's trail is lost, the outcome is unknown.
    pub(super) async fn follow(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        site: &SiteId,
        started_by: &Call,
        job_id: String,
    ) -> Result<Accepted, Error> {
        let look = get("daas.jobs.get", site).path("Jobs").object(&job_id);
        let unknown = || {
            let mut error = error(ErrorKind::OutcomeUnknown, started_by, customer);
            error.job_id = Some(job_id.clone());
            error.transaction_id = Some(ctx.transaction_id.to_string());
            error
        };
        let mut pause = self.job_poll_min;
        let mut failures = 0;
        loop {
            let left = ctx.remaining();
            if left < LAST_LOOK {
                return Err(unknown());
            }
            // Towards the end looks come closer together, so that none of the time is wasted.
            sleep(pause.min(left / 2)).await;
            pause = (pause * 2).min(self.job_poll_max);
            let job = match self.look(ctx, customer, &look).await {
                Ok(job) => job,
                Err(error) if is_passing(&error) && failures < MOST_FAILURES => {
                    failures += 1;
                    pause = pause.max(error.kind.retry_after().unwrap_or(Duration::ZERO));
                    continue;
                }
                Err(error) => return Err(unknown().caused_by(error)),
            };
            failures = 0;
            match end(&job, started_by) {
                End::NotYet => {}
                End::Accepted => return Ok(Accepted { job_id: Some(job_id) }),
                End::Refused(kind) => {
                    let mut error = unknown();
                    error.kind = kind;
                    error.code = job.error_code.as_deref().and_then(clean);
                    error.message = message(&job);
                    return Err(error);
                }
            }
        }
    }

    async fn look(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        call: &Call,
    ) -> Result<wire::Job, Error> {
        let reply = self.send(ctx, customer, call).await?;
        let job: wire::Job = reply.json()?;
        if job.status.is_none() {
            return Err(reply.malformed("a job without a status"));
        }
        Ok(job)
    }
}

/// Whether a job has ended, and how.
enum End {
    NotYet,
    Accepted,
    Refused(ErrorKind),
}

/// Statuses grow: an unknown one is no end and above all no success.
fn end(job: &wire::Job, started_by: &Call) -> End {
    match job.status.as_deref() {
        Some("Complete" | "CompleteWithWarning") => End::Accepted,
        Some("Failed" | "Canceled") => End::Refused(refusal(job, started_by)),
        // It ended, with an error that did not stop it: nobody can tell what was done.
        Some("NonTerminatingError") => End::Refused(ErrorKind::OutcomeUnknown),
        _ => End::NotYet,
    }
}

fn refusal(job: &wire::Job, started_by: &Call) -> ErrorKind {
    let code = job
        .error_code
        .as_deref()
        .or_else(|| job.sub_jobs.iter().find_map(|sub_job| sub_job.error_code.as_deref()));
    match code {
        Some("PowerActionsNotSupported" | "UnknownPowerAction") => ErrorKind::ActionNotSupported,
        Some("AccessDenied" | "PermissionDenied" | "UserNotAuthorized") => ErrorKind::Forbidden,
        Some("ObjectNotFound" | "UnknownMachine" | "UnknownSession") => ErrorKind::NotFound,
        code if started_by.is_power() => power_refusal(code, StatusCode::CONFLICT),
        _ => ErrorKind::Failed,
    }
}

/// Citrix's words about a job that failed: its own, those of a part of it, or those dug out of its
/// parameters.
pub(super) fn message(job: &wire::Job) -> Option<String> {
    let own = job.error_string.as_deref();
    let parts = job.sub_jobs.iter().filter_map(|part| part.error_string.as_deref());
    let details = job
        .error_parameters
        .iter()
        .filter(|parameter| parameter.name.as_deref() == Some("ErrorDetails"))
        .filter_map(|parameter| parameter.value.as_deref())
        .flat_map(str::lines)
        .filter_map(|line| {
            line.trim().strip_prefix("ErrorMessage")?.trim_start().strip_prefix(':')
        });
    own.into_iter().chain(parts).chain(details).find_map(clean)
}

/// Whether it is worth looking once more.
fn is_passing(error: &Error) -> bool {
    match error.kind {
        ErrorKind::Unavailable { .. }
        | ErrorKind::TimedOut
        | ErrorKind::Failed
        | ErrorKind::RateLimited { .. }
        | ErrorKind::Malformed
        | ErrorKind::TokenUnavailable { .. }
        | ErrorKind::Overloaded { .. } => true,
        ErrorKind::Forbidden
        | ErrorKind::RejectedCredentials
        | ErrorKind::NotFound
        | ErrorKind::ActionNotSupported
        | ErrorKind::InMaintenanceMode
        | ErrorKind::ActionInProgress
        | ErrorKind::Hibernated
        | ErrorKind::OutcomeUnknown
        | ErrorKind::Quarantined { .. }
        | ErrorKind::DeadlineExceeded
        | ErrorKind::SessionExpired
        | ErrorKind::SignInRefused
        | ErrorKind::NotConfigured
        | ErrorKind::RequestBody(_) => false,
    }
}

/// With less time than this, a look would hardly get an answer.
const LAST_LOOK: Duration = Duration::from_millis(50);

/// Looks in a row that may fail before the job's trail is lost.
const MOST_FAILURES: u32 = 5;
