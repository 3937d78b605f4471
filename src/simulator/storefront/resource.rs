//! Published resources and the machines behind them.

use std::collections::VecDeque;

use super::super::ids;
use super::super::scenario::{LinkForm, PowerOffSpec};
use super::super::world::{Event, World};

/// One published resource.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of the control API")]
pub(crate) struct Resource {
    /// `<farm>.<publisher id>`
    pub(crate) id: String,
    pub(crate) farm: String,
    pub(super) publisher_id: String,
    pub(crate) title: String,
    pub(crate) kind: String,
    pub(crate) assignment: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) hidden: bool,
    pub(crate) can_power_off: bool,
    pub(crate) supports_power_off: bool,
    pub(super) links: LinkForm,
    /// Changes every link.
    pub(crate) generation: u32,
    /// Empty means everybody.
    pub(super) users: Vec<String>,
    pub(crate) machine: Option<Machine>,
    /// What the next power-offs answer instead of the truth.
    pub(crate) next: VecDeque<PowerOffSpec>,
    /// What every power-off answers instead of the truth.
    pub(crate) always: Option<PowerOffSpec>,
    /// POSTs to its power-off link, whatever came of them.
    pub(crate) posts: u64,
    /// How often its machine was really told to go off.
    pub(crate) applied: u64,
    pub(crate) last_client_name: Option<String>,
}

/// The machine behind a desktop.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) power: Power,
    pub(crate) in_maintenance: bool,
    /// Tells events of an action that was overtaken from the current one's.
    pub(super) run: u32,
}

/// What a machine is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Power {
    On,
    TurningOff,
    Off,
    TurningOn,
}

impl Resource {
    pub(super) fn visible_to(&self, user: &str) -> bool {
        !self.hidden
            && (self.users.is_empty() || self.users.iter().any(|u| u.eq_ignore_ascii_case(user)))
    }

    /// The part of the links that nobody can guess.
    pub(super) fn opaque(&self, store: &str, user: &str) -> String {
        let generation = self.generation.to_string();
        ids::stable(&["storefront link", store, user, &self.id, &generation]).replace('-', "")
    }

    /// The machine goes off from now on, or would if there was one; false when one is under way.
    fn power_off(&mut self) -> bool {
        let Some(machine) = &mut self.machine else { return false };
        if machine.is_busy() {
            return false;
        }
        machine.run = machine.run.wrapping_add(1);
        machine.power = Power::TurningOff;
        self.applied += 1;
        true
    }
}

impl Machine {
    pub(super) fn new(name: &str, off: bool, in_maintenance: bool) -> Self {
        let power = if off { Power::Off } else { Power::On };
        Self { name: name.to_owned(), power, in_maintenance, run: 0 }
    }

    /// A power action is under way.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.power, Power::TurningOff | Power::TurningOn)
    }

    /// Puts the machine into a state; what was under way no longer happens.
    pub(crate) fn set(&mut self, power: Power) {
        self.power = power;
        self.run = self.run.wrapping_add(1);
    }
}

impl Power {
    /// As the control API writes it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::TurningOff => "turning-off",
            Self::Off => "off",
            Self::TurningOn => "turning-on",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        [Self::On, Self::TurningOff, Self::Off, Self::TurningOn]
            .into_iter()
            .find(|power| power.word().eq_ignore_ascii_case(word))
    }
}

impl World {
    /// Turns the machine of a resource off, over as much simulated time as other power actions.
    pub(super) fn store_power_off(&mut self, store: usize, resource: usize) {
        self.store_power(store, resource, Power::Off);
    }

    /// Turns the machine of a resource on, as a launch does.
    pub(super) fn store_power_on(&mut self, store: usize, resource: usize) {
        self.store_power(store, resource, Power::On);
    }

    fn store_power(&mut self, store: usize, resource: usize, to: Power) {
        let (now, after) = (self.now(), i64::from(self.settings.power_ms));
        let Some(known) = self.storefront.stores[store].resources.get_mut(resource) else { return };
        let begun = match to {
            Power::On => known.machine.as_mut().is_some_and(|machine| {
                let off = machine.power == Power::Off;
                if off {
                    machine.set(Power::TurningOn);
                }
                off
            }),
            _ => known.power_off(),
        };
        if let (true, Some(machine)) = (begun, &known.machine) {
            let run = machine.run;
            self.schedule(now, after, Event::StoreMachine { store, resource, run, to });
        }
    }

    /// A machine has arrived in a state, unless something overtook it.
    pub(crate) fn store_machine_step(
        &mut self,
        store: usize,
        resource: usize,
        run: u32,
        to: Power,
    ) {
        let store = self.storefront.stores.get_mut(store);
        let resource = store.and_then(|store| store.resources.get_mut(resource));
        let machine = resource.and_then(|resource| resource.machine.as_mut());
        if let Some(machine) = machine.filter(|machine| machine.run == run) {
            machine.power = to;
        }
    }
}
