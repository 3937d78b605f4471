use tokio_util::sync::CancellationToken;

/// A token that is cancelled by SIGTERM or Ctrl-C.
pub(super) fn shutdown() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        wait().await;
        cancelled.cancel();
        // A second one does not wait for the drain.
        wait().await;
        std::process::exit(1);
    });
    token
}

#[cfg(unix)]
async fn wait() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn wait() {
    drop(tokio::signal::ctrl_c().await);
}
