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

use std::collections::{BTreeMap, BTreeSet};

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
    /// The id of the store that the rows come from. Earlier programs did not write it.
    store_id: Option<String>,
    /// The columns that the table has now, with their types. None if it does not exist any more.
    columns: BTreeSet<String>,
}

impl Watermark {
    /// Whether the rows are those of the store, as it is or was. A table that was emptied has none.
    fn is_of(&self, snapshot: &FeedSnapshot) -> bool {
        self.epoch.is_empty() || snapshot.is_source_of(self.store_id.as_deref(), &self.epoch)
    }
}

type Watermarks = BTreeMap<String, Watermark>;

/// A target that is a database.
#[derive(Debug, Clone, Copy)]
pub(super) struct DatabaseTarget<'t> {
    name: &'t str,
    file: &'t str,
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
            file: &target.file,
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
    if !options.full {
        refuse_other_store(&known, target, snapshot)?;
    }
    report.full_because = full_because(&known, target, snapshot, options);
    let mut there = TargetTables::read(&session, target).await?;
    there.create_schema_and_state(&session).await?;
    for table in named_tables(target, snapshot) {
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
    refuse_other_store(&known, target, snapshot)?;
    let state = &snapshot.state;
    let is_altered = |table: &FeedTable| known.get(table.name).is_some_and(|mark| !has_columns(mark, target, table));
    if named_tables(target, snapshot).any(is_altered) {
        return Ok(TargetState::Altered);
    }
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
    // A row as JSON has no error if the column does not exist yet.
    let (store, schema) = (literal(target.store.unwrap_or_default()), target.schema);
    format!(
        "SELECT f.table_name, f.epoch, f.version, to_jsonb(f)->>'store_id', (SELECT string_agg(\
         a.attname || ' ' || format_type(a.atttypid, NULL), ',') FROM pg_attribute a WHERE a.attrelid = \
         to_regclass(format('%I.%I', {}, f.table_name)) AND a.attnum > 0 AND NOT a.attisdropped) \
         FROM {schema}.feed_state f WHERE f.store = {store}",
        literal(schema)
    )
}

/// The tables that the target file names.
fn named_tables<'s>(target: DatabaseTarget<'s>, snapshot: &'s FeedSnapshot) -> impl Iterator<Item = &'s FeedTable> {
    snapshot.tables.iter().filter(move |table| target.tables.contains(&table.name))
}

/// Whether a table exists with all its columns.
fn has_columns(mark: &Watermark, target: DatabaseTarget<'_>, table: &FeedTable) -> bool {
    let wanted = TableSql::new(target, table);
    wanted.typed_columns().all(|column| mark.columns.contains(&column))
}

/// Rows of another store would be deleted with the first table that is sent.
fn refuse_other_store(
    known: &Watermarks,
    target: DatabaseTarget<'_>,
    snapshot: &FeedSnapshot,
) -> Result<(), PushError> {
    match target.tables.iter().filter_map(|table| known.get(*table)).all(|mark| mark.is_of(snapshot)) {
        true => Ok(()),
        false => Err(PushError::OtherStore { target: target.name.to_owned(), file: target.file.to_owned() }),
    }
}

/// Why all rows are sent, although the target has some.
fn full_because(
    known: &Watermarks,
    target: DatabaseTarget<'_>,
    snapshot: &FeedSnapshot,
    options: &PushOptions,
) -> Option<&'static str> {
    let mut marks = target.tables.iter().filter_map(|table| known.get(*table)).filter(|mark| !mark.epoch.is_empty());
    let state = &snapshot.state;
    let (has_rows, is_older) = (marks.clone().next().is_some(), |mark: &Watermark| mark.version < state.since);
    match has_rows {
        true if options.full => Some("of `--full`"),
        true if marks.clone().any(is_older) => Some("rows were purged, or deleted too long ago"),
        true => marks.any(|mark| state.needs_full_read(&mark.epoch, mark.version)).then_some("the store was replaced"),
        false => None,
    }
}

fn read_watermarks(rows: Vec<Vec<Option<String>>>) -> Watermarks {
    let mut found = Watermarks::new();
    for row in rows {
        if let [Some(table), Some(epoch), Some(version), store_id, columns] = &row[..]
            && let Ok(version) = version.parse()
        {
            let columns = columns.as_deref().unwrap_or_default().split(',').map(str::to_owned).collect();
            let mark = Watermark { epoch: epoch.clone(), version, store_id: store_id.clone(), columns };
            found.insert(table.clone(), mark);
        }
    }
    found
}

/// Whether the target has this state of the store.
fn has_all(known: &Watermarks, target: DatabaseTarget<'_>, snapshot: &FeedSnapshot) -> bool {
    let state = &snapshot.state;
    let is_there = |mark: &Watermark| mark.epoch == state.epoch && mark.version == state.version;
    named_tables(target, snapshot)
        .all(|table| known.get(table.name).is_some_and(|mark| is_there(mark) && has_columns(mark, target, table)))
        && tables_to_empty(known, target, snapshot).is_empty()
}

/// The tables that an earlier target file named, and that have rows from before a purge. Nothing updates them, so all their
/// rows have to go. An emptied table has no epoch.
fn tables_to_empty<'k>(known: &'k Watermarks, target: DatabaseTarget<'_>, snapshot: &FeedSnapshot) -> Vec<&'k str> {
    let is_older = |mark: &Watermark| mark.epoch != snapshot.state.epoch || mark.version < snapshot.purged;
    let has_rows = |mark: &Watermark| !mark.epoch.is_empty() && snapshot.purged > 0 && is_older(mark);
    let named = |table: &str| target.tables.contains(&table);
    // A push of everything replaces other stores, and their rows in tables that the file does not name go with them.
    let replaced: BTreeSet<_> =
        known.iter().filter(|(table, mark)| named(table) && !mark.is_of(snapshot)).map(|(_, m)| &m.store_id).collect();
    let has_to_go = |mark: &Watermark| match mark.is_of(snapshot) {
        true => has_rows(mark),
        false => replaced.contains(&mark.store_id),
    };
    known.iter().filter(|(table, mark)| !named(table) && has_to_go(mark)).map(|(table, _)| table.as_str()).collect()
}

fn save_watermarks_sql(target: DatabaseTarget<'_>, snapshot: &FeedSnapshot) -> String {
    let store = literal(target.store.unwrap_or_default());
    let (epoch, version) = (literal(&snapshot.state.epoch), snapshot.state.version);
    let id = literal(&snapshot.store_id);
    let of_table = |table: &&str| format!("({store}, {}, {epoch}, {version}, now(), {id})", literal(table));
    let rows = target.tables.iter().map(of_table);
    format!(
        "INSERT INTO {}.feed_state (store, table_name, epoch, version, pushed_at, store_id) VALUES {} \
         ON CONFLICT (store, table_name) DO UPDATE SET epoch = excluded.epoch, version = excluded.version, \
         pushed_at = excluded.pushed_at, store_id = excluded.store_id",
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
    /// The same error for a COMMIT with an unknown outcome.
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
