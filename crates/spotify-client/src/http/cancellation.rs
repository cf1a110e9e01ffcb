//! Waits that end when a run is stopped. The signal is a [`CancellationToken`]; these functions add
//! two things that it lacks: the stop comes first if both are ready, and a grace period for a response that is
//! on its way.

use std::pin::pin;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::clock::Clock;

/// The run was stopped while something waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Waits for a future, but not past the stop.
///
/// `CancellationToken::run_until_cancelled` prefers the future if both are ready. Here the stop is
/// preferred, so that nothing is sent after it.
///
/// # Errors
///
/// [`Stopped`]. The future is dropped.
pub async fn until_stopped<T>(token: &CancellationToken, wait: impl Future<Output = T>) -> Result<T, Stopped> {
    tokio::select! {
        biased;
        () = token.cancelled() => Err(Stopped),
        done = wait => Ok(done),
    }
}

/// Waits for a future that is under way, but for at most `grace` after the stop.
///
/// # Errors
///
/// [`Stopped`]. The future is dropped.
pub async fn until_stopped_and<T>(
    token: &CancellationToken,
    (clock, grace): (&dyn Clock, Duration),
    wait: impl Future<Output = T>,
) -> Result<T, Stopped> {
    let mut wait = pin!(wait);
    if let Ok(done) = until_stopped(token, wait.as_mut()).await {
        return Ok(done);
    }
    tokio::select! {
        biased;
        done = wait => Ok(done),
        () = clock.sleep(grace) => Err(Stopped),
    }
}

/// Sleeps, but not past the stop.
///
/// # Errors
///
/// [`Stopped`].
pub async fn sleep(token: &CancellationToken, clock: &dyn Clock, how_long: Duration) -> Result<(), Stopped> {
    until_stopped(token, clock.sleep(how_long)).await
}
