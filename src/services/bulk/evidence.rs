//! What can be known afterwards of an act whose answer was lost.

use jiff::{SignedDuration, Timestamp};

use super::{Aim, Bulk, Deed};
use crate::{
    domain::{CallContext, Machine, PowerAction},
    services::Error,
    upstream::daas::{JobEnd, JobTrail},
};

/// What speaks for or against an act having happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Evidence {
    /// Citrix took it.
    Happened {
        /// What shows it, in a sentence.
        because: String,
        /// The job, where there was one.
        job_id: Option<String>,
    },
    /// Citrix refused it.
    Refused {
        /// What shows it, in Citrix's own words where it has any.
        because: String,
        /// The job, where there was one.
        job_id: Option<String>,
    },
    /// Nothing can be said, or not yet.
    None,
}

impl Bulk {
    /// Looks for evidence: in the jobs of the API client that acted, then in the state of the
    /// target itself.
    ///
    /// What was sent is looked up even if the caller might not send it any more.
    ///
    /// # Errors
    /// When the customer is gone, or Citrix does not answer.
    pub async fn evidence(
        &self,
        ctx: &CallContext,
        aim: &Aim,
        deed: &Deed,
        sent: &Sent<'_>,
    ) -> Result<Evidence, Error> {
        let customer = self.customer(aim)?;
        if sent.credential == Some(customer.client_id.as_str())
            && let Deed::Power(action) = deed
        {
            let daas = &self.core.upstream.daas;
            let trails = if let Some(id) = sent.job_id {
                daas.job_trail(ctx, &customer, &aim.site, id).await?
            } else {
                // Clocks differ, and Citrix writes whole seconds.
                let earliest = sent.since - SKEW;
                daas.power_trail(ctx, &customer, &aim.site, &aim.id, *action, earliest).await?
            };
            if let Some(evidence) = trails.map(of_job) {
                return Ok(evidence);
            }
        }
        self.of_target(ctx, aim, deed, sent.since).await
    }

    async fn of_target(
        &self,
        ctx: &CallContext,
        aim: &Aim,
        deed: &Deed,
        since: Timestamp,
    ) -> Result<Evidence, Error> {
        let shown = match deed {
            Deed::Power(action) => went_through(*action, &self.machine(ctx, aim).await?, since),
            Deed::Maintenance(on) => {
                let machine = self.machine(ctx, aim).await?;
                (machine.in_maintenance_mode == Some(*on)).then(|| {
                    let word = if *on { "in" } else { "not in" };
                    format!("the machine is {word} maintenance mode")
                })
            }
            Deed::Logoff => match self.session(ctx, aim).await {
                Err(Error::NotFound) => Some("the session is gone".to_owned()),
                Ok(session) => (session.logoff_in_progress == Some(true))
                    .then(|| "the session is being logged off".to_owned()),
                Err(error) => return Err(error),
            },
            // A message leaves no trace.
            Deed::Message(_) => None,
        };
        Ok(shown.map_or(Evidence::None, |because| Evidence::Happened { because, job_id: None }))
    }
}

/// What is known of how an act was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The API client that sent it.
    pub credential: Option<&'a str>,
    /// The job it started, if that became known.
    pub job_id: Option<&'a str>,
    /// Just before it was sent.
    pub since: Timestamp,
}

fn of_job(trail: JobTrail) -> Evidence {
    let JobTrail { id, end, message } = trail;
    let job_id = Some(id.clone());
    match end {
        JobEnd::Complete => Evidence::Happened { because: format!("job {id} is complete"), job_id },
        JobEnd::Failed => Evidence::Refused {
            because: message.unwrap_or_else(|| format!("job {id} failed")),
            job_id,
        },
        JobEnd::NotYet | JobEnd::Unclear => Evidence::None,
    }
}

/// What a machine shows of having gone through a power action since.
fn went_through(action: PowerAction, machine: &Machine, since: Timestamp) -> Option<String> {
    let state = machine.power_state.as_deref().unwrap_or_default();
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(state));
    let seen = match action {
        PowerAction::Start | PowerAction::Resume => is(&["On", "TurningOn", "Resuming"]),
        PowerAction::Shutdown => is(&["Off", "TurningOff"]),
        PowerAction::Suspend => is(&["Suspended", "Suspending"]),
        PowerAction::Reboot => {
            let left = machine.last_deregistration_time.filter(|left| *left > since);
            if let Some(left) = left {
                return Some(format!("the machine left its registration at {left}"));
            }
            is(&["TurningOff", "Off", "TurningOn"])
        }
    };
    seen.then(|| format!("the machine's power state is {state}"))
}

const SKEW: SignedDuration = SignedDuration::from_secs(5);
