//! The parts alone and together, in paused time; and calls over the wire.

mod breakers;
mod calls;
mod guards;
mod slots;

use std::time::Duration;

use tokio::time::advance;

async fn pass(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
}
