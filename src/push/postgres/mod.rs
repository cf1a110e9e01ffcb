//! Pushes to PostgreSQL, in one transaction.
//!
//! The target keeps the version of each of its tables in `feed_state`. Under a lock of the transaction, the push reads it,
//! copies what changed since to a temporary table, deletes and inserts by key, and writes the new version. If the answer to
//! COMMIT is lost, `feed_state` tells whether it happened.

mod copy_text;
mod password;
mod plain_stream;
mod session;
mod tables;
mod tls;

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::SinkExt;

use super::{PushError, PushOptions, PushReport, PushedTable, TargetState};
use crate::store::{FeedSnapshot, FeedTable};
use crate::target::{OnDelete, PostgresPlace, ServerAddress, Target};
use copy_text::{RowText, RowTexts};
use session::Session;
use tables::{TableSql, TargetTables};

/// Rows are sent in pieces of this size.
const CHUNK_BYTES: usize = 64 * 1024;

/// What the target has of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Watermark {
    epoch: String,
    version: i64,
}

type Watermarks = BTreeMap<String, Watermark>;

/// A target that is a database.
#[derive(Debug, Clone, Copy)]
pub(super) struct DatabaseTarget<'t> {
    name: &'t str,
    tables: &'t [&'static str],
    store: Option<&'t str>,
    address: &'t ServerAddress,
    schema: &'t str,
    on_delete: OnDelete,
}

impl<'t> DatabaseTarget<'t> {
    pub(super) fn new(target: &'t Target, place: &'t PostgresPlace) -> DatabaseTarget<'t> {
        DatabaseTarget {
            name: &target.name,
            tables: &target.tables,
            store: target.store.as_deref(),
            address: &place.address,
            schema: &place.schema,
            on_delete: place.on_delete,
        }
    }
}

pub(super) async fn push(
    snapshot: &FeedSnapshot,
    target: DatabaseTarget<'_>,
    options: &PushOptions,
) -> Result<PushReport, PushError> {
    let mut report = PushReport::of(target.name, snapshot);
    let session = Session::connect(target).await?;
    if !options.full && has_all(&session.known_versions(target).await?, target, snapshot) {
        report.unchanged = true;
        return Ok(report);
    }
    session.execute("BEGIN").await?;
    session.execute("SET LOCAL lock_timeout = '60s'; SET LOCAL standard_conforming_strings = on").await?;
    lock(&session, target).await?;
    let known = watermarks(&session, target).await?;
    let mut there = TargetTables::read(&session, target).await?;
    there.create_schema_and_state(&session).await?;
    let wanted = snapshot.tables.iter().filter(|table| target.tables.contains(&table.name));
    for table in wanted {
        let sql = TableSql::new(target, table);
        let is_altered = there.bring_up_to_date(&session, &sql, known.contains_key(table.name)).await?;
        let mark = known
            .get(table.name)
            .filter(|mark| !options.full && !is_altered && !snapshot.state.needs_full_read(&mark.epoch, mark.version));
        let done = match mark {
            None => send_all(&session, snapshot, table, &sql, &mut report).await?,
            Some(mark) => send_changes(&session, snapshot, table, &sql, mark.version, &mut report).await?,
        };
        if there.has_marks(table.name) {
            forget_marks(&session, target, &sql, options).await?;
        }
        if done.rows + done.deleted > 0 || done.full {
            report.tables.push(done);
        }
    }
    for table in tables_to_empty(&known, target, snapshot) {
        session.execute(&there.empty_sql(target, table)).await?;
        report.emptied.push(table.to_owned());
    }
    session.execute(&save_watermarks_sql(target, snapshot)).await?;
    commit(session, target, snapshot).await?;
    Ok(report)
}

pub(super) async fn target_state(
    snapshot: &FeedSnapshot,
    target: DatabaseTarget<'_>,
) -> Result<TargetState, PushError> {
    let known = Session::connect(target).await?.known_versions(target).await?;
    let state = &snapshot.state;
    let behind = target.tables.iter().map(|table| {
        let mark = known.get(*table).filter(|mark| !state.needs_full_read(&mark.epoch, mark.version))?;
        Some(state.version - mark.version)
    });
    Ok(behind
        .collect::<Option<Vec<_>>>()
        .map_or(TargetState::NeedsAll, |behind| TargetState::Behind(behind.into_iter().max().unwrap_or_default())))
}

/// Only one push to the schema with this store at a time. The lock ends with the transaction, and so with the connection.
async fn lock(session: &Session, target: DatabaseTarget<'_>) -> Result<(), PushError> {
    let name = format!("cratedigger {} {}", target.schema, target.store.unwrap_or_default());
    let key = i64::from_ne_bytes(xxhash_rust::xxh3::xxh3_64(name.as_bytes()).to_ne_bytes());
    let got = session.rows(&format!("SELECT pg_try_advisory_xact_lock({key})")).await?;
    if got.first().and_then(|row| row.first()).and_then(Option::as_deref) == Some("t") {
        return Ok(());
    }
    Err(PushError::Busy { target: target.name.to_owned() })
}

/// What the target has of each table of this store, inside a transaction. Nothing if it was never pushed to.
async fn watermarks(session: &Session, target: DatabaseTarget<'_>) -> Result<Watermarks, PushError> {
    let state = literal(&format!("{}.feed_state", target.schema));
    let exists = session.rows(&format!("SELECT to_regclass({state}) IS NOT NULL")).await?;
    if exists.first().and_then(|row| row.first()).and_then(Option::as_deref) != Some("t") {
        return Ok(Watermarks::new());
    }
    Ok(read_watermarks(session.rows(&watermarks_sql(target)).await?))
}

fn watermarks_sql(target: DatabaseTarget<'_>) -> String {
    let store = literal(target.store.unwrap_or_default());
    format!("SELECT table_name, epoch, version FROM {}.feed_state WHERE store = {store}", target.schema)
}

fn read_watermarks(rows: Vec<Vec<Option<String>>>) -> Watermarks {
    let mut found = Watermarks::new();
    for row in rows {
        if let [Some(table), Some(epoch), Some(version)] = &row[..]
            && let Ok(version) = version.parse()
        {
            found.insert(table.clone(), Watermark { epoch: epoch.clone(), version });
        }
    }
    found
}

/// Whether the target has this state of the store.
fn has_all(known: &Watermarks, target: DatabaseTarget<'_>, snapshot: &FeedSnapshot) -> bool {
    let state = &snapshot.state;
    let is_there = |mark: &Watermark| mark.epoch == state.epoch && mark.version == state.version;
    target.tables.iter().all(|table| known.get(*table).is_some_and(is_there))
        && tables_to_empty(known, target, snapshot).is_empty()
}

/// The tables that an earlier target file named, and that have rows from before a purge. Nothing updates them, so all their
/// rows have to go. An emptied table has no epoch.
fn tables_to_empty<'k>(known: &'k Watermarks, target: DatabaseTarget<'_>, snapshot: &FeedSnapshot) -> Vec<&'k str> {
    let is_older = |mark: &Watermark| mark.epoch != snapshot.state.epoch || mark.version < snapshot.purged;
    let has_rows = |mark: &Watermark| !mark.epoch.is_empty() && snapshot.purged > 0 && is_older(mark);
    let unnamed = known.iter().filter(|(table, _)| !target.tables.contains(&table.as_str()));
    unnamed.filter(|(_, mark)| has_rows(mark)).map(|(table, _)| table.as_str()).collect()
}

fn save_watermarks_sql(target: DatabaseTarget<'_>, snapshot: &FeedSnapshot) -> String {
    let store = literal(target.store.unwrap_or_default());
    let (epoch, version) = (literal(&snapshot.state.epoch), snapshot.state.version);
    let rows = target.tables.iter().map(|table| format!("({store}, {}, {epoch}, {version}, now())", literal(table)));
    format!(
        "INSERT INTO {}.feed_state (store, table_name, epoch, version, pushed_at) VALUES {} ON CONFLICT (store, table_name) \
         DO UPDATE SET epoch = excluded.epoch, version = excluded.version, pushed_at = excluded.pushed_at",
        target.schema,
        rows.collect::<Vec<_>>().join(", ")
    )
}

/// Replaces all rows of a table.
async fn send_all(
    session: &Session,
    snapshot: &FeedSnapshot,
    table: &FeedTable,
    sql: &TableSql,
    report: &mut PushReport,
) -> Result<PushedTable, PushError> {
    session.execute(&sql.delete_all()).await?;
    let mut query = snapshot.rows(table, None)?;
    let mut rows = RowTexts::start(&mut query, table, sql.store(), sql.has_marks()).map_err(|e| snapshot.error(e))?;
    copy(session, snapshot, &sql.copy_all(), &mut rows, None).await?;
    Ok(rows.end(table.name, true, report))
}

/// Sends what changed since a version. Nothing is sent if nothing changed.
async fn send_changes(
    session: &Session,
    snapshot: &FeedSnapshot,
    table: &FeedTable,
    sql: &TableSql,
    since: i64,
    report: &mut PushReport,
) -> Result<PushedTable, PushError> {
    let mut query = snapshot.rows(table, Some(since))?;
    let mut rows = RowTexts::start(&mut query, table, sql.store(), true).map_err(|e| snapshot.error(e))?;
    if let Some(first) = rows.next().map_err(|e| snapshot.error(e))? {
        session.execute(&sql.create_changes()).await?;
        copy(session, snapshot, &sql.copy_changes(), &mut rows, Some(first)).await?;
        session.execute(&sql.apply_changes()).await?;
    }
    Ok(rows.end(table.name, false, report))
}

/// Sends rows, a piece at a time.
async fn copy(
    session: &Session,
    snapshot: &FeedSnapshot,
    sql: &str,
    rows: &mut RowTexts<'_>,
    first: Option<RowText>,
) -> Result<(), PushError> {
    let sink = session.copy_in(sql).await?;
    let mut sink = std::pin::pin!(sink);
    let mut piece = first.unwrap_or_default().0;
    loop {
        let next = rows.next().map_err(|e| snapshot.error(e))?;
        if let Some(RowText(text)) = &next {
            piece.push_str(text);
        }
        if piece.len() >= CHUNK_BYTES || next.is_none() {
            let full = Bytes::from(std::mem::take(&mut piece));
            session.within(sink.send(full)).await?;
        }
        if next.is_none() {
            break;
        }
    }
    session.within(sink.as_mut().finish()).await.map(drop)
}

/// Removes the keys of rows that were marked as deleted long ago, or all of them if they are not marked any more.
async fn forget_marks(
    session: &Session,
    target: DatabaseTarget<'_>,
    sql: &TableSql,
    options: &PushOptions,
) -> Result<(), PushError> {
    match (target.on_delete, &options.forget_marks_before) {
        (OnDelete::Delete, _) => session.execute(&sql.forget_marks(None)).await,
        (OnDelete::Mark, Some(before)) => session.execute(&sql.forget_marks(Some(before))).await,
        (OnDelete::Mark, None) => Ok(()),
    }
}

/// Commits. If no answer comes, the target itself tells whether it has the version.
async fn commit(session: Session, target: DatabaseTarget<'_>, snapshot: &FeedSnapshot) -> Result<(), PushError> {
    let Err(error) = session.execute("COMMIT").await else { return Ok(()) };
    if !matches!(error, PushError::Unreachable { .. }) {
        return Err(error);
    }
    drop(session);
    let again = Session::connect(target).await.map_err(|_| error.without_answer())?;
    match again.known_versions(target).await {
        Ok(known) if has_all(&known, target, snapshot) => Ok(()),
        Ok(_) => Err(error),
        Err(_) => Err(error.without_answer()),
    }
}

impl PushError {
    /// The same error of a COMMIT whose outcome is unknown.
    fn without_answer(&self) -> PushError {
        match self {
            PushError::Unreachable { target, why } => PushError::Unreachable {
                target: target.clone(),
                why: format!("{why}; whether the last push was stored is not known, and the next one finds out"),
            },
            other => PushError::Unreachable { target: String::new(), why: other.to_string() },
        }
    }
}

/// A text as an SQL literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as an SQL identifier.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
