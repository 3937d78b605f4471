//! Jobs, which only the credential that started them can see.

use serde_json::Value;

use super::super::errors::{self, Parameters};
use super::super::http::Reply;
use super::super::world::{Job, JobResult, Status, World};
use super::{Call, list, method_not_allowed};

pub(super) fn answer(world: &mut World, call: &Call<'_>, lower: &[&str]) -> Reply {
    let owner = call.caller.client_id.as_str();
    let address = call.address(&call.site(world).id);
    let now = world.now();
    let site = &mut world.customers[call.customer].site;
    if let (["jobs"], "GET") = (lower, call.method()) {
        let own = site.job_order.iter().filter_map(|id| site.jobs.get(id));
        let shown: Vec<Value> = own.filter(|job| job.owner == owner).map(Job::to_json).collect();
        return list::whole(&shown);
    }
    let Some(id) = lower.get(1) else { return method_not_allowed() };
    let Some(job) = site.jobs.get_mut(*id).filter(|job| job.owner == owner) else {
        return errors::daas_not_found("Job", id);
    };
    match (call.method(), lower.get(2..).unwrap_or_default()) {
        ("GET", []) => Reply::json(200, &job.to_json()),
        ("DELETE", []) if job.status.is_finished() => {
            let (id, freed) = (job.id.clone(), job.result_bytes());
            site.job_bytes = site.job_bytes.saturating_sub(freed);
            site.jobs.remove(&id);
            site.job_order.retain(|known| *known != id);
            Reply::empty(204)
        }
        ("DELETE", []) => conflict("The job has not finished."),
        ("GET", ["results"]) => results(job, &address),
        ("POST", ["$cancel"]) if job.status.is_finished() => Reply::json(200, &job.to_json()),
        ("POST", ["$cancel"]) if job.status == Status::NotStarted => {
            job.status = Status::Canceled;
            job.ended = Some(now);
            Reply::json(200, &job.to_json())
        }
        ("POST", ["$cancel"]) => conflict("The job cannot be cancelled."),
        ("POST", ["$skipremaining"]) => {
            let detail = "This job cannot skip anything.";
            errors::guideline(501, "common/notImplemented", detail, &[], Parameters::Array)
        }
        _ => method_not_allowed(),
    }
}

fn results(job: &Job, address: &str) -> Reply {
    match (&job.result, job.status) {
        (_, Status::NotStarted | Status::InProgress) => conflict("The job has not finished."),
        (_, Status::Failed) => {
            let (code, message) = job.error.clone().unwrap_or_default();
            errors::daas(400, &code, &message)
        }
        (JobResult::Body(status, body), _) => {
            Reply::empty(*status).typed("application/json; charset=utf-8", body.clone())
        }
        (JobResult::Location(path), _) => {
            Reply::empty(303).header("location", format!("{address}/{path}"))
        }
        (JobResult::None, _) => Reply::empty(204),
    }
}

fn conflict(message: &str) -> Reply {
    errors::daas(409, "InvalidOperation", message)
}
