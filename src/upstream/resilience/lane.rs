use std::{sync::Arc, time::Duration};

use tower::retry::budget::{Budget as _, TpsBudget};

use super::{
    BreakerScope, BreakerState, Guard, GuardEvent, GuardEventKind, breaker::Breaker,
    cooldown::Cooldown, refusal::Refusal, slots::Slots,
};
use crate::{
    config::{Customer, ResilienceSettings, SlotSettings},
    domain::{CustomerName, StoreName},
    upstream::{Place, Service},
};

/// Whose calls are kept apart from all others: a customer in its region, or a store.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(in crate::upstream) struct Owner {
    pub(super) place: Place,
    pub(super) customer: Option<CustomerName>,
}

/// Everything that the calls of one owner to one service share.
pub(super) struct Lane {
    pub(super) owner: Owner,
    pub(super) service: Service,
    pub(super) slots: Arc<Slots>,
    pub(super) cooldown: Cooldown,
    pub(super) breaker: Breaker,
    budget: TpsBudget,
}

impl Lane {
    pub(super) fn new(owner: &Owner, service: Service, settings: &ResilienceSettings) -> Self {
        let one = SlotSettings { in_flight: 1, bulk: 1, ..settings.slots };
        let slots = if service.is_serial() { one } else { settings.slots };
        let retry = &settings.retry;
        #[expect(clippy::cast_possible_truncation, reason = "a share between 0 and 1")]
        let share = retry.budget_share as f32;
        Self {
            owner: owner.clone(),
            service,
            slots: Arc::new(Slots::new(slots)),
            cooldown: Cooldown::default(),
            breaker: Breaker::new(&settings.breaker),
            budget: TpsBudget::new(BUDGET_WINDOW, retry.budget_floor, share),
        }
    }

    pub(super) fn cooled_down(&self) -> Result<(), Refusal> {
        self.cooldown.remaining().map_or(Ok(()), |left| Err(Refusal::CoolingDown(left)))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.slots.occupancy() == (0, 0)
            && self.cooldown.remaining().is_none()
            && self.breaker.state().0 == BreakerState::Closed
    }

    pub(super) fn scope(&self) -> BreakerScope {
        match self.owner.place {
            Place::Region(_) => BreakerScope::Customer,
            Place::Store(_) => BreakerScope::Store,
        }
    }

    pub(super) fn breaker_moved(&self, guard: &Guard, scope: BreakerScope, state: BreakerState) {
        tracing::warn!(
            cwsgate.upstream.service = self.service.as_str(),
            cwsgate.place = self.owner.place.name(),
            cwsgate.customer = self.owner.customer.as_ref().map(CustomerName::as_str),
            scope = scope.as_str(),
            state = state.as_str(),
            "a circuit breaker moved"
        );
        self.tell(guard, GuardEventKind::Breaker(scope, state));
    }

    /// A call was made: a share of it may be spent on repeating one.
    pub(super) fn deposit(&self) {
        self.budget.deposit();
    }

    /// Takes leave to repeat a call, if there is any left.
    pub(super) fn withdraw(&self) -> bool {
        self.budget.withdraw()
    }

    pub(super) fn tell(&self, guard: &Guard, kind: GuardEventKind) {
        guard.observer().guarded(&GuardEvent {
            service: self.service,
            place: &self.owner.place,
            kind,
        });
    }
}

impl Owner {
    pub(in crate::upstream) fn customer(customer: &Customer) -> Self {
        Self {
            place: Place::Region(customer.region.clone()),
            customer: Some(customer.name.clone()),
        }
    }

    pub(in crate::upstream) fn store(store: &StoreName, customer: Option<&CustomerName>) -> Self {
        Self { place: Place::Store(store.clone()), customer: customer.cloned() }
    }
}

/// How far back the retry budget looks.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
