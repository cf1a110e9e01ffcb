//! The types of the columns of a query, as far as they are declared.

use rustc_hash::FxHashMap;

use super::{QueryError, QueryReader, words_of};
use crate::stream::{self, ColumnType};

impl QueryReader {
    /// Returns the types of the result columns of a query as far as they are declared: by a column with this name in a view
    /// of a fetch or stream that the query names, else by the column of a table that the values come from. The views in
    /// reach of queries join lists, which are texts therefore.
    ///
    /// # Errors
    /// The problem in the SQL.
    pub fn declared_types(&self, sql: &str) -> Result<FxHashMap<String, ColumnType>, QueryError> {
        let words = words_of(sql);
        let fetched = self.fetches.iter().map(|fetch| (fetch.name.clone(), fetch.stream));
        let views = fetched.chain(stream::all().map(|stream| (stream.view(), stream)));
        let mut by_name: FxHashMap<&str, Option<ColumnType>> = FxHashMap::default();
        for column in views.filter(|(name, _)| words.contains(name)).flat_map(|(_, stream)| stream.columns()) {
            let kind = if column.column_type == ColumnType::List { ColumnType::Text } else { column.column_type };
            // Two views that do not agree declare nothing.
            by_name
                .entry(column.name)
                .and_modify(|known| *known = known.filter(|known| *known == kind))
                .or_insert(Some(kind));
        }
        let statement = self.prepare(sql)?;
        // Each column of the store that ends so is a time, also in `named_changes` and `new_in_lists`.
        let of_table = |name: &str, declared: &str| match declared {
            "INTEGER" => Some(ColumnType::Integer),
            "TEXT" if name.ends_with("_at") => Some(ColumnType::Time),
            "TEXT" => Some(ColumnType::Text),
            _ => None,
        };
        let declared = statement.columns().filter_map(|column| {
            let by_view = by_name.get(column.name()).copied().flatten();
            Some((column.name().to_owned(), by_view.or_else(|| of_table(column.name(), column.decl_type()?))?))
        });
        Ok(declared.collect())
    }
}
