//! A column of a CSV file.

use std::borrow::Cow;

use crate::stream::{Column, ColumnType};

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvColumn {
    /// The name in the header row.
    pub header: Cow<'static, str>,
    /// The type; none for columns of a query.
    pub column_type: Option<ColumnType>,
    /// The description.
    pub about: &'static str,
}

impl From<&'static Column> for CsvColumn {
    fn from(column: &'static Column) -> Self {
        CsvColumn { header: Cow::Borrowed(column.name), column_type: Some(column.column_type), about: column.about }
    }
}

impl CsvColumn {
    /// A column of the input file of a fetch.
    pub(super) fn of_input(header: &str) -> CsvColumn {
        CsvColumn {
            header: Cow::Owned(header.to_owned()),
            column_type: Some(ColumnType::Text),
            about: "the cell of the input file",
        }
    }
}
