use super::*;

/// How SQLite goes about a query, in its own words
/// (<https://www.sqlite.org/eqp.html>): SEARCH finds by an index, SCAN reads all of a table.
async fn plan(db: &Db, query: Query) -> String {
    let steps = db.fetch(query.explained()).await.unwrap();
    let steps = steps.iter().map(|step| step.get::<String>("detail").unwrap());
    steps.collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn what_is_read_for_each_item_or_each_look_is_found_by_an_index() {
    let db = Db::in_memory().await.unwrap();
    let (id, now) = (Uuid::now_v7(), Timestamp::now());
    let share =
        SiteShare { customer: "acme".into(), site: "s1".into(), planned: 10_000, failures: 0 };
    let id_text = id.to_string();
    let failed = Some(ItemState::Failed);
    let searched = [
        query("SELECT * FROM operation WHERE id = $1").bind(id_text.as_str()),
        items_after(id, None, 5_000, 100),
        items_after(id, failed, 5_000, 100),
        items_of_site(id, &share, ItemState::Queued, 5_000, 64),
        unseen_items(id, &share),
        events_after(id, 5_000, 500),
        due_operations(now, 128),
        newest(Some("app"), None, 200),
        newest(Some("app"), Some((0, &id_text)), 200),
        ended_before(now),
    ];
    for query in searched {
        let (text, plan) = (format!("{query:?}"), plan(&db, query).await);
        assert!(plan.contains("SEARCH operation"), "{text}: {plan}");
        assert!(!plan.contains("SCAN operation"), "{text}: {plan}");
    }
    // In the order of the index, as far as the page goes.
    let all = plan(&db, newest(None, Some((0, &id_text)), 200)).await;
    assert_eq!(all, "SCAN operation USING INDEX operation_newest");

    // Items in one state are found, not looked for among all of them.
    let found = plan(&db, items_after(id, failed, 5_000, 100)).await;
    assert!(found.contains("(operation_id=? AND state=? AND seq>?)"), "{found}");
    let claimed = plan(&db, items_of_site(id, &share, ItemState::Queued, 5_000, 64)).await;
    let by_site = "(operation_id=? AND state=? AND customer=? AND site=? AND seq>?)";
    assert!(claimed.contains(by_site), "{claimed}");
}
