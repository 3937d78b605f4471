//! The `cwsgate` program: see `cwsgate --help`.

use cwsgate::commands::{self, Exit};

#[tokio::main]
async fn main() -> Exit {
    commands::run().await
}
