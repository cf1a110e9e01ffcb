//! A clock for tests: it stands still while a task has work to do, and then jumps to the
//! next moment that a task waits for. So tests of waiting take no time.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use spotify_client::http::clock::{Clock, SleepFuture};
use spotify_client::state::ClockReading;
use tokio::sync::oneshot;

#[derive(Debug)]
pub struct MadeUpTime(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    now: ClockReading,
    sleepers: Vec<(i64, oneshot::Sender<()>)>,
}

pub fn noon() -> ClockReading {
    let wall: DateTime<Utc> = "2026-11-23T12:00:00Z".parse().unwrap();
    ClockReading { wall, steady_ms: 1_000_000, boot: Some(1) }
}

/// A reading later by a number of milliseconds, on both clocks.
pub trait Later {
    fn plus_ms(self, ms: i64) -> Self;
}

impl Later for ClockReading {
    fn plus_ms(self, ms: i64) -> ClockReading {
        ClockReading { wall: self.wall + TimeDelta::milliseconds(ms), steady_ms: self.steady_ms + ms, ..self }
    }
}

impl MadeUpTime {
    pub fn new() -> Arc<MadeUpTime> {
        Arc::new(MadeUpTime(Mutex::new(Inner { now: noon(), sleepers: Vec::new() })))
    }

    /// Made-up time since the test began.
    pub fn passed(&self) -> Duration {
        let ms = self.now().steady_ms - noon().steady_ms;
        Duration::from_millis(u64::try_from(ms).unwrap())
    }

    /// Runs a future to its end. Time jumps ahead whenever every task waits.
    pub async fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            let idle = async {
                for _ in 0..64 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                biased;
                done = &mut future => return done,
                () = idle => self.jump(),
            }
        }
    }

    fn jump(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.sleepers.retain(|(_, bell)| !bell.is_closed());
        let next = inner.sleepers.iter().map(|(at, _)| *at).min();
        let next = next.expect("all tasks wait, but none of them for a time");
        let by = next - inner.now.steady_ms;
        inner.now = inner.now.plus_ms(by.max(0));
        let (woken, still) = inner.sleepers.drain(..).partition(|(at, _)| *at <= next);
        inner.sleepers = still;
        let woken: Vec<(i64, oneshot::Sender<()>)> = woken;
        for (_, bell) in woken {
            let _ = bell.send(());
        }
    }
}

impl Clock for MadeUpTime {
    fn now(&self) -> ClockReading {
        self.0.lock().unwrap().now
    }

    fn sleep(&self, how_long: Duration) -> SleepFuture<'_> {
        let mut inner = self.0.lock().unwrap();
        let ms = i64::try_from(how_long.as_micros().div_ceil(1_000)).unwrap();
        let at = inner.now.steady_ms + ms;
        let (bell, rings) = oneshot::channel();
        inner.sleepers.push((at, bell));
        Box::pin(async move {
            let _ = rings.await;
        })
    }
}
