//! From a scenario to stores.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::super::scenario::{Scenario, StoreResourceSpec, StoreSpec, StoreUserSpec};
use super::host::{Counts, Store, StoreHost, User};
use super::resource::{Machine, Resource};

impl StoreHost {
    /// The stores as they begin.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        Self { stores: scenario.stores.iter().map(store).collect(), ..Self::default() }
    }
}

fn store(spec: &StoreSpec) -> Store {
    Store {
        name: spec.name.clone(),
        path: spec.path.clone(),
        auth_path: spec.auth_path.clone(),
        methods: spec.methods.clone(),
        domain_field: spec.domain_field,
        state_context: spec.state_context.clone(),
        capabilities: spec.capabilities,
        trusted: spec.trusted,
        primary_token_seconds: spec.primary_token_seconds,
        service_token_seconds: spec.service_token_seconds,
        users: spec.users.iter().map(user).collect(),
        resources: spec.resources.iter().map(resource).collect(),
        farms_down: BTreeSet::new(),
        dead_location_first: false,
        rejections: VecDeque::new(),
        conversations: HashMap::new(),
        subscriptions: BTreeSet::new(),
        counts: Counts::default(),
    }
}

fn user(spec: &StoreUserSpec) -> User {
    User {
        name: spec.name.clone(),
        password: spec.password.clone(),
        password_version: 0,
        password_expired: spec.password_expired,
        password_expires_soon: spec.password_expires_soon,
        locked: spec.locked,
        locks_after: spec.locks_after,
        wrong_passwords: 0,
        sign_ins: 0,
    }
}

fn resource(spec: &StoreResourceSpec) -> Resource {
    let machine = spec.machine.as_ref();
    Resource {
        id: spec.id(),
        farm: spec.farm.clone(),
        publisher_id: spec.publisher_id.clone(),
        title: if spec.title.is_empty() { &spec.publisher_id } else { &spec.title }.clone(),
        kind: spec.kind.clone(),
        assignment: spec.assignment.clone(),
        enabled: spec.enabled,
        hidden: false,
        can_power_off: spec.can_power_off,
        supports_power_off: spec.supports_power_off,
        links: spec.links,
        generation: 1,
        users: spec.users.clone(),
        machine: machine.map(|machine| {
            let off = machine.power_state.eq_ignore_ascii_case("off");
            Machine::new(&machine.name, off, machine.in_maintenance)
        }),
        next: VecDeque::new(),
        always: spec.power_off.clone(),
        posts: 0,
        applied: 0,
        last_client_name: None,
    }
}
