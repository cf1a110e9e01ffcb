//! The tables of a target: those that exist, and the statements that create, widen and fill them.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Session;
use super::{DatabaseTarget, identifier, literal};
use crate::push::PushError;
use crate::store::{FeedTable, FeedType, column_comment, table_comment};
use crate::target::OnDelete;

/// The column with the name of the store.
const STORE: &str = "store";

/// What the columns of the table of versions say.
const FEED_STATE_COLUMNS: [(&str, &str); 6] = [
    ("store", "the `store` of the target file; empty if it has none"),
    ("table_name", "the table whose rows were pushed"),
    (
        "epoch",
        "epoch of the version; empty if the rows were deleted, because the target file no longer names the table",
    ),
    ("version", "the version of the store that the table has"),
    ("pushed_at", "when it was pushed for the last time"),
    ("store_id", "the id of the store that the rows come from; another store is not pushed over it"),
];

/// What the schema of a target contains.
pub(super) struct TargetTables {
    target: String,
    schema: String,
    schema_exists: bool,
    /// The tables that a push has made, for any store.
    ours: BTreeSet<String>,
    relations: BTreeMap<String, Relation>,
}

#[derive(Debug, Default)]
struct Relation {
    /// As in `pg_class.relkind`; `r` is a table.
    kind: String,
    /// Name and type of each column.
    columns: BTreeMap<String, String>,
    /// The columns of the primary key.
    key: Vec<String>,
}

impl TargetTables {
    pub(super) async fn read(session: &Session, target: DatabaseTarget<'_>) -> Result<TargetTables, PushError> {
        let schema = literal(target.schema);
        let count = session.rows(&format!("SELECT 1 FROM pg_namespace WHERE nspname = {schema}")).await?;
        let mut there = TargetTables {
            target: target.name.to_owned(),
            schema: target.schema.to_owned(),
            schema_exists: !count.is_empty(),
            ours: BTreeSet::new(),
            relations: BTreeMap::new(),
        };
        let sql = format!(
            "SELECT c.relname, c.relkind, a.attname, format_type(a.atttypid, NULL), array_position(i.indkey::int2[], a.attnum)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
             WHERE n.nspname = {schema} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1, 5, 3"
        );
        for row in session.rows(&sql).await? {
            let [Some(table), Some(kind), column, of_type, place] = &row[..] else { continue };
            let relation = there.relations.entry(table.clone()).or_default();
            relation.kind.clone_from(kind);
            if let (Some(column), Some(of_type)) = (column, of_type) {
                relation.columns.insert(column.clone(), of_type.clone());
                if place.is_some() {
                    relation.key.push(column.clone());
                }
            }
        }
        if there.relations.contains_key("feed_state") {
            let known = format!("SELECT DISTINCT table_name FROM {}.feed_state", target.schema);
            there.ours = session.rows(&known).await?.into_iter().flatten().flatten().collect();
        }
        Ok(there)
    }

    /// Creates the schema and the table of versions, if they do not exist.
    pub(super) async fn create_schema_and_state(&self, session: &Session) -> Result<(), PushError> {
        if !self.schema_exists {
            session.execute(&format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema)).await?;
        }
        if self.relations.get("feed_state").is_some_and(|there| there.columns.contains_key("store_id")) {
            return Ok(());
        }
        // Two stores may be pushed to a new schema at the same time.
        session.execute(&format!("SELECT pg_advisory_xact_lock(hashtext({}))", literal(&self.schema))).await?;
        let mut sql = format!(
            "CREATE TABLE IF NOT EXISTS {}.feed_state (store text NOT NULL, table_name text NOT NULL, epoch text NOT NULL, \
             version bigint NOT NULL, pushed_at timestamptz NOT NULL, PRIMARY KEY (store, table_name)); \
             ALTER TABLE {0}.feed_state ADD COLUMN IF NOT EXISTS store_id text; \
             COMMENT ON TABLE {0}.feed_state IS 'cratedigger: the version of the store that each table has';",
            self.schema
        );
        for (column, about) in FEED_STATE_COLUMNS {
            sql.push_str(&format!(" COMMENT ON COLUMN {}.feed_state.{column} IS {};", self.schema, literal(about)));
        }
        session.execute(&sql).await
    }

    /// Creates a table, or adds the columns that it lacks. Returns whether all rows have to be sent. `has_rows` says that
    /// rows of this store were pushed to it.
    pub(super) async fn bring_up_to_date(
        &mut self,
        session: &Session,
        sql: &TableSql,
        has_rows: bool,
    ) -> Result<bool, PushError> {
        let refused = |why: String, hint: &str| PushError::Refused {
            target: self.target.clone(),
            why,
            hint: Some(hint.to_owned()),
        };
        let Some(there) = self.relations.get(sql.name) else {
            session.execute(&format!("SELECT pg_advisory_xact_lock(hashtext({}))", literal(&self.schema))).await?;
            session.execute(&sql.create()).await?;
            return Ok(true);
        };
        let name = format!("{}.{}", self.schema, sql.name);
        if !has_rows && !self.ours.contains(sql.name) || there.kind != "r" {
            return Err(refused(
                format!("{name} exists and was not made by cratedigger"),
                "set another `schema` in the target file, or rename what is there",
            ));
        }
        if !there.key.is_empty() && there.key != sql.key {
            let (is, wanted) = (there.key.join(", "), sql.key.join(", "));
            return Err(refused(
                format!("the key of {name} is ({is}) and not ({wanted})"),
                "`store` cannot be added or removed later; set another `schema`, or drop the table and push again",
            ));
        }
        let mut added = Vec::new();
        for (column, of_type) in &sql.columns {
            match there.columns.get(column) {
                None if sql.key.contains(column) => {
                    return Err(refused(
                        format!("{name} has no column {column}, which is part of its key"),
                        "drop the table, and the next push writes it again",
                    ));
                }
                None => added.push(format!("ADD COLUMN IF NOT EXISTS {} {of_type}", identifier(column))),
                Some(known) if known == of_type => {}
                Some(known) => {
                    return Err(refused(
                        format!("the column {column} of {name} is {known} and not {of_type}"),
                        "someone has altered the table; drop it, and the next push writes it again",
                    ));
                }
            }
        }
        if added.is_empty() {
            return Ok(false);
        }
        session.execute(&format!("ALTER TABLE {} {}", sql.qualified, added.join(", "))).await?;
        Ok(true)
    }

    /// Deletes the rows of this store in a table that nothing updates, and notes that it has none.
    pub(super) fn empty_sql(&self, target: DatabaseTarget<'_>, table: &str) -> String {
        let store = literal(target.store.unwrap_or_default());
        let of_store = if target.store.is_some() { format!(" WHERE store = {store}") } else { String::new() };
        let delete = match self.relations.get(table).filter(|there| there.kind == "r") {
            Some(_) => format!("DELETE FROM {}.{}{of_store}; ", self.schema, identifier(table)),
            // Someone has dropped it.
            None => String::new(),
        };
        format!(
            "{delete}UPDATE {}.feed_state SET epoch = '', version = 0, pushed_at = now() WHERE store = {store} AND table_name = {}",
            self.schema,
            literal(table)
        )
    }

    /// Whether a table may have rows that are marked as deleted.
    pub(super) fn has_marks(&self, table: &str) -> bool {
        self.relations.get(table).is_some_and(|there| there.columns.contains_key("deleted_at"))
    }
}

/// The statements for one table.
pub(super) struct TableSql {
    name: &'static str,
    qualified: String,
    /// Name and type of each column of the target.
    columns: Vec<(String, &'static str)>,
    key: Vec<String>,
    store: Option<String>,
    on_delete: OnDelete,
}

/// What changed, in a table of the connection.
const CHANGES: &str = "pg_temp.cratedigger_changes";

impl TableSql {
    pub(super) fn new(target: DatabaseTarget<'_>, table: &FeedTable) -> TableSql {
        let store = target.store.map(str::to_owned);
        let of_store = store.iter().map(|_| (STORE.to_owned(), "text"));
        let columns = table.columns.iter().map(|column| (column.name.clone(), type_name(column.kind)));
        let mut columns: Vec<_> = of_store.chain(columns).collect();
        columns.push(("row_version".to_owned(), "bigint"));
        if target.on_delete == OnDelete::Mark {
            columns.push(("deleted_at".to_owned(), "timestamp with time zone"));
        }
        let key = store.iter().map(|_| STORE.to_owned()).chain(table.key.iter().cloned()).collect();
        TableSql {
            name: table.name,
            qualified: format!("{}.{}", target.schema, identifier(table.name)),
            columns,
            key,
            store,
            on_delete: target.on_delete,
        }
    }

    /// The columns as PostgreSQL describes them.
    pub(super) fn typed_columns(&self) -> impl Iterator<Item = String> {
        self.columns.iter().map(|(name, of_type)| format!("{name} {of_type}"))
    }

    pub(super) fn store(&self) -> Option<&str> {
        self.store.as_deref()
    }

    /// Whether the target has the column `deleted_at`.
    pub(super) fn has_marks(&self) -> bool {
        self.on_delete == OnDelete::Mark
    }

    fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| identifier(name)).collect::<Vec<_>>().join(", ")
    }

    /// The columns of a copied row, which always ends with `deleted_at`.
    fn copied_columns(&self) -> Vec<(String, &'static str)> {
        let mut columns = self.columns.clone();
        if self.on_delete == OnDelete::Delete {
            columns.push(("deleted_at".to_owned(), "timestamp with time zone"));
        }
        columns
    }

    fn create(&self) -> String {
        let of_column = |(name, of_type): &(String, &'static str)| format!("{} {of_type}", identifier(name));
        let key = self.key.iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", ");
        let columns = self.columns.iter().map(of_column).collect::<Vec<_>>().join(", ");
        let mut sql = format!("CREATE TABLE IF NOT EXISTS {} ({columns}, PRIMARY KEY ({key}));", self.qualified);
        let about = literal(&table_comment(self.name));
        sql.push_str(&format!(" COMMENT ON TABLE {} IS {about};", self.qualified));
        for (name, _) in &self.columns {
            let comment = match name.as_str() {
                STORE => Some("the `store` of the target file".to_owned()),
                "deleted_at" => Some("when the row was deleted; null while it exists".to_owned()),
                name => column_comment(self.name, name),
            };
            if let Some(comment) = comment {
                let (column, comment) = (identifier(name), literal(&comment));
                sql.push_str(&format!(" COMMENT ON COLUMN {}.{column} IS {comment};", self.qualified));
            }
        }
        sql
    }

    /// Deletes the rows of this store.
    pub(super) fn delete_all(&self) -> String {
        let of_store =
            self.store.as_deref().map_or(String::new(), |store| format!(" WHERE store = {}", literal(store)));
        format!("DELETE FROM {}{of_store}", self.qualified)
    }

    /// Copies all rows.
    pub(super) fn copy_all(&self) -> String {
        format!("COPY {} ({}) FROM STDIN", self.qualified, self.names())
    }

    pub(super) fn create_changes(&self) -> String {
        let columns = self.copied_columns();
        let columns = columns.iter().map(|(name, of_type)| format!("{} {of_type}", identifier(name)));
        format!(
            "CREATE TEMPORARY TABLE cratedigger_changes ({}) ON COMMIT DROP",
            columns.collect::<Vec<_>>().join(", ")
        )
    }

    pub(super) fn copy_changes(&self) -> String {
        let columns = self.copied_columns();
        let names = columns.iter().map(|(name, _)| identifier(name)).collect::<Vec<_>>().join(", ");
        format!("COPY {CHANGES} ({names}) FROM STDIN")
    }

    /// Deletes what changed, and inserts it again unless it was deleted.
    pub(super) fn apply_changes(&self) -> String {
        let same = self.key.iter().map(|name| {
            let name = identifier(name);
            format!("t.{name} = c.{name}")
        });
        let exists = match self.on_delete {
            OnDelete::Delete => " WHERE deleted_at IS NULL",
            OnDelete::Mark => "",
        };
        let names = self.names();
        format!(
            "ANALYZE {CHANGES}; DELETE FROM {} t USING {CHANGES} c WHERE {}; INSERT INTO {0} ({names}) \
             SELECT {names} FROM {CHANGES}{exists}; DROP TABLE {CHANGES}",
            self.qualified,
            same.collect::<Vec<_>>().join(" AND ")
        )
    }

    /// Deletes rows that are marked as deleted, all or those that were marked before a time.
    pub(super) fn forget_marks(&self, before: Option<&str>) -> String {
        let old = before.map_or("deleted_at IS NOT NULL".to_owned(), |at| format!("deleted_at < {}", literal(at)));
        let of_store = self.store.as_deref().map_or(String::new(), |store| format!(" AND store = {}", literal(store)));
        format!("DELETE FROM {} WHERE {old}{of_store}", self.qualified)
    }
}

fn type_name(kind: FeedType) -> &'static str {
    match kind {
        FeedType::Text => "text",
        FeedType::Integer => "bigint",
        FeedType::Boolean => "boolean",
        FeedType::Time => "timestamp with time zone",
    }
}
