//! SELECT statements over a [`View`]: chosen columns, a list separator, and whose rows.

use super::{Asked, Field, List, Sql, Thing, View};
use crate::stream::Stream;

/// How the values of a list are joined into one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListStyle {
    /// What stands between two values.
    pub separator: String,
    /// Commas inside a value become `\,`, as Exportify writes them.
    pub escape_commas: bool,
}

impl Default for ListStyle {
    fn default() -> Self {
        ListStyle { separator: "; ".into(), escape_commas: false }
    }
}

/// Whose rows a SELECT shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All that stands in the store; in no order.
    All,
    /// What a fetch asked for, in the order in which its job names it.
    Fetch {
        /// Name of the job.
        job: &'a str,
        /// Name of the fetch.
        fetch: &'a str,
    },
    /// The same rows, each once and in no order: a temporary view that queries join and filter.
    Fetched {
        /// Name of the job.
        job: &'a str,
        /// Name of the fetch.
        fetch: &'a str,
    },
}

/// A SELECT over a stream's view in the making.
#[derive(Debug, Clone)]
pub struct Select<'a> {
    view: &'static View,
    columns: Vec<&'a str>,
    lists: ListStyle,
    scope: Scope<'a>,
    since: Option<&'a str>,
}

/// A SELECT in two halves: the rows, and what each row's thing adds to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Halves {
    /// One row per row: the row's own columns, then the keys of its thing.
    pub rows: String,
    /// How many keys there are, at the end of each row and as `?1`, `?2`, … of `thing`.
    pub keys: usize,
    /// The thing's columns, given its keys; always one row.
    pub thing: String,
    /// For each chosen column, in order: whether `thing` has it. Both halves keep that order.
    pub of_thing: Vec<bool>,
}

impl<'a> Select<'a> {
    /// These columns of a stream's view, everything in the store, lists joined with `"; "`.
    pub fn new(stream: &Stream, columns: impl IntoIterator<Item = &'a str>) -> Self {
        Select {
            view: View::of(stream),
            columns: columns.into_iter().collect(),
            lists: ListStyle::default(),
            scope: Scope::All,
            since: None,
        }
    }

    /// Joins lists in another way.
    pub fn lists(mut self, lists: &ListStyle) -> Self {
        self.lists = lists.clone();
        self
    }

    /// Shows only these rows.
    pub fn scope(mut self, scope: Scope<'a>) -> Self {
        self.scope = scope;
        self
    }

    /// Of a log, shows only rows of this instant (ISO 8601, UTC) and later. Lists ignore it.
    pub fn since(mut self, since: Option<&'a str>) -> Self {
        self.since = since;
        self
    }

    /// The statement; its columns carry their names.
    pub fn sql(&self) -> String {
        let columns = self.columns.iter().map(|name| {
            let (sql, _) = self.field(name);
            format!("{} AS {}", self.expression(sql), identifier(name))
        });
        let joins = self.view.thing.map_or("", |thing| thing.joins);
        format!("SELECT\n  {}\n{}", commas(columns, ",\n  "), self.tail(joins))
    }

    /// The statement with one more column, `extra`: the values of list column `column` (or the one
    /// value of another), joined with the unit separator that no id contains.
    pub fn sql_with_values(&self, column: &str, extra: &str) -> String {
        let mut raw = self.clone();
        raw.lists = ListStyle { separator: "\u{1f}".into(), escape_commas: false };
        let (sql, _) = self.field(column);
        let values = format!("{} AS {}", raw.expression(sql), identifier(extra));
        let columns = self.columns.iter().map(|name| {
            let (sql, _) = self.field(name);
            format!("{} AS {}", self.expression(sql), identifier(name))
        });
        let joins = self.view.thing.map_or("", |thing| thing.joins);
        format!("SELECT\n  {},\n  {values}\n{}", commas(columns, ",\n  "), self.tail(joins))
    }

    /// The same rows in two halves, if the view knows a thing and a chosen column shows it.
    pub fn halves(&self) -> Option<Halves> {
        let thing: Thing = self.view.thing?;
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
        let rows = side(false).chain(thing.keys.iter().map(|key| format!("i.{key}")));
        let keys = thing.keys.iter().enumerate().map(|(n, key)| format!("?{} AS {key}", n + 1));
        Some(Halves {
            rows: format!("SELECT {}\n{}", commas(rows, ", "), self.tail("")),
            keys: thing.keys.len(),
            thing: format!(
                "SELECT {}\nFROM (SELECT {}) i\n{}",
                commas(side(true), ", "),
                commas(keys, ", "),
                thing.joins
            ),
            of_thing,
        })
    }

    fn field(&self, name: &str) -> (Sql, bool) {
        self.view.field(name).unwrap_or_else(|| panic!("{} has no column {name}", self.view.name))
    }

    fn tail(&self, joins: &str) -> String {
        let view = self.view;
        let mut conditions: Vec<String> = view.shown.iter().map(ToString::to_string).collect();
        let from = match self.scope {
            Scope::Fetch { .. } => format!("requested q CROSS JOIN {}", view.rows),
            Scope::All | Scope::Fetched { .. } => view.rows.to_owned(),
        };
        if let Scope::Fetch { job, fetch } | Scope::Fetched { job, fetch } = self.scope {
            let asked = format!("q.job = {} AND q.fetch = {}", literal(job), literal(fetch));
            let (mine, theirs) = view.asked.sides();
            conditions.push(match self.scope {
                Scope::Fetch { .. } => format!("{asked} AND {mine} = {theirs}"),
                _ => format!("{mine} IN (SELECT {theirs} FROM requested q WHERE {asked})"),
            });
        }
        if let (Some((clock, is_day)), Some(since)) = (view.clock, self.since) {
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
        if let Scope::Fetch { .. } = self.scope {
            sql.push_str("\nORDER BY q.ordinal, ");
            sql.push_str(view.order);
        }
        sql
    }

    fn expression(&self, sql: Sql) -> String {
        match sql {
            Sql::One(sql) => sql.to_owned(),
            Sql::List(list) => self.joined(list),
        }
    }

    fn joined(&self, list: List) -> String {
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
        match list.or {
            None => joined,
            Some(or) if self.lists == ListStyle::default() => format!("coalesce({joined}, {or})"),
            Some(or) => format!("coalesce({joined}, replace({}, '; ', {separator}))", escaped(or)),
        }
    }
}

impl Asked {
    /// What a row must equal, and what it must equal of `q`.
    fn sides(self) -> (&'static str, &'static str) {
        match self {
            Asked::List(mine) => (mine, "q.list_id"),
            Asked::Item(mine) => {
                (mine, "coalesce(q.item_id, (SELECT parent_id FROM lists WHERE id = q.list_id))")
            }
            Asked::User(mine) => (mine, "q.user_id"),
        }
    }
}

impl Field {
    /// The same field, showing `or` (joined with "; ") where its list is empty.
    pub(super) const fn or(mut self, or: &'static str) -> Field {
        if let Sql::List(list) = &mut self.sql {
            list.or = Some(or);
        }
        self
    }
}

fn commas(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}

/// A name as an SQL identifier.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Text as an SQL literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
