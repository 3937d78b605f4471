use std::{
    iter::repeat,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::{sleep, timeout};
use uuid::{ContextV7, Uuid};

use super::{
    Entry, Event, Outcome,
    entry::{UNKNOWN, first_id},
    file::Lines,
};
use crate::{
    config,
    db::{Db, Error, ErrorKind, Query, query},
    domain::{CallContext, Clock},
};

/// The audit trail. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Audit {
    pub(super) db: Db,
    lines: Option<Arc<Lines>>,
    retention: Duration,
    clock: Arc<dyn Clock>,
    /// Keeps ids of one millisecond in order.
    ids: Arc<Mutex<ContextV7>>,
}

/// Changes that are recorded and about to be made by one call. Their outcomes are still to be
/// written.
#[derive(Debug)]
#[must_use = "the outcome is still to be written"]
pub struct Intent {
    audit: Audit,
    entries: Vec<Entry>,
}

/// The trail could not be written or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    /// What was to be written with the intent does not hold any more: nothing was written.
    #[error("another call has taken over")]
    TakenOver,
    /// The database did not do it.
    #[error("the change was not made, because it could not be recorded")]
    NotWritten(#[source] Error),
    /// The database was too slow.
    #[error("the change was not made, because it could not be recorded in time")]
    TooSlow,
    /// The database did not answer a search.
    #[error("the record of changes cannot be read just now")]
    NotRead(#[from] Error),
}

impl Audit {
    /// The trail in `db`.
    pub fn new(db: Db, config: &config::Audit, clock: Arc<dyn Clock>) -> Self {
        let lines = config.file.clone().map(|path| Arc::new(Lines::start(path)));
        let ids = Arc::new(Mutex::new(ContextV7::new()));
        Self { db, lines, retention: config.retention, clock, ids }
    }

    /// Records that `event` is about to happen, and in the same transaction carries out `also`.
    /// Only once this returns may anything be sent.
    ///
    /// # Errors
    /// See [`Self::begin_all`].
    pub async fn begin(
        &self,
        ctx: &CallContext,
        event: Event,
        also: impl IntoIterator<Item = Query>,
    ) -> Result<Intent, Unavailable> {
        self.begin_all(ctx, [event], also).await
    }

    /// The same for several things that one call does: all of them are recorded, or none.
    ///
    /// # Errors
    /// [`Unavailable::TakenOver`] when `also` found something else than it must; otherwise the
    /// record could not be written.
    pub async fn begin_all(
        &self,
        ctx: &CallContext,
        events: impl IntoIterator<Item = Event>,
        also: impl IntoIterator<Item = Query>,
    ) -> Result<Intent, Unavailable> {
        let entry = |event| Entry::new(self.next_id(), ctx, event);
        let entries: Vec<_> = events.into_iter().map(entry).collect();
        let queries = entries.iter().map(Entry::insert).chain(also).collect();
        match timeout(PATIENCE, self.db.write(queries)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) if error.kind == ErrorKind::Conflict => {
                return Err(Unavailable::TakenOver);
            }
            Ok(Err(error)) => return Err(Unavailable::NotWritten(error)),
            Err(_) => return Err(Unavailable::TooSlow),
        }
        for entry in &entries {
            self.copy(entry);
        }
        Ok(Intent { audit: self.clone(), entries })
    }

    /// Gives up on outcomes that will not come any more, and deletes what at `now` is older than
    /// it is to be kept. `now_alone`: no other process can be at work on the same database.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn sweep(&self, now: Timestamp, now_alone: bool) -> Result<(), Error> {
        let before = |age: Duration| {
            SignedDuration::try_from(age).ok().and_then(|age| now.checked_sub(age).ok())
        };
        let given_up = if now_alone { Some(now) } else { before(LONGEST_CALL) };
        if let Some(time) = given_up {
            let settle = query(
                "UPDATE audit SET outcome = $1, code = 'outcome_unknown'
                 WHERE outcome IS NULL AND id < $2",
            );
            self.db.write(vec![settle.bind(UNKNOWN).bind(first_id(time))]).await?;
        }
        let Some(time) = before(self.retention) else { return Ok(()) };
        loop {
            let delete = query(
                "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < $1 LIMIT 1000)",
            );
            let deleted = self.db.write(vec![delete.bind(first_id(time))]).await?;
            if deleted.first().is_none_or(|deleted| *deleted == 0) {
                return Ok(());
            }
        }
    }

    fn next_id(&self) -> Uuid {
        let now = self.clock.now();
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(&*self.ids, seconds, nanos))
    }

    fn copy(&self, entry: &Entry) {
        if let Some(lines) = &self.lines {
            lines.append(entry);
        }
    }
}

impl Intent {
    /// Records what became of it. A database that does not take it now is asked again for a while,
    /// without anybody waiting; until then the entry says that the outcome is not known.
    pub async fn end(self, outcome: Outcome) {
        self.end_each(repeat(outcome)).await;
    }

    /// The same for several, in the order in which they were begun.
    pub async fn end_each(mut self, outcomes: impl IntoIterator<Item = Outcome>) {
        let now = self.audit.clock.now();
        for (entry, outcome) in self.entries.iter_mut().zip(outcomes) {
            entry.ended(outcome, now);
            self.audit.copy(entry);
        }
        if self.write().await {
            return;
        }
        tokio::spawn(async move {
            let mut pause = Duration::from_secs(1);
            for _ in 0..RETRIES {
                sleep(pause).await;
                if self.write().await {
                    return;
                }
                pause *= 2;
            }
            for entry in &self.entries {
                tracing::error!(
                    cwsgate.request_id = entry.request_id,
                    cwsgate.audit.id = entry.id,
                    outcome = entry.outcome,
                    "the outcome of a change could not be recorded"
                );
            }
        });
    }

    async fn write(&self) -> bool {
        let updates = self.entries.iter().map(Entry::update).collect();
        matches!(timeout(PATIENCE, self.audit.db.write(updates)).await, Ok(Ok(_)))
    }
}

/// Longest wait for the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often an outcome is tried to be written later: a good four minutes in all.
const RETRIES: u32 = 8;

/// No call lasts longer: an outcome that is not there by then will not come.
const LONGEST_CALL: Duration = Duration::from_hours(2);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::{
        audit::{Filter, Visible},
        domain::{AppName, AuthMethod, Principal, RequestId},
    };

    #[derive(Debug)]
    struct Then;

    impl Clock for Then {
        fn now(&self) -> Timestamp {
            "2030-01-31T05:00:00Z".parse().unwrap()
        }
    }

    #[tokio::test]
    async fn entries_tell_the_time_of_the_clock_and_keep_their_order() {
        let db = Db::in_memory().await.unwrap();
        let config = config::Audit { file: None, retention: Duration::from_hours(1) };
        let audit = Audit::new(db, &config, Arc::new(Then));
        let app = AppName::try_from("tests").unwrap();
        let principal = Principal { app, subject: None, method: AuthMethod::CommandLine };
        let id = RequestId::generate();
        let ctx = CallContext::new(Arc::new(principal), Instant::now(), id);
        for action in ["first", "second", "third"] {
            let event = Event { action: action.into(), ..Event::default() };
            audit.begin(&ctx, event, []).await.unwrap().end(Outcome::Succeeded).await;
        }

        let found = audit.search(&Visible::default(), &Filter::default(), None, 9).await.unwrap();

        let actions: Vec<_> = found.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["third", "second", "first"]);
        for entry in found {
            assert_eq!((entry.time, entry.end_time), (Then.now(), Some(Then.now())));
        }
    }
}
