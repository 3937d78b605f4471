use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::{
    domain::SystemClock,
    operations::{
        BulkAction, Creator, OperationState, Order, PlanSummary, Target, journal::Journal,
    },
};

fn operation(item: &Item) -> Operation {
    let mut counts = Counts { planned: 1, ..Counts::default() };
    counts.add(item.state, 1);
    let request = json!({ "action": "reboot", "selector": { "in": ["customers/acme/sites/-"] } });
    let request: crate::operations::OperationRequest = serde_json::from_value(request).unwrap();
    let now = Timestamp::now();
    Operation {
        id: Uuid::now_v7(),
        action: BulkAction::Reboot,
        state: OperationState::Running,
        counts,
        created_by: Creator {
            app: "tests".into(),
            subject: None,
            key_id: None,
            issuer: None,
            on_behalf_of: None,
        },
        reason: None,
        settings: request.settings(now).unwrap(),
        order: Order { selector: request.selector, options: request.options, message: None },
        plan: PlanSummary { left_alone: BTreeMap::new(), ..PlanSummary::default() },
        error: None,
        retry_of: None,
        create_time: now,
        start_time: None,
        end_time: None,
        verifying: 0,
        cancel_requested: false,
        settle_tries: 0,
        last_event: 1,
    }
}

#[tokio::test]
async fn nothing_is_marked_as_sent_once_a_cancel_is_asked_for() {
    let db = Db::in_memory().await.unwrap();
    let journal = Journal { db: db.clone() };
    let target = Target {
        path: "/v1/customers/acme/sites/s1/machines/m1".into(),
        id: "m1".into(),
        name: None,
        customer: "acme".into(),
        site_id: "s1".into(),
    };
    let waiting = Item::queued(1, target);
    let operation = operation(&waiting);
    let id = operation.id;
    assert!(journal.create(&operation, std::slice::from_ref(&waiting), None).await.unwrap());
    let ttl = Duration::from_mins(1);
    let tenure = Tenure::begin(&db, id, "here", ttl).await.unwrap().unwrap();
    let (cancelled, changed) = (CancellationToken::new(), watch::Sender::new(0));
    let clock = Arc::new(SystemClock);
    let recorder = Recorder::start(&db, clock, tenure, &operation, cancelled.clone(), changed);

    // Asked for elsewhere: nobody has told the worker yet.
    journal.request_cancel(id).await.unwrap();
    let sent = Item { state: ItemState::Dispatched, attempts: 1, ..waiting };
    assert_eq!(recorder.item(&sent, ItemState::Queued).await, Ok(false));

    assert!(cancelled.is_cancelled());
    let stored = &journal.items(id, None, 0, 10).await.unwrap()[0];
    assert_eq!((stored.state, stored.attempts), (ItemState::Queued, 0));
    assert_eq!(journal.operation(id).await.unwrap().unwrap().counts, operation.counts);
}
