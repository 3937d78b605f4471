//! What happens later.

use super::super::storefront::Power;
use super::power::Step;
use super::{Status, World};

/// Something that will happen at a point of simulated time.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A machine enters its next state.
    Machine { customer: usize, machine: usize, run: u32, step: Step, last: bool },
    /// A session that was logged off is gone.
    SessionGone { customer: usize, uid: u32 },
    /// A job enters its next state.
    Job { customer: usize, id: String, to: Status },
    /// A frozen site is awake.
    Thaw { customer: usize },
    /// The machine of a store's resource has arrived in a state.
    StoreMachine { store: usize, resource: usize, run: u32, to: Power },
}

impl World {
    pub(super) fn run(&mut self, event: Event, now: i64) {
        match event {
            Event::Machine { customer, machine, run, step, last } => {
                self.machine_step(customer, machine, run, (step, last), now);
            }
            Event::SessionGone { customer, uid } => {
                if let Some(customer) = self.customers.get_mut(customer) {
                    customer.site.remove_session(uid);
                }
            }
            Event::Job { customer, id, to } => self.job_step(customer, &id, to, now),
            Event::StoreMachine { store, resource, run, to } => {
                self.store_machine_step(store, resource, run, to);
            }
            Event::Thaw { customer } => {
                if let Some(customer) = self.customers.get_mut(customer) {
                    customer.frozen = false;
                }
            }
        }
    }

    /// Begins to log a session off; one that ignores it stays.
    pub(crate) fn log_off(&mut self, customer: usize, uid: u32, now: i64) {
        let after = i64::from(self.settings.logoff_ms);
        let Some(session) = self.customers.get_mut(customer).and_then(|c| c.site.session_mut(uid))
        else {
            return;
        };
        let begins = !session.logoff_in_progress;
        session.logoff_in_progress = true;
        if session.goes_when_logged_off() && begins {
            self.schedule(now, after, Event::SessionGone { customer, uid });
        } else if !session.goes_when_logged_off() {
            // The log-off hangs; a later one may be tried again.
            session.logoff_in_progress = false;
        }
    }
}
