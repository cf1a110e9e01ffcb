//! Notices that the clock was set, and moves the times in the ledger with it.
//!
//! Deadlines and the rolling day are kept by the wall clock. A step forward would free calls early and
//! cause a cool-down; a step back would block them for hours too long. Every transaction therefore compares
//! both clocks with the last reading. Within one boot, the difference *is* the step, and all times are
//! moved by it. A step that is too small to tell from the time between two readings is remembered until
//! others add to it. Over a reboot only a step back can be noticed; times that are then in the future are
//! treated as the present, so that nothing lasts longer than it was meant to. A clock that is wrong and
//! ahead after a reboot cannot be distinguished from one that is right.

use rusqlite::{Connection, OptionalExtension, params};

use crate::state::clock_reading::ClockReading;

/// The ledger follows only a larger step forward, because two readings are never taken at the same instant.
/// Slewing is no difference, since it moves both clocks. The rest of a step adds up with the next one.
const AHEAD_MS: i64 = 250;
/// A clock that is behind only delays calls a little. Following it at once would free calls because of a process
/// that was suspended between its two readings.
const BEHIND_MS: i64 = 30_000;
/// Smaller steps come from a time service and are not worth a warning.
const REPORTED_STEP_MS: i64 = 30_000;
/// Processes read their clocks before they wait for the lock, so a little back is normal.
const BACK_MS: i64 = 10_000;
/// Spotify's rolling window: what we wait where the pace before is not known.
const WINDOW_MS: i64 = 30_000;
/// After a reboot the last slot is honoured this long.
const RECENT_MS: i64 = 600_000;

struct StoredReading {
    wall_ms: i64,
    steady_ms: i64,
    boot: Option<i64>,
    generation: i64,
}

/// Compares the clocks with the last reading and moves the times in the ledger after a step. Returns the
/// generation, which changes whenever times in the ledger were rewritten.
pub(in crate::state) fn follow_clock(tx: &Connection, now: ClockReading) -> rusqlite::Result<i64> {
    let last = tx
        .prepare_cached("SELECT wall_ms, steady_ms, boot, generation FROM clock WHERE one = 1")?
        .query_row((), |row| {
            Ok(StoredReading {
                wall_ms: row.get(0)?,
                steady_ms: row.get(1)?,
                boot: row.get(2)?,
                generation: row.get(3)?,
            })
        })
        .optional()?;
    let Some(last) = last else {
        record_reading(tx, now, 1)?;
        return Ok(1);
    };
    let passed_ms = now.wall_ms() - last.wall_ms;
    // A container that restarts may count its uptime from zero under the boot id of the host.
    let restarted = now.boot != last.boot || now.steady_ms < last.steady_ms - BACK_MS;
    let mut seen = now;
    if now.boot.is_some() && !restarted {
        let step_ms = passed_ms - (now.steady_ms - last.steady_ms);
        if !(-BEHIND_MS..=AHEAD_MS).contains(&step_ms) {
            if step_ms.abs() > REPORTED_STEP_MS {
                tracing::warn!(step_ms, "the clock was set; the ledger follows it");
            } else {
                tracing::debug!(step_ms, "the clock was corrected; the ledger follows it");
            }
            shift_times(tx, step_ms)?;
            return start_generation(tx, now, last.generation);
        }
        // The two clocks are noted as far apart as they were, so that small steps add up.
        seen.steady_ms += step_ms;
    } else if passed_ms < -BACK_MS {
        tracing::warn!(
            back_ms = -passed_ms,
            "the clock is behind its last reading; times in the future now count from the present"
        );
        clamp_future_times(tx, now.wall_ms())?;
        return start_generation(tx, now, last.generation);
    } else if restarted && passed_ms < RECENT_MS {
        wait_one_window(tx, now.wall_ms())?;
        return start_generation(tx, now, last.generation);
    }
    if passed_ms > 1_000 {
        record_reading(tx, seen, last.generation)?;
    }
    Ok(last.generation)
}

fn start_generation(tx: &Connection, now: ClockReading, generation: i64) -> rusqlite::Result<i64> {
    record_reading(tx, now, generation + 1)?;
    Ok(generation + 1)
}

/// Makes all processes read the ledger again.
pub(in crate::state) fn next_generation(tx: &Connection) -> rusqlite::Result<i64> {
    tx.query_row("UPDATE clock SET generation = generation + 1 RETURNING generation", (), |row| row.get(0))
}

fn record_reading(tx: &Connection, now: ClockReading, generation: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO clock VALUES (1, ?1, ?2, ?3, ?4)")?.execute(params![
        now.wall_ms(),
        now.steady_ms,
        now.boot,
        generation
    ])?;
    Ok(())
}

/// Moves every time in the ledger by a step of known size.
fn shift_times(tx: &Connection, step_ms: i64) -> rusqlite::Result<()> {
    tx.execute("UPDATE calls SET at_ms = at_ms + ?1", [step_ms])?;
    tx.execute("UPDATE cool_downs SET set_ms = set_ms + ?1, until_ms = until_ms + ?1", [step_ms])?;
    tx.execute("UPDATE ceilings SET set_ms = set_ms + ?1", [step_ms])?;
    tx.execute("UPDATE adaptive SET refused_ms = refused_ms + ?1", [step_ms])?;
    tx.execute("UPDATE pace SET slot_us = slot_us + ?1 * 1000", [step_ms])?;
    Ok(())
}

/// Treats times in the future as the present.
fn clamp_future_times(tx: &Connection, now_ms: i64) -> rusqlite::Result<()> {
    tx.execute("UPDATE calls SET at_ms = ?1 WHERE at_ms > ?1", [now_ms])?;
    tx.execute("UPDATE cool_downs SET set_ms = ?1, until_ms = ?1 + (until_ms - set_ms) WHERE set_ms > ?1", [now_ms])?;
    tx.execute("UPDATE ceilings SET set_ms = ?1 WHERE set_ms > ?1", [now_ms])?;
    tx.execute("UPDATE adaptive SET refused_ms = ?1 WHERE refused_ms > ?1", [now_ms])?;
    tx.execute("UPDATE pace SET slot_us = 0", ())?;
    wait_one_window(tx, now_ms)
}

fn wait_one_window(tx: &Connection, now_ms: i64) -> rusqlite::Result<()> {
    tx.execute("UPDATE pace SET slot_us = max(slot_us, ?1 * 1000)", [now_ms + WINDOW_MS])?;
    Ok(())
}
