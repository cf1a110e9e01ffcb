//! SELECT statements on a [`StreamView`]: columns, list separator and rows.

use super::{ColumnSql, ListColumn, RequestedBy, RowEntity, StreamView, ViewColumn};
use crate::stream::Stream;

/// Part of every expression on a `*_markets` table `m`.
const OF_ANY_MARKET: &str = "m.is_playable IS NOT NULL";

/// How the values of a list are joined in one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListStyle {
    /// Text between two values.
    pub separator: String,
    /// Writes commas inside a value as `\,`, like Exportify.
    pub escape_commas: bool,
}

impl Default for ListStyle {
    fn default() -> Self {
        ListStyle { separator: "; ".into(), escape_commas: false }
    }
}

/// The rows that a SELECT returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowScope<'a> {
    /// Everything in the store, in no order.
    All,
    /// What a fetch requested, in the order of its job.
    Fetch { job: &'a str, fetch: &'a str },
    /// The same rows, each once and in no order, for a temporary view that queries join and filter.
    FetchUnordered { job: &'a str, fetch: &'a str },
}

/// Columns of an input file next to the rows that were read for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedInputs {
    /// The temporary table with the rows of the file.
    pub table: String,
    /// Its column with the requested values.
    pub key: String,
    /// The name of each column in the table, and in the result.
    pub columns: Vec<(String, String)>,
}

/// Builds a SELECT on the view of a stream.
#[derive(Debug, Clone)]
pub struct ViewSelect<'a> {
    view: &'static StreamView,
    columns: Vec<&'a str>,
    lists: ListStyle,
    scope: RowScope<'a>,
    since: Option<&'a str>,
    only: Option<&'static str>,
    market: Option<&'a str>,
    user: Option<&'a str>,
    list: Option<String>,
    inputs: Option<JoinedInputs>,
}

/// A SELECT in two halves: the rows, and what the entity of each row adds to it.
#[derive(Debug, PartialEq, Eq)]
pub struct SplitQuery {
    /// One row per row: its own columns, then the keys of its entity.
    pub rows: String,
    /// Number of keys at the end of each row and as `?1`, `?2`, … of `entity`.
    pub keys: usize,
    /// The columns of the entity, given its keys; always one row.
    pub entity: String,
    /// For each chosen column, in order: whether `entity` has it. Both halves keep that order.
    pub from_entity: Vec<bool>,
}

impl<'a> ViewSelect<'a> {
    /// Selects these columns of a stream's view from everything in the store, with lists joined by `"; "`.
    pub fn new(stream: &Stream, columns: impl IntoIterator<Item = &'a str>) -> Self {
        ViewSelect {
            view: StreamView::for_stream(stream),
            columns: columns.into_iter().collect(),
            lists: ListStyle::default(),
            scope: RowScope::All,
            since: None,
            only: None,
            market: None,
            user: None,
            list: None,
            inputs: None,
        }
    }

    /// Sets how lists are joined.
    pub fn lists(mut self, lists: &ListStyle) -> Self {
        self.lists = lists.clone();
        self
    }

    /// Limits the rows.
    pub fn scope(mut self, scope: RowScope<'a>) -> Self {
        self.scope = scope;
        self
    }

    /// Shows availability in this market (empty for requests without a market). The default is the newest known
    /// value of any market.
    pub fn market(mut self, market: Option<&'a str>) -> Self {
        self.market = market;
        self
    }

    /// Limits a fetch for several users to the rows of one user.
    pub fn for_user(mut self, user_id: Option<&'a str>) -> Self {
        self.user = user_id;
        self
    }

    /// Limits a fetch to the rows of the list of this parent, such as the id of a playlist.
    pub fn of_list(mut self, parent: Option<String>) -> Self {
        self.list = parent;
        self
    }

    /// Adds columns of the input file of a fetch at the end.
    pub fn inputs(mut self, inputs: Option<JoinedInputs>) -> Self {
        self.inputs = inputs;
        self
    }

    /// Limits a log to rows of this time (ISO 8601, UTC) and later. Lists ignore it.
    pub fn since(mut self, since: Option<&'a str>) -> Self {
        self.since = since;
        self
    }

    /// Limits the rows by a condition on the view's own tables.
    pub(crate) fn only_if(mut self, condition: Option<&'static str>) -> Self {
        self.only = condition;
        self
    }

    /// Returns the statement. Its columns have their names.
    ///
    /// The statement for [`RowScope::FetchUnordered`] becomes a temporary view. So it names tables with their schema:
    /// a fetch may have the name of a table, and the view would select from itself.
    pub fn sql(&self) -> String {
        let columns = self.columns.iter().map(|name| {
            let (sql, _) = self.field(name);
            format!("{} AS {}", self.expression(sql), identifier(name))
        });
        let columns = columns.chain(self.input_columns());
        let joins = self.view.entity.map_or("", |thing| thing.joins);
        let sql = format!("SELECT\n  {}\n{}", join_parts(columns, ",\n  "), self.tail(joins));
        match self.scope {
            RowScope::FetchUnordered { .. } => qualify_tables(&sql),
            RowScope::All | RowScope::Fetch { .. } => sql,
        }
    }

    /// Returns a statement for the values of `column` in the rows that match `filter`, and the offset of the
    /// filter in it. The values of a list are joined by the unit separator, which no id contains.
    ///
    /// The filter sees the columns of the view. It is wrapped in its own SELECT, so that its names are those of
    /// the view and not of the tables behind it.
    pub fn ids_query(&self, column: &str, filter: Option<&str>) -> (String, usize) {
        let mut raw = self.clone();
        raw.lists.separator = "\u{1f}".into();
        let ids = raw.expression(self.field(column).0);
        let mut columns: Vec<String> = self
            .columns
            .iter()
            .map(|name| format!("{} AS {}", self.expression(self.field(name).0), identifier(name)))
            .collect();
        columns.push(format!("{ids} AS \"\u{1f}ids\""));
        let terms: Vec<&str> = std::iter::once("q.ordinal").chain(self.view.order.split(", ")).collect();
        columns.extend(terms.iter().enumerate().map(|(n, term)| format!("{term} AS \"\u{1f}{n}\"")));
        let order: Vec<String> = (0..terms.len()).map(|n| format!("\"\u{1f}{n}\"")).collect();
        let joins = self.view.entity.map_or("", |thing| thing.joins);
        let from = self.conditions(joins);
        let rows = qualify_tables(&format!("SELECT {}\n{from}", columns.join(", ")));
        let mut sql = format!("SELECT \"\u{1f}ids\" FROM ({rows}) WHERE (");
        let ahead = sql.len();
        // On its own line, because the filter may end in a comment.
        sql.push_str(filter.unwrap_or("1"));
        sql.push_str("\n) ORDER BY ");
        sql.push_str(&order.join(", "));
        (sql, ahead)
    }

    /// Returns the same rows in two halves, if the view has an entity and a chosen column shows it.
    pub fn split(&self) -> Option<SplitQuery> {
        let thing: RowEntity = self.view.entity?;
        let of_thing: Vec<bool> = self.columns.iter().map(|name| self.field(name).1).collect();
        let side = |wanted: bool| {
            self.columns
                .iter()
                .map(|name| self.field(name))
                .filter(move |(_, of_thing)| *of_thing == wanted)
                .map(|(sql, _)| self.expression(sql))
        };
        if !of_thing.contains(&true) {
            return None;
        }
        let rows = side(false).chain(self.input_columns()).chain(thing.keys.iter().map(|key| format!("i.{key}")));
        let keys = thing.keys.iter().enumerate().map(|(n, key)| format!("?{} AS {key}", n + 1));
        Some(SplitQuery {
            rows: format!("SELECT {}\n{}", join_parts(rows, ", "), self.tail("")),
            keys: thing.keys.len(),
            entity: format!(
                "SELECT {}\nFROM (SELECT {}) i\n{}",
                join_parts(side(true), ", "),
                join_parts(keys, ", "),
                thing.joins
            ),
            from_entity: of_thing.into_iter().chain(self.input_columns().map(|_| false)).collect(),
        })
    }

    /// The columns of the input file: of the first line with the id, code or search that the row was read for.
    fn input_columns(&self) -> impl Iterator<Item = String> {
        let of_row = |name: &str| match self.view.field(name) {
            Some((ColumnSql::One(sql), false)) => Some(sql.to_owned()),
            _ => None,
        };
        let requested = || match self.view.requested_by {
            RequestedBy::Item(_) => "q.item_id".to_owned(),
            _ => "(SELECT parent_id FROM lists WHERE id = q.list_id)".to_owned(),
        };
        // A search is found by its text, and a track or an album by its id or by its code.
        let keys: Vec<String> = match of_row("query") {
            Some(query) => vec![query],
            None => {
                let codes = ["isrc", "upc"].into_iter().filter_map(of_row);
                let by_code = matches!(self.view.requested_by, RequestedBy::Item(_));
                std::iter::once(requested()).chain(codes.filter(move |_| by_code)).collect()
            }
        };
        let keys = keys.join(", ");
        self.inputs.iter().flat_map(|inputs| inputs.columns.iter().map(move |column| (inputs, column))).map(
            move |(inputs, (column, header))| {
                let (table, key) = (identifier(&inputs.table), identifier(&inputs.key));
                let column = identifier(column);
                format!(
                    "(SELECT x.{column} FROM temp.{table} x WHERE x.{key} IN ({keys}) ORDER BY x.rowid LIMIT 1) AS {}",
                    identifier(header)
                )
            },
        )
    }

    fn field(&self, name: &str) -> (ColumnSql, bool) {
        self.view.field(name).unwrap_or_else(|| panic!("{} has no column {name}", self.view.name))
    }

    fn tail(&self, joins: &str) -> String {
        let mut sql = self.conditions(joins);
        if let RowScope::Fetch { .. } = self.scope {
            sql.push_str("\nORDER BY q.ordinal, ");
            sql.push_str(self.view.order);
        }
        sql
    }

    /// Returns FROM and WHERE.
    fn conditions(&self, joins: &str) -> String {
        let view = self.view;
        let mut conditions: Vec<String> = view.visible_if.iter().chain(&self.only).map(ToString::to_string).collect();
        let from = match self.scope {
            RowScope::Fetch { .. } => format!("requested q CROSS JOIN {}", view.rows),
            RowScope::All | RowScope::FetchUnordered { .. } => view.rows.to_owned(),
        };
        if let RowScope::Fetch { job, fetch } | RowScope::FetchUnordered { job, fetch } = self.scope {
            let mut asked = format!("q.job = {} AND q.fetch = {}", literal(job), literal(fetch));
            if let Some(user) = self.user {
                asked.push_str(&format!(" AND q.user_id = {}", literal(user)));
            }
            if let Some(list) = &self.list {
                let parent = match view.requested_by {
                    // The requested list is that of the user's playlists, `y`.
                    RequestedBy::List("y.list_id") => "y.playlist_id",
                    _ => "(SELECT parent_id FROM lists WHERE id = q.list_id)",
                };
                asked.push_str(&format!(" AND {parent} = {}", literal(list)));
            }
            let (mine, theirs) = view.requested_by.join_columns();
            conditions.push(match self.scope {
                RowScope::Fetch { .. } => format!("{asked} AND {mine} = {theirs}"),
                _ => format!("{mine} IN (SELECT {theirs} FROM requested q WHERE {asked})"),
            });
        }
        if let (Some((clock, is_day)), Some(since)) = (view.time_column, self.since) {
            let since = if is_day { since.get(..10).unwrap_or(since) } else { since };
            conditions.push(format!("{clock} >= {}", literal(since)));
        }
        let mut sql = format!("FROM {from}");
        if !joins.is_empty() {
            sql.push('\n');
            sql.push_str(joins);
        }
        if !conditions.is_empty() {
            sql.push_str("\nWHERE ");
            sql.push_str(&conditions.join("\n  AND "));
        }
        sql
    }

    fn expression(&self, sql: ColumnSql) -> String {
        match sql {
            ColumnSql::One(sql) => match self.market {
                Some(market) => {
                    sql.replace(OF_ANY_MARKET, &format!("{OF_ANY_MARKET} AND m.market = {}", literal(market)))
                }
                None => sql.to_owned(),
            },
            ColumnSql::List(list) => self.joined(list),
        }
    }

    fn joined(&self, list: ListColumn) -> String {
        let separator = literal(&self.lists.separator);
        let escaped = |value: &str| match self.lists.escape_commas {
            true => format!(r"replace({value}, ',', '\,')"),
            false => value.to_owned(),
        };
        let joined = format!(
            "(SELECT group_concat(x, {separator}) FROM (SELECT {} AS x FROM {} ORDER BY {}))",
            escaped(list.value),
            list.from,
            list.order
        );
        match list.fallback {
            None => joined,
            Some(or) if self.lists == ListStyle::default() => format!("coalesce({joined}, {or})"),
            Some(or) => format!("coalesce({joined}, replace({}, '; ', {separator}))", escaped(or)),
        }
    }
}

impl RequestedBy {
    /// Returns the expression of a row, and the expression of `q` that it must equal.
    fn join_columns(self) -> (&'static str, &'static str) {
        match self {
            RequestedBy::List(mine) => (mine, "q.list_id"),
            RequestedBy::Item(mine) => {
                (mine, "coalesce(q.item_id, (SELECT parent_id FROM lists WHERE id = q.list_id))")
            }
            RequestedBy::User(mine) => (mine, "q.user_id"),
        }
    }
}

impl ViewColumn {
    /// Shows `fallback` (joined by "; ") if the list is empty.
    pub(super) const fn with_fallback(mut self, or: &'static str) -> ViewColumn {
        if let ColumnSql::List(list) = &mut self.sql {
            list.fallback = Some(or);
        }
        self
    }
}

/// Adds `main.` to each table after FROM or JOIN.
fn qualify_tables(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + sql.len() / 8);
    let (mut rest, mut table_next) = (sql, false);
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            c if c.is_ascii_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            other => other.len_utf8(),
        };
        let (token, after) = rest.split_at(len);
        if !token.trim().is_empty() {
            if table_next && first.is_ascii_alphabetic() {
                out.push_str("main.");
            }
            table_next = matches!(token, "FROM" | "JOIN");
        }
        out.push_str(token);
        rest = after;
    }
    out
}

fn join_parts(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}

/// Quotes a name as an SQL identifier.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes text as an SQL literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
