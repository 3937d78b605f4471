use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::{JoinHandle, yield_now},
    time::Instant,
};

use super::pass;
use crate::{
    config::SlotSettings,
    domain::AppName,
    upstream::resilience::slots::{NoSlot, Slot, Slots},
};

fn slots(in_flight: usize, bulk: usize, max_queue: usize) -> Arc<Slots> {
    let max_queue_time = Duration::from_secs(20);
    Arc::new(Slots::new(SlotSettings { in_flight, bulk, max_queue, max_queue_time }))
}

fn app(name: &str) -> AppName {
    AppName::try_from(name).unwrap()
}

/// In an hour.
fn late() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

async fn take(slots: &Arc<Slots>, name: &str, bulk: bool) -> Result<Slot, NoSlot> {
    slots.acquire(&app(name), bulk, late()).await
}

/// Queues a call and comes back once it waits, or has its slot.
async fn queue(
    slots: &Arc<Slots>,
    name: &'static str,
    bulk: bool,
) -> JoinHandle<Result<Slot, NoSlot>> {
    let slots = Arc::clone(slots);
    let waiting = tokio::spawn(async move { take(&slots, name, bulk).await });
    yield_now().await;
    waiting
}

#[tokio::test(start_paused = true)]
async fn apps_take_turns_and_the_calls_of_one_keep_their_order() {
    let slots = slots(1, 1, 100);
    let first = take(&slots, "a", false).await.unwrap();
    let order = Arc::<Mutex<Vec<&str>>>::default();
    let mut waiting = Vec::new();
    for (name, call) in
        [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("b", "b2")]
    {
        let (slots, order) = (Arc::clone(&slots), Arc::clone(&order));
        waiting.push(tokio::spawn(async move {
            let slot = take(&slots, name, false).await.unwrap();
            order.lock().unwrap().push(call);
            drop(slot);
        }));
        yield_now().await;
    }
    assert_eq!(slots.occupancy(), (1, 6));
    drop(first);
    for call in waiting {
        call.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["a1", "b1", "c1", "a2", "b2", "a3"]);
    assert_eq!(slots.occupancy(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn bulk_work_has_its_share_and_waits_for_the_others() {
    let slots = slots(3, 2, 100);
    let mut bulk =
        vec![take(&slots, "a", true).await.unwrap(), take(&slots, "a", true).await.unwrap()];
    let third = queue(&slots, "a", true).await;
    assert!(!third.is_finished(), "one slot is kept for others");
    let other = take(&slots, "a", false).await.unwrap();
    let next = queue(&slots, "b", false).await;

    bulk.pop();
    yield_now().await;

    assert!(!third.is_finished(), "the other came later and goes first");
    drop(next.await.unwrap().unwrap());
    assert!(third.await.unwrap().is_ok());
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn when_the_queue_is_full_bulk_work_leaves_first() {
    let slots = slots(1, 1, 2);
    let taken = take(&slots, "a", false).await.unwrap();
    let (old, new) = (queue(&slots, "a", true).await, queue(&slots, "a", true).await);
    assert_eq!(take(&slots, "b", true).await.unwrap_err(), NoSlot::QueueFull);

    let interactive = queue(&slots, "b", false).await;

    assert_eq!(new.await.unwrap().unwrap_err(), NoSlot::QueueFull);
    let second = queue(&slots, "b", false).await;
    assert_eq!(old.await.unwrap().unwrap_err(), NoSlot::QueueFull);
    assert_eq!(take(&slots, "a", false).await.unwrap_err(), NoSlot::QueueFull);
    assert_eq!(slots.occupancy(), (1, 2));
    drop(taken);
    drop(interactive.await.unwrap().unwrap());
    drop(second.await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever() {
    let slots = slots(1, 1, 100);
    let _taken = take(&slots, "a", false).await.unwrap();
    let began = Instant::now();
    let waited = || began.elapsed().as_secs();
    assert_eq!(take(&slots, "a", true).await.unwrap_err(), NoSlot::WaitedTooLong);
    assert_eq!(waited(), 10);
    assert_eq!(take(&slots, "a", false).await.unwrap_err(), NoSlot::WaitedTooLong);
    assert_eq!(waited(), 30);
    let deadline = Instant::now() + Duration::from_secs(3);
    let late = slots.acquire(&app("a"), false, deadline).await;
    assert_eq!((late.unwrap_err(), waited()), (NoSlot::DeadlinePassed, 33));
    assert_eq!(slots.occupancy(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_queue_takes_nothing_along() {
    let slots = slots(1, 1, 100);
    let taken = take(&slots, "a", false).await.unwrap();
    let (gone, stays) = (queue(&slots, "a", false).await, queue(&slots, "b", false).await);
    gone.abort();
    pass(1).await;
    assert_eq!(slots.occupancy(), (1, 1));

    // Given a slot and dropped before it could take it.
    let (mut waiting, name) = (Box::pin(take(&slots, "c", false)), "b");
    assert!(futures_util::poll!(&mut waiting).is_pending(), "{name}");
    drop(taken);
    drop(stays.await.unwrap().unwrap());
    drop(waiting);

    assert_eq!(slots.occupancy(), (0, 0));
    take(&slots, "a", false).await.unwrap();
}
