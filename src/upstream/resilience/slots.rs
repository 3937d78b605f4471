use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{config::SlotSettings, domain::AppName};

/// Room for a number of calls at the same time, and a queue for the others.
///
/// Apps take turns, and the calls of one app keep their order. Bulk work gets only a part of the
/// room, and none that somebody else waits for; when the queue is full it is the first to leave.
#[derive(Debug)]
pub(super) struct Slots {
    settings: SlotSettings,
    state: Mutex<State>,
}

/// One call's room, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    bulk: bool,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NoSlot {
    /// The queue is full.
    QueueFull,
    /// The call waited for as long as any may.
    WaitedTooLong,
    /// The call's own deadline passed while it waited.
    DeadlinePassed,
}

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    /// Of those, bulk work.
    bulk_in_flight: usize,
    interactive: Queue,
    bulk: Queue,
    last_ticket: u64,
}

#[derive(Debug, Default)]
struct Queue {
    /// Every app that waits, the one whose turn it is first.
    turns: VecDeque<AppName>,
    waiting: HashMap<AppName, VecDeque<Waiter>>,
    len: usize,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    wake: oneshot::Sender<Slot>,
}

/// A place in the queue, given up when dropped.
struct Place<'a> {
    slots: &'a Slots,
    app: &'a AppName,
    bulk: bool,
    ticket: u64,
    woken: oneshot::Receiver<Slot>,
}

impl Slots {
    pub(super) fn new(settings: SlotSettings) -> Self {
        Self { settings, state: Mutex::default() }
    }

    /// Waits for room until `deadline` and no longer than the settings allow.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        app: &AppName,
        bulk: bool,
        deadline: Instant,
    ) -> Result<Slot, NoSlot> {
        let mut place = {
            let mut state = self.lock();
            if state.has_room(bulk, &self.settings) {
                state.take(bulk);
                return Ok(Slot { slots: Arc::clone(self), bulk });
            }
            if state.waiting() >= self.settings.max_queue {
                // Dropping the waiter tells it.
                let shed = if bulk { None } else { state.bulk.pop_newest() };
                shed.ok_or(NoSlot::QueueFull)?;
            }
            let (ticket, woken) = state.queue(app, bulk);
            Place { slots: self, app, bulk, ticket, woken }
        };
        let patience = self.settings.max_queue_time / if bulk { 2 } else { 1 };
        let patience = Instant::now() + patience;
        match timeout_at(patience.min(deadline), &mut place.woken).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) => Err(NoSlot::QueueFull),
            Err(_) if deadline <= patience => Err(NoSlot::DeadlinePassed),
            Err(_) => Err(NoSlot::WaitedTooLong),
        }
    }

    /// Calls under way, and calls that wait.
    pub(super) fn occupancy(&self) -> (usize, usize) {
        let state = self.lock();
        (state.in_flight, state.waiting())
    }

    fn release(self: &Arc<Self>, bulk: bool) {
        let next = {
            let mut state = self.lock();
            state.give_back(bulk);
            state.next(&self.settings)
        };
        if let Some((waiter, bulk)) = next {
            // A waiter that has gone meanwhile drops the slot, which gives it to the next.
            let _ = waiter.wake.send(Slot { slots: Arc::clone(self), bulk });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Where there is room nobody waits who could use it: each slot that is given back goes to the
    /// queue first.
    fn has_room(&self, bulk: bool, settings: &SlotSettings) -> bool {
        self.in_flight < settings.in_flight && (!bulk || self.bulk_in_flight < settings.bulk)
    }

    fn take(&mut self, bulk: bool) {
        self.in_flight += 1;
        self.bulk_in_flight += usize::from(bulk);
    }

    fn give_back(&mut self, bulk: bool) {
        self.in_flight -= 1;
        self.bulk_in_flight -= usize::from(bulk);
    }

    fn waiting(&self) -> usize {
        self.interactive.len + self.bulk.len
    }

    fn queue(&mut self, app: &AppName, bulk: bool) -> (u64, oneshot::Receiver<Slot>) {
        self.last_ticket += 1;
        let (wake, woken) = oneshot::channel();
        let waiter = Waiter { ticket: self.last_ticket, wake };
        self.line(bulk).push(app, waiter);
        (self.last_ticket, woken)
    }

    /// Takes room for whoever is next.
    fn next(&mut self, settings: &SlotSettings) -> Option<(Waiter, bool)> {
        for bulk in [false, true] {
            if self.has_room(bulk, settings)
                && let Some(waiter) = self.line(bulk).pop()
            {
                self.take(bulk);
                return Some((waiter, bulk));
            }
        }
        None
    }

    fn line(&mut self, bulk: bool) -> &mut Queue {
        if bulk { &mut self.bulk } else { &mut self.interactive }
    }
}

impl Queue {
    fn push(&mut self, app: &AppName, waiter: Waiter) {
        let waiting = self.waiting.entry(app.clone()).or_default();
        if waiting.is_empty() {
            self.turns.push_back(app.clone());
        }
        waiting.push_back(waiter);
        self.len += 1;
    }

    /// The longest waiting call of the app whose turn it is.
    fn pop(&mut self) -> Option<Waiter> {
        let app = self.turns.pop_front()?;
        let waiting = self.waiting.get_mut(&app)?;
        let waiter = waiting.pop_front()?;
        self.len -= 1;
        if waiting.is_empty() {
            self.waiting.remove(&app);
        } else {
            self.turns.push_back(app);
        }
        Some(waiter)
    }

    /// The call that came last, of the app whose turn is farthest off.
    fn pop_newest(&mut self) -> Option<Waiter> {
        let app = self.turns.back()?.clone();
        let ticket = self.waiting.get(&app)?.back()?.ticket;
        self.remove(&app, ticket)
    }

    fn remove(&mut self, app: &AppName, ticket: u64) -> Option<Waiter> {
        let waiting = self.waiting.get_mut(app)?;
        let at = waiting.iter().position(|waiter| waiter.ticket == ticket)?;
        let waiter = waiting.remove(at)?;
        self.len -= 1;
        if waiting.is_empty() {
            self.waiting.remove(app);
            self.turns.retain(|other| other != app);
        }
        Some(waiter)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.release(self.bulk);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.slots.lock().line(self.bulk).remove(self.app, self.ticket);
    }
}

/// When to come back after there was no room.
pub(super) const COME_BACK: Duration = Duration::from_secs(2);
