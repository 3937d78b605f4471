use uuid::Uuid;

use super::{
    Accepted, Error, ItemState, Key, Operation, OperationRequest, Operations, PlanSummary,
    service::Draft,
};
use crate::{domain::CallContext, services::KeptAnswer};

/// Once more, for what failed.
impl Operations {
    /// Starts an operation of the failed items of another. One that is still at it is given back
    /// instead of a second one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn retry_failed(
        &self,
        ctx: &CallContext,
        id: Uuid,
        reason: Option<String>,
        key: Option<&Key>,
        answer: impl Fn(&Operation) -> Option<KeptAnswer>,
    ) -> Result<Accepted, Error> {
        let journal = &self.shared.journal;
        if let Some(key) = key
            && let Some(before) = self.before(ctx, key).await?
        {
            return Ok(before);
        }
        let first = self.own(ctx, id).await?;
        if !first.state.is_final() {
            return Err(Error::NotFinished { state: first.state });
        }
        if let Some(retry) = journal.retry_of(id).await?
            && !retry.state.is_final()
        {
            return Ok(Accepted::Again(retry));
        }
        let mut targets = Vec::new();
        let mut after = 0;
        loop {
            let some = journal.items(id, Some(ItemState::Failed), after, 1_000).await?;
            let Some(last) = some.last() else { break };
            after = last.index;
            targets.extend(some.into_iter().map(|item| Ok(item.target)));
        }
        let request = OperationRequest {
            action: first.action,
            selector: first.order.selector.clone(),
            options: first.order.options.clone(),
            message: first.order.message.clone(),
            dry_run: false,
            plan_digest: None,
            reason: None,
        };
        let mut settings = request.settings(self.shared.clock.now())?;
        // Time has passed since these were looked at.
        settings.recheck = true;
        let summary = PlanSummary::default();
        let reason = reason.or(first.reason);
        let draft = Draft {
            action: first.action,
            reason,
            order: first.order,
            settings,
            summary,
            retry_of: Some(id),
        };
        self.store(ctx, draft, targets, key, answer).await
    }
}
