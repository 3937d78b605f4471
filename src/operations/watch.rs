use std::{sync::Arc, time::Duration};

use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use uuid::Uuid;

use super::{Error, Event, Item, ItemState, Operation, OperationState, Operations};
use crate::{
    audit::Unavailable,
    domain::CallContext,
    services::{self, Paging},
};

/// Some of a list, and where to go on.
#[derive(Clone, Debug)]
pub struct PageOf<T> {
    /// In order.
    pub items: Vec<T>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

/// Tells when something may have changed, here or at another replica.
#[derive(Debug)]
pub struct Changes {
    here: watch::Receiver<u64>,
}

impl Changes {
    /// Waits until something may have changed.
    pub async fn next(&mut self) {
        select! {
            changed = self.here.changed() => {
                if changed.is_err() {
                    sleep(ELSEWHERE).await;
                }
            }
            () = sleep(ELSEWHERE) => {}
        }
    }
}

/// What can be seen of operations, and stopping them.
impl Operations {
    /// The operation, if the caller may see it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(&self, ctx: &CallContext, id: Uuid) -> Result<Operation, Error> {
        self.own(ctx, id).await
    }

    /// The operation once it has ended, or as it is when the wait or the caller's time is over.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn wait(
        &self,
        ctx: &CallContext,
        id: Uuid,
        until: Instant,
    ) -> Result<Operation, Error> {
        let mut changes = self.changes();
        loop {
            let operation = self.own(ctx, id).await?;
            let over = Instant::now() >= until || self.shared.draining.is_cancelled();
            if operation.state.is_final() || over {
                return Ok(operation);
            }
            select! {
                () = changes.next() => {}
                () = sleep_until(until) => {}
                () = self.shared.draining.cancelled() => {}
            }
        }
    }

    /// Says whether everything went well.
    ///
    /// # Errors
    /// [`Error::NotFinished`] or [`Error::NotFullySucceeded`] if not.
    pub async fn result(&self, ctx: &CallContext, id: Uuid) -> Result<Operation, Error> {
        let operation = self.own(ctx, id).await?;
        match operation.state {
            OperationState::Succeeded => Ok(operation),
            state if !state.is_final() => Err(Error::NotFinished { state }),
            _ => Err(Error::NotFullySucceeded { counts: operation.counts }),
        }
    }

    /// Operations that the caller may see, newest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list(
        &self,
        ctx: &CallContext,
        paging: &Paging,
    ) -> Result<PageOf<Operation>, Error> {
        let journal = &self.shared.journal;
        let all = self.bulk.administers_anything(ctx);
        let app = (!all).then(|| ctx.principal.app.as_str());
        let mut place: Option<(i64, String)> = self.bulk.place(paging)?;
        let mut items = Vec::new();
        loop {
            let before = place.as_ref().map(|(created, id)| (*created, id.as_str()));
            let some = journal.list(app, before, LISTED_AT_ONCE).await?;
            let more = i64::try_from(some.len()).is_ok_and(|listed| listed == LISTED_AT_ONCE);
            for operation in some {
                if items.len() == paging.size {
                    let next = place.map(|place| self.bulk.page_token(&place, paging));
                    return Ok(PageOf { items, next: next.transpose()? });
                }
                place = Some((operation.create_time.as_millisecond(), operation.id.to_string()));
                if self.is_visible(ctx, &operation).await? {
                    items.push(operation);
                }
            }
            if !more {
                return Ok(PageOf { items, next: None });
            }
        }
    }

    /// Items of an operation, in order; those in one state, if it is given.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn items(
        &self,
        ctx: &CallContext,
        id: Uuid,
        state: Option<ItemState>,
        paging: &Paging,
    ) -> Result<PageOf<Item>, Error> {
        self.own(ctx, id).await?;
        let after: i64 = self.bulk.place(paging)?.unwrap_or(0);
        let limit = i64::try_from(paging.size).unwrap_or(i64::MAX - 1);
        let mut items = self.shared.journal.items(id, state, after, limit + 1).await?;
        let more = items.len() > paging.size;
        items.truncate(paging.size);
        let last = items.last().filter(|_| more);
        let next = last.map(|item| self.bulk.page_token(&item.index, paging)).transpose()?;
        Ok(PageOf { items, next })
    }

    /// Asks for an operation to end early: what is under way goes on to its end. It is recorded
    /// first, and does not happen where it cannot be.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn cancel(&self, ctx: &CallContext, id: Uuid) -> Result<Operation, Error> {
        let operation = self.own(ctx, id).await?;
        if operation.state != OperationState::Running {
            return Ok(operation);
        }
        let customers = self.shared.journal.customers(id).await?;
        let shared = Arc::clone(&self.shared);
        let ask = async move {
            shared.journal.request_cancel(id).await.map_err(|error| match error {
                Error::Store(error) => Unavailable::NotWritten(error).into(),
                _ => services::Error::Internal,
            })?;
            shared.cancel_here(id);
            Ok(())
        };
        self.bulk.cancel(ctx, id, &customers, ask).await?;
        tracing::info!(operation.id = %id, app = %ctx.principal.app, "an operation is cancelled");
        self.own(ctx, id).await
    }

    /// Events of an operation after the one with that id. May be asked again and again, once
    /// [`get`](Self::get) has said that the caller may see it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn events(&self, id: Uuid, after: i64) -> Result<Vec<Event>, Error> {
        self.shared.journal.events(id, after, EVENTS_AT_ONCE).await
    }

    /// Tells when something may have changed.
    pub fn changes(&self) -> Changes {
        Changes { here: self.shared.changed.subscribe() }
    }

    /// Whether this process is about to end, so that who waits should come back later.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.is_cancelled()
    }

    pub(super) async fn own(&self, ctx: &CallContext, id: Uuid) -> Result<Operation, Error> {
        let found = self.shared.journal.operation(id).await?;
        let operation = found.ok_or(Error::NotFound { pointer: None })?;
        if self.is_visible(ctx, &operation).await? {
            return Ok(operation);
        }
        Err(Error::NotFound { pointer: None })
    }

    /// An app sees its own operations; who administers every customer that one reaches sees it
    /// too. One that reaches none, or customers that are gone by now, is for those who administer
    /// all.
    async fn is_visible(&self, ctx: &CallContext, operation: &Operation) -> Result<bool, Error> {
        let bulk = &self.bulk;
        if operation.created_by.app == ctx.principal.app.as_str() {
            return Ok(true);
        }
        if !bulk.administers_anything(ctx) {
            return Ok(false);
        }
        if bulk.administers_everything(ctx) {
            return Ok(true);
        }
        let customers = self.shared.journal.customers(operation.id).await?;
        let reached = !customers.is_empty();
        Ok(reached && customers.iter().all(|customer| bulk.administers(ctx, customer)))
    }
}

const LISTED_AT_ONCE: i64 = 200;
const EVENTS_AT_ONCE: i64 = 500;
/// How soon what other replicas write is seen.
const ELSEWHERE: Duration = Duration::from_millis(500);
