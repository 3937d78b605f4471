use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::time::Instant;

use super::{
    BreakerScope, BreakerStatus, CooldownStatus, GuardEventKind, SlotStatus,
    lane::{Lane, Owner},
    permit::Permit,
    refusal::{Caller, Refusal},
    region::RegionBreaker,
    switch::Verdict,
};
use crate::{
    config::{Customer, ResilienceSettings},
    domain::{CallContext, RegionName},
    upstream::{Error, Observer, Place, Service},
};

/// Lets calls to Citrix through, or says why not and when to come back. Cheap to clone; the clones
/// are one.
#[derive(Clone)]
pub struct Guard(Arc<Shared>);

struct Shared {
    settings: ResilienceSettings,
    observer: Arc<dyn Observer>,
    lanes: RwLock<HashMap<(Owner, Service), Arc<Lane>>>,
    regions: RwLock<HashMap<(RegionName, Service), Arc<RegionBreaker>>>,
}

impl Guard {
    pub(in crate::upstream) fn new(
        settings: ResilienceSettings,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let (lanes, regions) = (RwLock::default(), RwLock::default());
        Self(Arc::new(Shared { settings, observer, lanes, regions }))
    }

    /// Waits for leave to make one call for a customer, until the context's deadline. `reads` says
    /// that the call changes nothing.
    ///
    /// # Errors
    /// `ErrorKind::RateLimited` in a cooldown, `ErrorKind::Unavailable` while a breaker is
    /// open, `ErrorKind::Overloaded` when the queue is full or the wait too long,
    /// `ErrorKind::DeadlineExceeded` when the deadline passed. Nothing was sent then.
    pub async fn enter(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        service: Service,
        operation: &'static str,
        reads: bool,
    ) -> Result<Permit, Error> {
        let owner = Owner::customer(customer);
        let caller = Caller::of(ctx, reads);
        let place = owner.place.clone();
        let refused = |refusal: Refusal| refusal.into_error(operation, service, place);
        self.admit(&owner, service, caller).await.map_err(refused)
    }

    pub(in crate::upstream) async fn admit(
        &self,
        owner: &Owner,
        service: Service,
        caller: Caller<'_>,
    ) -> Result<Permit, Refusal> {
        let lane = self.lane(owner, service);
        let asked = Instant::now();
        let admitted = self.try_admit(&lane, caller).await;
        let waited = asked.elapsed();
        lane.tell(
            self,
            match &admitted {
                Ok(_) => GuardEventKind::Admitted(waited),
                Err(refusal) => GuardEventKind::Refused(refusal.reason()),
            },
        );
        admitted
    }

    async fn try_admit(&self, lane: &Arc<Lane>, caller: Caller<'_>) -> Result<Permit, Refusal> {
        let region = self.region(&lane.owner, lane.service);
        if caller.deadline <= Instant::now() {
            return Err(Refusal::DeadlinePassed);
        }
        lane.cooled_down()?;
        // Who would be refused afterwards need not wait first.
        let open = [Some(lane.breaker.state()), region.as_ref().map(|region| region.state())];
        if let Some(wait) = open.into_iter().flatten().find_map(|(_, wait)| wait) {
            return Err(Refusal::BreakerOpen(wait));
        }
        let slot = lane.slots.acquire(caller.app, caller.bulk, caller.deadline).await?;
        lane.cooled_down()?;
        let own = lane.breaker.enter(caller.reads).map_err(Refusal::BreakerOpen)?;
        let region = match region {
            None => None,
            Some(region) => match region.enter(caller.reads) {
                Ok(pass) => Some((region, pass)),
                Err(wait) => {
                    lane.breaker.note(own, Verdict::Silent, &self.0.settings.breaker);
                    return Err(Refusal::BreakerOpen(wait));
                }
            },
        };
        Ok(Permit {
            guard: self.clone(),
            lane: Arc::clone(lane),
            region,
            own,
            began: Instant::now(),
            settled: false,
            _slot: slot,
        })
    }

    /// Every breaker that was ever needed.
    pub fn breakers(&self) -> Vec<BreakerStatus> {
        let lanes = self.lanes().into_iter().map(|lane| {
            let (state, retry_after) = lane.breaker.state();
            let Owner { place, customer } = lane.owner.clone();
            let scope = lane.scope();
            BreakerStatus { scope, place, customer, service: lane.service, state, retry_after }
        });
        let regions = self.0.regions.read().unwrap_or_else(PoisonError::into_inner);
        let regions = regions.iter().map(|((region, service), breaker)| {
            let (state, retry_after) = breaker.state();
            let (scope, place) = (BreakerScope::Region, Place::Region(region.clone()));
            BreakerStatus { scope, place, customer: None, service: *service, state, retry_after }
        });
        lanes.chain(regions).collect()
    }

    /// Every service that is left alone because it said 429.
    pub fn cooldowns(&self) -> Vec<CooldownStatus> {
        let cooling = |lane: Arc<Lane>| {
            let remaining = lane.cooldown.remaining()?;
            let Owner { place, customer } = lane.owner.clone();
            Some(CooldownStatus { place, customer, service: lane.service, remaining })
        };
        self.lanes().into_iter().filter_map(cooling).collect()
    }

    /// Calls under way and waiting, where there are any.
    pub fn slots(&self) -> Vec<SlotStatus> {
        let busy = |lane: Arc<Lane>| {
            let (in_flight, waiting) = lane.slots.occupancy();
            let Owner { place, customer } = lane.owner.clone();
            let status = SlotStatus { place, customer, service: lane.service, in_flight, waiting };
            (in_flight + waiting > 0).then_some(status)
        };
        self.lanes().into_iter().filter_map(busy).collect()
    }

    pub(super) fn settings(&self) -> &ResilienceSettings {
        &self.0.settings
    }

    pub(super) fn observer(&self) -> &dyn Observer {
        self.0.observer.as_ref()
    }

    fn lanes(&self) -> Vec<Arc<Lane>> {
        let lanes = self.0.lanes.read().unwrap_or_else(PoisonError::into_inner);
        lanes.values().cloned().collect()
    }

    fn lane(&self, owner: &Owner, service: Service) -> Arc<Lane> {
        let key = (owner.clone(), service);
        let known = self.0.lanes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = known.get(&key) {
            return Arc::clone(lane);
        }
        drop(known);
        let mut lanes = self.0.lanes.write().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= MANY {
            lanes.retain(|_, lane| !lane.is_idle());
        }
        let new = || Arc::new(Lane::new(owner, service, &self.0.settings));
        Arc::clone(lanes.entry(key).or_insert_with(new))
    }

    /// The breaker of the region; stores belong to none.
    fn region(&self, owner: &Owner, service: Service) -> Option<Arc<RegionBreaker>> {
        let Place::Region(region) = &owner.place else { return None };
        let key = (region.clone(), service);
        let known = self.0.regions.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(breaker) = known.get(&key) {
            return Some(Arc::clone(breaker));
        }
        drop(known);
        let mut regions = self.0.regions.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(RegionBreaker::new(&self.0.settings.breaker));
        Some(Arc::clone(regions.entry(key).or_insert_with(new)))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// From this many on, what has nothing to remember is forgotten.
const MANY: usize = 4096;
