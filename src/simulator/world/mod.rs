//! Everything that changes: customers, their sites, tokens, time.
//!
//! Nothing here waits or knows HTTP. Work that takes time is an event on the simulated clock, and
//! [`World::tick`] runs whatever is due before anybody looks.

mod build;
mod customer;
mod events;
mod jobs;
mod machine;
mod power;
mod tokens;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) use build::{domain_of, session};
pub(super) use customer::{Catalog, Credential, Customer, Group, Location, Site, bounded_push};
pub(super) use events::Event;
pub(super) use jobs::{Job, JobResult, Status, Work};
pub(super) use machine::{Count, GroupRef, Machine, Session};
pub(super) use power::{PowerAction, PowerRefused, SUPPORTS_ALL};
pub(super) use tokens::Caller;
use tokens::Token;

use super::clock::Clock;
use super::faults::Faults;
use super::log::RequestLog;
use super::settings::{Settings, Transitions};
use super::storefront::StoreHost;
use super::{Scenario, ids};

/// The whole simulated cloud.
#[derive(Debug)]
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) regions: Vec<RegionInfo>,
    pub(super) customers: Vec<Customer>,
    pub(super) faults: Faults,
    pub(super) log: RequestLog,
    /// The server of the stores, apart from every customer.
    pub(super) storefront: StoreHost,
    /// Customer index by id and by short name, in lower case.
    by_name: HashMap<String, usize>,
    tokens: HashMap<String, Token>,
    events: BTreeMap<(i64, u64), Event>,
    next_event: u64,
}

/// A region as the services see it.
#[derive(Clone, Debug)]
pub(super) struct RegionInfo {
    pub(super) name: String,
    pub(super) cloud: String,
    /// `http://host:port`
    pub(super) url: String,
    pub(super) mode: Mode,
}

/// How a region answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Mode {
    #[default]
    Up,
    /// Its socket is closed.
    Refuse,
    /// The edge answers 503.
    Unavailable,
    /// Connections are taken and nothing is answered.
    Hang,
}

impl World {
    pub(super) fn new(
        scenario: &Scenario,
        regions: Vec<RegionInfo>,
        clock: Clock,
        settings: Settings,
    ) -> Self {
        let customers = build::customers(scenario, &regions, clock.now_ms());
        let mut by_name = HashMap::new();
        for (index, customer) in customers.iter().enumerate() {
            by_name.insert(customer.name.to_lowercase(), index);
            by_name.insert(customer.id.to_lowercase(), index);
        }
        Self {
            clock,
            settings,
            regions,
            customers,
            faults: Faults::default(),
            log: RequestLog::default(),
            storefront: StoreHost::of(scenario),
            by_name,
            tokens: HashMap::new(),
            events: BTreeMap::new(),
            next_event: 0,
        }
    }

    /// Simulated milliseconds since the Unix epoch.
    pub(super) fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The customer with this id or short name.
    pub(super) fn customer_index(&self, id_or_name: &str) -> Option<usize> {
        self.by_name.get(&id_or_name.to_lowercase()).copied()
    }

    /// The customer that owns an API client.
    pub(super) fn owner_of_client(&self, client_id: &str) -> Option<usize> {
        let owns = |customer: &Customer| {
            customer.credentials.iter().any(|known| known.client_id.eq_ignore_ascii_case(client_id))
        };
        self.customers.iter().position(owns)
    }

    /// Runs the events that are due, unless transitions are explicit.
    pub(super) fn tick(&mut self) {
        if self.settings.transitions == Transitions::Explicit {
            return;
        }
        let now = self.now();
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((at, _), event) = entry.remove_entry();
            self.run(event, at);
        }
    }

    /// Runs the next `count` events whatever the clock says; returns how many there were.
    pub(super) fn step(&mut self, count: usize) -> usize {
        let now = self.now();
        let mut done = 0;
        while done < count
            && let Some((_, event)) = self.events.pop_first()
        {
            self.run(event, now);
            done += 1;
        }
        done
    }

    pub(super) fn pending_events(&self) -> usize {
        self.events.len()
    }

    /// Lets `event` happen `after_ms` from `from`.
    pub(super) fn schedule(&mut self, from: i64, after_ms: i64, event: Event) {
        self.next_event += 1;
        self.events.insert((from.saturating_add(after_ms), self.next_event), event);
    }
}

/// A machine and the session that its session properties speak of.
#[derive(Clone, Debug)]
pub(super) struct MachineView {
    pub(super) machine: Arc<Machine>,
    pub(super) sessions: Vec<Arc<Session>>,
}

/// A session, its machine and everything else on that machine.
#[derive(Clone, Debug)]
pub(super) struct SessionView {
    pub(super) session: Arc<Session>,
    pub(super) machine: Option<MachineView>,
}

/// A fresh id for a job or session.
pub(super) fn fresh_id() -> String {
    ids::fresh()
}
