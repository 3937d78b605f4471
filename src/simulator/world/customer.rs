//! A customer and its one DaaS site.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::super::scenario::{Secret, ServiceStateSpec};
use super::{Job, Machine, MachineView, Session, SessionView};

/// One Citrix Cloud customer.
#[derive(Debug)]
pub(crate) struct Customer {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) display_name: String,
    /// Index of the region that serves it.
    pub(crate) region: usize,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) frozen: bool,
    pub(crate) locations: Vec<Location>,
    pub(crate) service_states: Vec<ServiceStateSpec>,
    /// Newest first, at most `MAX_NOTIFICATIONS`.
    pub(crate) notifications: VecDeque<Value>,
    pub(crate) site: Site,
    /// Ids and names of further sites, which sleep.
    pub(crate) sleeping_sites: Vec<(String, String)>,
}

/// An API client.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) client_id: String,
    pub(crate) secret: Secret,
}

/// A resource location.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Location {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) internal_only: bool,
    pub(crate) time_zone: String,
    pub(crate) read_only: bool,
}

/// A DaaS site. Machines keep their place for good, so an index names one.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) catalogs: Vec<Arc<Catalog>>,
    pub(crate) groups: Vec<Group>,
    pub(crate) machines: Vec<Arc<Machine>>,
    /// Machine index by id and by `DOMAIN\HOST`, in lower case.
    pub(crate) machine_index: HashMap<String, usize>,
    /// By uid, which is also the order of lists.
    pub(crate) sessions: BTreeMap<u32, Arc<Session>>,
    pub(crate) session_index: HashMap<String, u32>,
    pub(crate) next_session_uid: u32,
    pub(crate) jobs: HashMap<String, Job>,
    /// Job ids, oldest first.
    pub(crate) job_order: VecDeque<String>,
    /// What the kept results take, about.
    pub(crate) job_bytes: usize,
    /// When old jobs were last looked for, in simulated milliseconds.
    pub(crate) jobs_checked: i64,
}

/// A machine catalog.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) id: String,
    pub(crate) uid: u32,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) session_support: &'static str,
    pub(crate) allocation_type: &'static str,
    pub(crate) provisioning_type: &'static str,
    pub(crate) machine_type: &'static str,
    pub(crate) zone: String,
    pub(crate) zone_id: String,
}

/// A delivery group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) uid: u32,
    pub(crate) name: String,
    pub(crate) published_name: String,
    pub(crate) description: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) in_maintenance_mode: bool,
    pub(crate) session_support: &'static str,
}

impl Site {
    /// The index of a machine by id or by `DOMAIN\HOST`.
    pub(crate) fn machine_at(&self, id_or_name: &str) -> Option<usize> {
        self.machine_index.get(&id_or_name.to_lowercase()).copied()
    }

    /// A machine to be changed; readers keep what they hold.
    pub(crate) fn machine_mut(&mut self, at: usize) -> Option<&mut Machine> {
        self.machines.get_mut(at).map(Arc::make_mut)
    }

    pub(crate) fn view(&self, machine: &Arc<Machine>) -> MachineView {
        let sessions = machine.sessions.iter().filter_map(|uid| self.sessions.get(uid)).cloned();
        MachineView { machine: Arc::clone(machine), sessions: sessions.collect() }
    }

    pub(crate) fn view_at(&self, at: usize) -> Option<MachineView> {
        self.machines.get(at).map(|machine| self.view(machine))
    }

    pub(crate) fn session_view(&self, session: &Arc<Session>) -> SessionView {
        SessionView { session: Arc::clone(session), machine: self.view_at(session.machine) }
    }

    pub(crate) fn session(&self, id: &str) -> Option<&Arc<Session>> {
        let uid = self.session_index.get(&id.to_lowercase())?;
        self.sessions.get(uid)
    }

    pub(crate) fn session_mut(&mut self, uid: u32) -> Option<&mut Session> {
        self.sessions.get_mut(&uid).map(Arc::make_mut)
    }

    /// Puts a session on its machine; `uid` is given here.
    pub(crate) fn add_session(&mut self, mut session: Session) -> Option<Arc<Session>> {
        let uid = self.next_session_uid;
        let machine = self.machines.get_mut(session.machine).map(Arc::make_mut)?;
        machine.sessions.push(uid);
        self.next_session_uid = uid.wrapping_add(1);
        session.uid = uid;
        let session = Arc::new(session);
        self.session_index.insert(session.id.to_lowercase(), uid);
        self.sessions.insert(uid, Arc::clone(&session));
        Some(session)
    }

    /// Ends a session; true when it was there.
    pub(crate) fn remove_session(&mut self, uid: u32) -> bool {
        let Some(session) = self.sessions.remove(&uid) else { return false };
        self.session_index.remove(&session.id.to_lowercase());
        if let Some(machine) = self.machine_mut(session.machine) {
            machine.sessions.retain(|other| *other != uid);
        }
        true
    }

    /// Ends every session on a machine.
    pub(crate) fn end_sessions_on(&mut self, machine: usize) {
        let gone = self.machines.get(machine).map(|m| m.sessions.clone()).unwrap_or_default();
        for uid in gone {
            self.remove_session(uid);
        }
    }

    pub(crate) fn catalog(&self, id_or_name: &str) -> Option<&Arc<Catalog>> {
        let name = id_or_name.replace('|', "\\");
        self.catalogs.iter().find(|catalog| {
            catalog.id.eq_ignore_ascii_case(id_or_name) || same_text(&catalog.name, &name)
        })
    }

    pub(crate) fn group_at(&self, id_or_name: &str) -> Option<usize> {
        let name = id_or_name.replace('|', "\\");
        self.groups.iter().position(|group| {
            group.id.eq_ignore_ascii_case(id_or_name) || same_text(&group.name, &name)
        })
    }
}

/// Keeps a list at most `max` long by dropping its oldest (last) entries.
pub(crate) fn bounded_push<T>(list: &mut VecDeque<T>, item: T, max: usize) {
    list.push_front(item);
    list.truncate(max);
}

fn same_text(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}
