//! What the overview shows of the runs of all jobs: calls by day, and when each fetch was last read.

use rusqlite::{Connection, Row, params};

use super::number;

/// Number of runs of a job in which the last complete read of a fetch is searched.
const RUNS_SEARCHED: u32 = 200;

/// The calls of the runs of a job.
#[derive(Debug, Default)]
pub struct CallsOfJob {
    /// By the day (UTC) on which the run began.
    pub by_day: Vec<(String, u64)>,
    /// Calls of the runs that began in the last 24 hours.
    pub last_day: u64,
}

/// When a fetch was read.
#[derive(Debug)]
pub struct FetchRead {
    pub fetch: String,
    pub stream: String,
    /// The start of the newest run that read it completely, if it is one of the newest runs.
    pub complete_at: Option<String>,
    /// How it ended in the newest run that has it.
    pub state: String,
}

/// Returns the calls of a job from a day on, and those of runs that began since a time.
///
/// # Errors
/// If the store cannot be read.
pub fn calls_of_job(store: &Connection, job: &str, from: &str, day_ago: &str) -> rusqlite::Result<CallsOfJob> {
    let sql = "SELECT date(started_at), sum(calls), sum(iif(started_at >= ?3, calls, 0)) FROM runs
               WHERE job = ?1 AND started_at >= min(?2, ?3) GROUP BY 1 ORDER BY 1";
    let mut days = store.prepare_cached(sql)?;
    let mut of_job = CallsOfJob::default();
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, number(row, 1)?, number(row, 2)?));
    for day in days.query_map(params![job, from, day_ago], read)? {
        let (day, calls, recent) = day?;
        of_job.last_day += recent;
        if day.as_str() >= from {
            of_job.by_day.push((day, calls));
        }
    }
    Ok(of_job)
}

/// Returns when the fetches of the newest runs of a job were read.
///
/// # Errors
/// If the store cannot be read.
pub fn fetch_reads(store: &Connection, job: &str) -> rusqlite::Result<Vec<FetchRead>> {
    let sql = "WITH recent AS (SELECT id, started_at FROM runs WHERE job = ?1 ORDER BY started_at DESC, id DESC LIMIT ?2),
        -- A fetch for several users is complete if it is for all of them.
        reads AS MATERIALIZED (SELECT f.fetch, f.stream, r.id, r.started_at, min(f.state = 'complete') AS is_complete,
            max(CASE f.state WHEN 'failed' THEN '3failed' WHEN 'deferred' THEN '2deferred' WHEN 'partial' THEN '1partial'
              ELSE '0complete' END) AS worst
          FROM recent r JOIN run_fetches f ON f.run_id = r.id GROUP BY r.id, f.fetch),
        completed AS (SELECT fetch, max(started_at) AS at FROM reads WHERE is_complete GROUP BY fetch)
        SELECT n.fetch, n.stream, c.at, substr(n.worst, 2), max(n.started_at || printf('%020d', n.id))
        FROM reads n LEFT JOIN completed c ON c.fetch = n.fetch GROUP BY n.fetch ORDER BY n.fetch";
    let read = |row: &Row<'_>| {
        Ok(FetchRead { fetch: row.get(0)?, stream: row.get(1)?, complete_at: row.get(2)?, state: row.get(3)? })
    };
    store.prepare_cached(sql)?.query_map(params![job, RUNS_SEARCHED], read)?.collect()
}
