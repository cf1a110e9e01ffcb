//! Stopping: after it nothing more is sent and no wait goes on.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::clock::Clock;

/// A stop that all tasks of a run look at.
#[derive(Debug, Default)]
pub struct Halt {
    stopped: AtomicBool,
    bell: Notify,
}

/// The run was stopped while something waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl Halt {
    /// Stops, for good.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.bell.notify_waiters();
    }

    /// Errs once stopped.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub fn check(&self) -> Result<(), Stopped> {
        if self.stopped.load(Ordering::SeqCst) {
            return Err(Stopped);
        }
        Ok(())
    }

    /// Awaits something, but not past the stop.
    ///
    /// # Errors
    ///
    /// [`Stopped`]; what was awaited is dropped.
    pub async fn or<T>(&self, wait: impl Future<Output = T>) -> Result<T, Stopped> {
        let mut bell = pin!(self.bell.notified());
        bell.as_mut().enable();
        self.check()?;
        tokio::select! {
            biased;
            () = bell => Err(Stopped),
            done = wait => Ok(done),
        }
    }

    /// Awaits something that is under way, and past the stop for no longer than `grace`.
    ///
    /// # Errors
    ///
    /// [`Stopped`]; what was awaited is dropped.
    pub async fn or_soon<T>(
        &self,
        clock: &dyn Clock,
        grace: Duration,
        wait: impl Future<Output = T>,
    ) -> Result<T, Stopped> {
        let mut wait = pin!(wait);
        if let Ok(done) = self.or(wait.as_mut()).await {
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
    pub async fn sleep(&self, clock: &dyn Clock, how_long: Duration) -> Result<(), Stopped> {
        self.or(clock.sleep(how_long)).await
    }
}
