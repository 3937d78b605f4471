use std::{collections::HashSet, time::Duration};

use uuid::Uuid;

use super::{
    Accepted, Error, Item, ItemState, Key, Operations, PlanSummary, Settings, Target,
    request::{DEFAULT_WINDOW, span},
    service::Draft,
};
use crate::domain::CallContext;

/// Once more, for what failed.
impl Operations {
    /// Starts an operation of the failed items of another that no retry has taken on yet, and of
    /// those that failed in its last retry. Where that is still at it, or nothing is left to be
    /// retried, the last one is given back and nothing is started.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn retry_failed(
        &self,
        ctx: &CallContext,
        id: Uuid,
        reason: Option<String>,
        key: Option<&Key>,
    ) -> Result<Accepted, Error> {
        let journal = &self.shared.journal;
        if let Some(key) = key
            && let Some(before) = self.before(ctx, key).await?
        {
            return Ok(before);
        }
        let mut last = self.own(ctx, id).await?;
        if !last.state.is_final() {
            return Err(Error::NotFinished { state: last.state });
        }
        let mut targets = self.failed(last.id).await?;
        while let Some(retry) = journal.retry_of(last.id).await? {
            let taken_on = self.paths(retry.id).await?;
            targets.retain(|target| !taken_on.contains(&target.path));
            targets.extend(self.failed(retry.id).await?);
            last = retry;
        }
        if !last.state.is_final() || targets.is_empty() {
            return Ok(Accepted::Again(last));
        }
        let targets = targets.into_iter().map(Ok).collect();
        // It lasts as long as the first time, whenever that ended.
        let window = last.create_time.duration_until(last.settings.not_after);
        let window = Duration::try_from(window).ok().filter(|window| !window.is_zero());
        let window = window.unwrap_or(DEFAULT_WINDOW);
        let now = self.shared.clock.now();
        let not_after = now.checked_add(window).map_err(|_| Error::Unreadable)?;
        // Time has passed since these were looked at.
        let settings = Settings { not_after, recheck: true, ..last.settings };
        let mut order = last.order;
        let named = &mut order.options.not_after;
        if named.as_deref().is_some_and(|text| span(text).is_none()) {
            *named = Some(not_after.to_string());
        }
        let summary = PlanSummary::default();
        let reason = reason.or(last.reason);
        let draft = Draft {
            action: last.action,
            reason,
            order,
            settings,
            summary,
            retry_of: Some(last.id),
        };
        self.store(ctx, draft, targets, key).await
    }

    async fn failed(&self, id: Uuid) -> Result<Vec<Target>, Error> {
        let failed = self.all_items(id, Some(ItemState::Failed)).await?;
        Ok(failed.into_iter().map(|item| item.target).collect())
    }

    async fn paths(&self, id: Uuid) -> Result<HashSet<String>, Error> {
        let all = self.all_items(id, None).await?;
        Ok(all.into_iter().map(|item| item.target.path).collect())
    }

    async fn all_items(&self, id: Uuid, state: Option<ItemState>) -> Result<Vec<Item>, Error> {
        let mut all: Vec<Item> = Vec::new();
        loop {
            let after = all.last().map_or(0, |item| item.index);
            let some = self.shared.journal.items(id, state, after, ITEMS_AT_ONCE).await?;
            if some.is_empty() {
                return Ok(all);
            }
            all.extend(some);
        }
    }
}

const ITEMS_AT_ONCE: i64 = 1_000;
