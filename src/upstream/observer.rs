use std::{fmt, time::Duration};

use super::{GuardEvent, Place, Service};
use crate::domain::CustomerName;

/// Is told of every exchange with Citrix, once each has ended. Must not block.
pub trait Observer: fmt::Debug + Send + Sync {
    /// An exchange has ended.
    fn call_ended(&self, call: &ObservedCall<'_>);

    /// A guard let a call through or refused it, or learnt something from one.
    fn guarded(&self, _event: &GuardEvent<'_>) {}
}

/// An exchange with Citrix that has ended, tokens included.
#[derive(Clone, Copy, Debug)]
pub struct ObservedCall<'a> {
    /// The call, such as `daas.machines.list`: one of a fixed few.
    pub operation: &'static str,
    /// Which of Citrix's services.
    pub service: Service,
    /// Where.
    pub place: &'a Place,
    /// For which customer; a store may belong to none.
    pub customer: Option<&'a CustomerName>,
    /// `ok`, or the code of the error: one of a fixed few.
    pub outcome: &'static str,
    /// The status, where there was an answer.
    pub status: Option<u16>,
    /// From before the token was looked up until the body was read.
    pub duration: Duration,
}

/// Takes no notice.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn call_ended(&self, _call: &ObservedCall<'_>) {}
}
