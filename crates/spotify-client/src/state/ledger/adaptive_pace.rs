//! A pace that finds out what Spotify allows. It is off by default.
//!
//! Spotify publishes no number: it counts calls in a rolling window of 30 seconds. The pace starts at the
//! fixed one. Each full window without a refusal makes it half as fast again, up to a set ceiling or the
//! first refusal. From then on it follows the number of calls in the window before that refusal: it uses
//! nine tenths of it, returns to it over ten minutes along a cubic curve, and then slowly exceeds it,
//! which is the probe for more. There is thus at most one probe in ten minutes. In simulations this used
//! 96 % of an unknown limit at 4 to 6 refusals an hour; halving on refusals used 74 %.
//!
//! The result is kept for a client id over restarts, is shared by its processes, and is forgotten after
//! seven days. Time counts only while calls are sent at the full pace: an idle night teaches nothing.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::pace::{AdaptivePace, CallPace};
use crate::state::clock_reading::ClockReading;

/// Raised by this after a full window without a refusal, until the first.
const RAISE: f64 = 1.5;
/// After a refusal, this part of the counted calls is used.
const BACK_OFF: f64 = 0.9;
/// Windows until the pace is back at the refused value: 20 of 30 seconds are ten minutes.
const WINDOWS_TO_RECOVER: f64 = 20.0;
/// A refusal after few calls is about something else; slower than this part of the start is never learned.
const LEAST: f64 = 0.25;
/// The learned pace is forgotten after this.
const LASTS_MS: i64 = 7 * 86_400_000;
/// Calls looked at to count those of a window: more than any ceiling lets through in one.
const MAX_CALLS_COUNTED: i64 = 2_000;

struct AdaptiveRow {
    window_ms: i64,
    allowed: f64,
    refused_ms: Option<i64>,
    grown_ms: f64,
}

impl AdaptiveRow {
    /// Calls in a window at the present pace.
    fn calls(&self) -> f64 {
        if self.refused_ms.is_none() {
            return self.allowed;
        }
        let back_ms = self.window_ms as f64 * WINDOWS_TO_RECOVER;
        let rest = self.grown_ms / back_ms - 1.0;
        self.allowed * (1.0 + (1.0 - BACK_OFF) * rest.powi(3))
    }
}

/// The pace for the next call of a client, which is counted as one.
pub(in crate::state) fn adapt(
    tx: &Connection,
    client: &str,
    start: CallPace,
    rules: AdaptivePace,
    now: ClockReading,
) -> rusqlite::Result<CallPace> {
    let window_ms = millis(rules.window);
    let per_window = |interval: Duration| window_ms as f64 / (interval.as_secs_f64() * 1_000.0).max(0.001);
    let (begin, most) = (per_window(start.interval), per_window(rules.least_interval));
    let known = read(tx, client)?.filter(|row| {
        row.window_ms == window_ms && row.refused_ms.is_none_or(|at| now.wall_ms() - at < LASTS_MS) && row.allowed > 0.0
    });
    let mut row = known.unwrap_or(AdaptiveRow { window_ms, allowed: begin, refused_ms: None, grown_ms: 0.0 });
    let calls = row.calls().clamp(begin * LEAST, most.max(begin));
    let interval_ms = window_ms as f64 / calls;
    row.grown_ms += interval_ms;
    if row.refused_ms.is_none() && row.grown_ms >= window_ms as f64 {
        row.allowed = (row.allowed * RAISE).min(most.max(begin));
        row.grown_ms = 0.0;
    }
    write(tx, client, &row)?;
    Ok(CallPace { interval: Duration::from_secs_f64(interval_ms / 1_000.0), burst: 1, adapts: start.adapts })
}

/// Learns from a refusal. Only the first of a window says something: others were on their way.
pub(in crate::state) fn record_refusal(tx: &Connection, client: &str, now: ClockReading) -> rusqlite::Result<()> {
    let Some(mut row) = read(tx, client)? else { return Ok(()) };
    if row.refused_ms.is_some_and(|at| now.wall_ms() - at < row.window_ms) {
        return Ok(());
    }
    let counted: f64 = tx
        .prepare_cached(
            "SELECT count(*) FROM (SELECT scope_id, at_ms, outcome FROM calls ORDER BY call_id DESC LIMIT ?4)
             JOIN scopes USING (scope_id) WHERE client = ?1 AND at_ms > ?2 AND at_ms <= ?3 AND outcome >= 0",
        )?
        .query_row(params![client, now.wall_ms() - row.window_ms, now.wall_ms(), MAX_CALLS_COUNTED], |row| {
            row.get::<_, i64>(0)
        })? as f64;
    // The refused call is among them.
    row.allowed = (counted - 1.0).max(1.0);
    row.refused_ms = Some(now.wall_ms());
    row.grown_ms = 0.0;
    write(tx, client, &row)
}

fn read(tx: &Connection, client: &str) -> rusqlite::Result<Option<AdaptiveRow>> {
    tx.prepare_cached("SELECT window_ms, allowed, refused_ms, grown_ms FROM adaptive WHERE client = ?1")?
        .query_row([client], |row| {
            Ok(AdaptiveRow {
                window_ms: row.get(0)?,
                allowed: row.get(1)?,
                refused_ms: row.get(2)?,
                grown_ms: row.get(3)?,
            })
        })
        .optional()
}

fn write(tx: &Connection, client: &str, row: &AdaptiveRow) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO adaptive VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
        client,
        row.window_ms,
        row.allowed,
        row.refused_ms,
        row.grown_ms
    ])?;
    Ok(())
}

/// What a client's pace was found to be: calls in a window, and since when that is known.
pub(in crate::state) fn learned_rate(
    tx: &Connection,
    client: &str,
    now: ClockReading,
) -> rusqlite::Result<Option<(f64, i64, i64)>> {
    let row = read(tx, client)?.filter(|row| row.refused_ms.is_some_and(|at| now.wall_ms() - at < LASTS_MS));
    Ok(row.and_then(|row| Some((row.calls(), row.window_ms, row.refused_ms?))))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4).max(1)
}
