//! Asynchronous jobs: started by one credential, visible to it alone, gone after 48 hours.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::clock::{display, rfc3339};
use super::super::daas::SessionAction;
use super::{Event, PowerAction, World, fresh_id};

/// One job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) kind: String,
    /// The client id that started it.
    pub(crate) owner: String,
    pub(crate) status: Status,
    pub(crate) work: Work,
    pub(crate) parameters: Vec<(&'static str, String)>,
    pub(crate) result: JobResult,
    pub(crate) error: Option<(String, String)>,
    pub(crate) sub_jobs: Vec<Value>,
    pub(crate) created: i64,
    pub(crate) started: Option<i64>,
    pub(crate) ended: Option<i64>,
}

/// The states of a job that occur here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    NotStarted,
    InProgress,
    Complete,
    Failed,
    Canceled,
}

/// What a job does once it runs.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Nothing more: the result was worked out when the job was made.
    Done,
    Power {
        machine: usize,
        action: PowerAction,
    },
    Session {
        uid: u32,
        action: SessionAction,
    },
    AllSessions {
        machine: usize,
        action: SessionAction,
    },
    Maintenance {
        machine: usize,
        body: Value,
    },
}

/// What `/Jobs/{id}/Results` answers.
#[derive(Clone, Debug)]
pub(crate) enum JobResult {
    /// Nothing to show.
    None,
    /// JSON of this status and body.
    Body(u16, Bytes),
    /// The path of the affected object below `/cvad/manage`.
    Location(String),
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "NotStarted",
            Self::InProgress => "InProgress",
            Self::Complete => "Complete",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
        }
    }

    pub(crate) fn is_finished(self) -> bool {
        !matches!(self, Self::NotStarted | Self::InProgress)
    }
}

impl Job {
    /// What its result takes.
    pub(crate) fn result_bytes(&self) -> usize {
        match &self.result {
            JobResult::Body(_, body) => body.len(),
            JobResult::None | JobResult::Location(_) => 0,
        }
    }

    /// The job as DaaS shows it.
    pub(crate) fn to_json(&self) -> Value {
        let parameters: Vec<Value> = self
            .parameters
            .iter()
            .map(|(name, value)| json!({ "Name": name, "Value": value }))
            .collect();
        let percent = match self.status {
            Status::NotStarted => 0,
            Status::InProgress => 50,
            Status::Complete | Status::Failed | Status::Canceled => 100,
        };
        let mut shown = json!({
            "Id": self.id,
            "Type": self.kind,
            "OverallProgressPercent": percent,
            "IsCancellable": self.status == Status::NotStarted,
            "Parameters": parameters,
            "SubJobs": self.sub_jobs,
            "Status": self.status.as_str(),
            "ResultLocation": null,
            "ErrorString": null,
            "CreationTime": display(self.created),
            "FormattedCreationTime": rfc3339(self.created),
            "StartTime": self.started.map(display),
            "FormattedStartTime": self.started.map(rfc3339),
            "EndTime": self.ended.map(display),
            "FormattedEndTime": self.ended.map(rfc3339),
        });
        if let Some((code, message)) = &self.error {
            shown["ErrorString"] = json!(message);
            shown["ErrorCode"] = json!(code);
            shown["ErrorParameters"] = json!([{
                "Name": "ErrorDetails",
                "Value": format!("ErrorId : {code}\r\nErrorMessage : {message}\r\nErrorType : BrokerException\r\n"),
            }]);
        }
        shown
    }
}

impl World {
    /// Makes a job for `owner` and returns its id.
    pub(crate) fn start_job(
        &mut self,
        customer: usize,
        owner: &str,
        kind: &str,
        work: Work,
        parameters: Vec<(&'static str, String)>,
        result: JobResult,
    ) -> String {
        let now = self.now();
        let id = fresh_id();
        let job = Job {
            id: id.clone(),
            kind: kind.to_owned(),
            owner: owner.to_owned(),
            status: Status::NotStarted,
            work,
            parameters,
            result,
            error: None,
            sub_jobs: Vec::new(),
            created: now,
            started: None,
            ended: None,
        };
        let start = i64::from(self.settings.job_start_ms);
        let end = start + i64::from(self.settings.job_ms);
        self.schedule(now, start, Event::Job { customer, id: id.clone(), to: Status::InProgress });
        self.schedule(now, end, Event::Job { customer, id: id.clone(), to: Status::Complete });
        if let Some(customer) = self.customers.get_mut(customer) {
            let site = &mut customer.site;
            site.job_bytes += job.result_bytes();
            site.job_order.push_back(id.clone());
            site.jobs.insert(id.clone(), job);
            while (site.job_order.len() > MAX_JOBS || site.job_bytes > MAX_RESULT_BYTES)
                && site.job_order.len() > 1
                && let Some(oldest) = site.job_order.pop_front()
            {
                let gone = site.jobs.remove(&oldest);
                let freed = gone.map_or(0, |job| job.result_bytes());
                site.job_bytes = site.job_bytes.saturating_sub(freed);
            }
        }
        id
    }

    /// Drops finished jobs older than 48 hours.
    pub(crate) fn expire_jobs(&mut self, customer: usize) {
        let now = self.now();
        let Some(customer) = self.customers.get_mut(customer) else { return };
        let site = &mut customer.site;
        if now < site.jobs_checked + JOB_CHECK_MS {
            return;
        }
        site.jobs_checked = now;
        site.jobs.retain(|_, job| job.ended.is_none_or(|ended| now < ended + JOB_LIFE_MS));
        let jobs = &site.jobs;
        site.job_order.retain(|id| jobs.contains_key(id));
        site.job_bytes = jobs.values().map(Job::result_bytes).sum();
    }

    pub(super) fn job_step(&mut self, customer: usize, id: &str, to: Status, now: i64) {
        let Some(job) = self.job_mut(customer, id).filter(|job| !job.status.is_finished()) else {
            return;
        };
        if to != Status::InProgress {
            job.status = to;
            job.ended = Some(now);
            return;
        }
        job.status = Status::InProgress;
        job.started = Some(now);
        let outcome = match job.work.clone() {
            Work::Done => Ok(()),
            Work::Power { machine, action } => self
                .power(customer, machine, action, now)
                .map_err(|refused| (refused.code, refused.message)),
            Work::Session { uid, action } => self.session_action(customer, uid, action, now),
            Work::AllSessions { machine, action } => {
                self.all_sessions(customer, machine, action, now);
                Ok(())
            }
            Work::Maintenance { machine, body } => {
                self.update_machine(customer, machine, &body);
                Ok(())
            }
        };
        if let (Err(error), Some(job)) = (outcome, self.job_mut(customer, id)) {
            job.status = Status::Failed;
            job.error = Some(error);
            job.ended = Some(now);
        }
    }

    /// Does one session action on every session of a machine.
    pub(crate) fn all_sessions(
        &mut self,
        customer: usize,
        machine: usize,
        action: SessionAction,
        now: i64,
    ) {
        let site = self.customers.get(customer).map(|customer| &customer.site);
        let sessions = site.and_then(|site| site.machines.get(machine)).map(|m| m.sessions.clone());
        for uid in sessions.unwrap_or_default() {
            // A session that went in the meantime needs nothing.
            let _gone = self.session_action(customer, uid, action, now);
        }
    }

    fn job_mut(&mut self, customer: usize, id: &str) -> Option<&mut Job> {
        self.customers.get_mut(customer)?.site.jobs.get_mut(id)
    }
}

const MAX_JOBS: usize = 10_000;
const MAX_RESULT_BYTES: usize = 64 * 1024 * 1024;
/// How often finished jobs are looked through, in simulated time.
const JOB_CHECK_MS: i64 = 60_000;
const JOB_LIFE_MS: i64 = 48 * 3_600_000;
