//! The pace that all processes of one client id share.
//!
//! A process takes the next free slot in one short transaction and then sleeps until it. Polling for a
//! slot was measured to starve the slower process completely. Reserving slots gave both processes about
//! the same number of calls, at 15–31 µs for each.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use crate::state::clock_reading::ClockReading;

/// A slot further ahead than this is a damaged or foreign entry, not a queue.
const MAX_SLOT_AHEAD_US: i64 = 60_000_000;

/// How fast, and how many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPace {
    /// Time between two calls; zero for no limit.
    pub interval: Duration,
    /// Calls that may go back to back after a pause, 1 to 3. A rolling window of Spotify's then
    /// sees at most rate × window + burst.
    pub burst: u32,
    /// How the pace is found out, where it is not fixed; `interval` is then where that begins.
    pub adapts: Option<AdaptivePace>,
}

/// How a pace adapts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdaptivePace {
    /// The window that the server counts in.
    pub window: Duration,
    /// The shortest time between two calls that is ever tried.
    pub least_interval: Duration,
}

/// Reserves the next slot of a client and returns it, in microseconds since 1970.
pub(in crate::state) fn reserve_slot(
    tx: &Connection,
    client: &str,
    pace: CallPace,
    now: ClockReading,
) -> rusqlite::Result<i64> {
    let now_us = now.wall.timestamp_micros();
    let step_us = i64::try_from(pace.interval.as_micros()).unwrap_or(MAX_SLOT_AHEAD_US);
    if step_us == 0 {
        return Ok(now_us);
    }
    let next: Option<i64> = tx
        .prepare_cached("SELECT slot_us FROM pace WHERE client = ?1")?
        .query_row([client], |row| row.get(0))
        .optional()?;
    let furthest = now_us + MAX_SLOT_AHEAD_US.max(step_us.saturating_mul(16));
    let credit = step_us * i64::from(pace.burst.saturating_sub(1));
    let slot = next.unwrap_or(0).clamp(now_us - credit, furthest);
    tx.prepare_cached("INSERT INTO pace VALUES (?1, ?2) ON CONFLICT DO UPDATE SET slot_us = excluded.slot_us")?
        .execute((client, slot + step_us))?;
    Ok(slot.max(now_us))
}
