//! What keeps calls to Citrix from hurting each other, and Citrix.
//!
//! Small parts, each of which knows one thing and can be driven in paused time:
//!
//! | part | question |
//! |---|---|
//! | [`Cooldown`] | has Citrix said 429 to this customer a moment ago? |
//! | [`Breaker`] | does this service work for this customer? |
//! | [`RegionBreaker`] | does it work for the region's customers at all? |
//! | [`Slots`] | is there room for one more call, and whose turn is it? |
//! | [`Retry`] | may a call that failed be made again, and when? |
//!
//! [`Guard`] asks the first four for one call and gives out a [`Permit`], which learns how the call
//! ended. `Transport::send` is the one place where permits, attempts and retries come together; the
//! drop-in surface takes permits from the same guard. Nothing is shared between customers but the
//! region's breaker, so that one that hangs cannot use up another's room.

mod breaker;
mod cooldown;
mod event;
mod guard;
mod lane;
mod permit;
mod refusal;
mod region;
mod retry;
mod slots;
mod status;
mod switch;
mod window;

#[cfg(test)]
mod tests;

pub use event::{BreakerScope, GuardEvent, GuardEventKind};
pub use guard::Guard;
pub use permit::{Outcome, Permit};
pub use status::{BreakerState, BreakerStatus, CooldownStatus, SlotStatus};

pub(super) use lane::Owner;
pub(super) use refusal::Caller;
pub(super) use retry::Retry;

#[cfg(doc)]
use self::{breaker::Breaker, cooldown::Cooldown, region::RegionBreaker, slots::Slots};
