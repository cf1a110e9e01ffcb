//! The cells of the entity that each row shows, from the cache or else from the store.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, Statement};

use super::fragments::{CsvFragment, FragmentCache};
use super::render::RenderError;
use crate::store::views::SplitQuery;

/// Finds the cells of the entity of a row.
pub(super) struct EntityCells<'k> {
    own: usize,
    keys: usize,
    kept: &'k mut FragmentCache,
    key: Vec<u8>,
    /// The cells of the current row's entity.
    pub fragment: CsvFragment,
}

impl<'k> EntityCells<'k> {
    pub(super) fn new(halves: &SplitQuery, kept: &'k mut FragmentCache) -> Self {
        let own = halves.from_entity.iter().filter(|of_entity| !**of_entity).count();
        EntityCells { own, keys: halves.keys, kept, key: Vec::new(), fragment: CsvFragment::default() }
    }

    /// Loads the cells of the row's entity. `write` writes them if the cache does not have them.
    pub(super) fn load(
        &mut self,
        row: &Row<'_>,
        entity: &mut Statement<'_>,
        write: impl FnOnce(&Row<'_>, &mut CsvFragment) -> Result<(), RenderError>,
    ) -> Result<(), RenderError> {
        self.key.clear();
        for n in 0..self.keys {
            match row.get_ref(self.own + n)? {
                ValueRef::Text(text) => self.key.extend_from_slice(text),
                // Keys are text or null, and no id contains a control character.
                _ => self.key.push(1),
            }
            self.key.push(0);
        }
        if self.kept.find(&self.key, &mut self.fragment) {
            return Ok(());
        }
        for n in 0..self.keys {
            entity.raw_bind_parameter(n + 1, ToSqlOutput::Borrowed(row.get_ref(self.own + n)?))?;
        }
        let mut found = entity.raw_query();
        let shown = found.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        self.fragment.clear();
        write(shown, &mut self.fragment)?;
        self.kept.insert(&self.key, &self.fragment);
        Ok(())
    }
}
