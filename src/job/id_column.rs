//! Finds the column of a CSV file that has the ids: by its name as other tools write it, or else by its values.

use super::csv_file::{CsvFault, CsvFile};
use crate::document::{nearest, or_list, quote, shorten};
use spotify_client::{EntityKind, Reference};

/// Names of columns that any tool may give to ids, best first. `{}` is the kind of thing that the ids name. Only
/// letters and digits count, in lower case.
const ID_NAMES: &[&str] = &[
    "{}uri",
    "spotify{}uri",
    "{}spotifyuri",
    "{}uris",
    "{}url",
    "spotify{}url",
    "{}spotifyurl",
    "{}link",
    "spotify{}link",
    "{}id",
    "spotify{}id",
    "{}spotifyid",
    "{}ids",
    "spotifyuri",
    "spotifyurl",
    "spotifylink",
    "spotifyid",
    "uri",
    "url",
    "link",
    "id",
    "itemuri",
    "itemurl",
    "itemid",
    "externalurl",
    "spotify",
];
/// Number of columns that a message lists.
const MAX_SHOWN_COLUMNS: usize = 20;
const ISRC_NAMES: &[&str] = &["isrc", "isrccode", "trackisrc", "isrcs"];
const UPC_NAMES: &[&str] = &["upc", "upccode", "upcean", "ean", "ean13", "gtin", "barcode", "albumupc"];
const USER_NAMES: &[&str] = &["user", "username"];

/// The column of a file that has the ids.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IdColumn {
    /// Its place, from 0.
    pub index: usize,
    /// Its name in the first row, if the first row is a header.
    pub name: Option<String>,
}

/// What a file has in its columns.
#[derive(Debug, Default)]
pub(super) struct ColumnCounts {
    /// Number of rows that are not empty.
    pub rows: usize,
    /// The cells of the first row.
    pub first_row: Vec<String>,
    columns: Vec<ColumnCount>,
}

/// How many cells of a column are ids.
#[derive(Debug, Clone, Copy, Default)]
struct ColumnCount {
    /// Cells that are surely ids.
    ids: usize,
    /// Whether a cell below the first row is usable as an id.
    is_usable: bool,
}

impl ColumnCounts {
    /// Counts the ids of a kind in a file.
    ///
    /// # Errors
    /// As [`CsvFile::for_each_row`].
    pub(super) fn of_file(file: &CsvFile, kind: EntityKind) -> Result<ColumnCounts, CsvFault> {
        let mut counts = ColumnCounts::default();
        file.for_each_row(|row| {
            counts.add(&row.cells, kind);
            Ok(())
        })?;
        Ok(counts)
    }

    fn add(&mut self, cells: &[&str], kind: EntityKind) {
        if self.rows == 0 {
            self.first_row = cells.iter().map(|cell| (*cell).to_owned()).collect();
        }
        if cells.len() > self.columns.len() {
            self.columns.resize(cells.len(), ColumnCount::default());
        }
        for (cell, column) in cells.iter().zip(&mut self.columns) {
            if references_in(cell, kind).is_err() {
                continue;
            }
            column.is_usable |= self.rows > 0;
            // A name of a user can be any text, so only forms that are surely ids count.
            column.ids += usize::from(kind != EntityKind::User || cell.contains([':', '/']));
        }
        self.rows += 1;
    }
}

impl IdColumn {
    /// Number of rows above the first one with an id.
    pub(super) fn header_rows(&self) -> usize {
        usize::from(self.name.is_some())
    }

    /// The column as messages name it.
    pub(super) fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("column {}", quote(name)),
            None => format!("column {}", self.index + 1),
        }
    }
}

/// The references in a cell. A cell of a file of this program may hold a list of them.
pub(super) fn references_in(cell: &str, kind: EntityKind) -> Result<Vec<Reference>, spotify_client::InvalidId> {
    let whole = Reference::parse(cell, kind);
    if whole.is_ok() || kind == EntityKind::User {
        return whole.map(|one| vec![one]);
    }
    let parts = || cell.split([';', ',', '|', '\n']).map(str::trim).filter(|part| !part.is_empty());
    if parts().count() > 1
        && let Ok(all) = parts().map(|part| Reference::parse(part, kind)).collect()
    {
        return Ok(all);
    }
    whole.map(|one| vec![one])
}

/// The column that the job names: by its name, or by its number from 1.
///
/// # Errors
/// A hint, if the file has no such column.
pub(super) fn named_column(counts: &ColumnCounts, wanted: &str, kind: EntityKind) -> Result<IdColumn, String> {
    let header = &counts.first_row;
    if let Some(index) = header.iter().position(|cell| letters(cell) == letters(wanted) && !letters(cell).is_empty()) {
        return Ok(IdColumn { index, name: Some(header[index].clone()) });
    }
    match wanted.trim().parse::<usize>() {
        Ok(number) if (1..=header.len()).contains(&number) => {
            let first = &header[number - 1];
            Ok(IdColumn { index: number - 1, name: (!is_data(first, header.len(), kind)).then(|| first.clone()) })
        }
        _ => Err(column_hint(wanted, header.iter().map(String::as_str))),
    }
}

/// A hint which of the columns of a file was meant.
pub(super) fn column_hint<'a>(wanted: &str, header: impl Iterator<Item = &'a str> + Clone) -> String {
    let near = nearest(wanted, header.clone());
    if !near.is_empty() {
        return format!("did you mean {}?", or_list(&near));
    }
    let names: Vec<String> = header.clone().take(MAX_SHOWN_COLUMNS).map(shorten).collect();
    match header.count() - names.len() {
        0 => format!("its columns are {}", names.join(", ")),
        more => format!("its columns are {}, and {more} more", names.join(", ")),
    }
}

/// The column with the ids of a kind: the first with a known name and a usable id, else the one with most ids.
pub(super) fn find_id_column(counts: &ColumnCounts, kind: EntityKind) -> IdColumn {
    let header = &counts.first_row;
    let is_usable = |index: usize| counts.columns.get(index).is_some_and(|column| column.is_usable);
    let named: Vec<usize> =
        known_names(kind).iter().filter_map(|name| header.iter().position(|cell| letters(cell) == *name)).collect();
    if let Some(index) = named.iter().copied().find(|index| is_usable(*index)) {
        return IdColumn { index, name: Some(header[index].clone()) };
    }
    let by_content = column_with_most_ids(counts, kind);
    // A name without an id below it is better than a guess.
    let index = by_content.or(named.first().copied()).unwrap_or(0);
    let first = header.get(index).map_or("", String::as_str);
    let is_header = named.contains(&index) || !is_data(first, header.len(), kind);
    IdColumn { index, name: is_header.then(|| first.to_owned()) }
}

/// The known names of the columns of a kind, best first.
fn known_names(kind: EntityKind) -> Vec<String> {
    let own = ID_NAMES.iter().map(|name| name.replace("{}", kind.as_str()));
    let more: &[&str] = match kind {
        EntityKind::Track => ISRC_NAMES,
        EntityKind::Album => UPC_NAMES,
        EntityKind::User => USER_NAMES,
        _ => &[],
    };
    own.chain(more.iter().map(|name| (*name).to_owned())).collect()
}

/// The column with most ids; `None` if there is none.
fn column_with_most_ids(counts: &ColumnCounts, kind: EntityKind) -> Option<usize> {
    let names = |index: usize| counts.first_row.get(index).is_some_and(|name| names_other_kind(name, kind));
    let columns = counts.columns.iter().enumerate().filter(|(index, column)| column.ids > 0 && !names(*index));
    // Of two equal columns, the left one.
    columns.max_by_key(|(index, column)| (column.ids, std::cmp::Reverse(*index))).map(|(index, _)| index)
}

/// Whether a column is named after another kind of thing, so that bare ids in it are not those of this kind.
fn names_other_kind(name: &str, kind: EntityKind) -> bool {
    let name = letters(name);
    EntityKind::ALL.into_iter().any(|other| {
        other != kind && name.starts_with(other.as_str()) && ["id", "ids"].contains(&&name[other.as_str().len()..])
    })
}

/// Whether the first cell of a column is data and not a header. One that looks like an id, even a wrong one, is data:
/// otherwise a typo would be taken for a header.
fn is_data(cell: &str, width: usize, kind: EntityKind) -> bool {
    if kind == EntityKind::User {
        return width == 1 || cell.contains([':', '/']);
    }
    references_in(cell, kind).is_ok() || cell.contains([':', '/']) || (cell.len() >= 20 && !cell.contains([' ', '_']))
}

/// The letters and digits of a name in lower case: names of columns differ in blanks, dashes and brackets.
fn letters(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
