//! The value of one column in a response.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

/// What a response says about one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellValue<'a> {
    /// The key was absent.
    Absent,
    Null,
    /// A null that does not replace a known value.
    KeptNull,
    Text(&'a str),
    /// A number; 0 or 1 for a boolean.
    Int(i64),
    /// A text such as an empty name, which is stored only where nothing is known.
    BlankText(&'a str),
    /// A text that may be empty for real, such as a description, and that is stored only where nothing is known.
    EmptyText(&'a str),
    /// A number such as a duration of 0, which is stored only where nothing is known.
    BlankInt(i64),
}

impl ToSql for CellValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            CellValue::Absent | CellValue::Null | CellValue::KeptNull => ToSqlOutput::Owned(Value::Null),
            CellValue::Text(text) | CellValue::BlankText(text) | CellValue::EmptyText(text) => {
                ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
            }
            CellValue::Int(number) | CellValue::BlankInt(number) => ToSqlOutput::Owned(Value::Integer(*number)),
        })
    }
}

impl<'a> From<&'a str> for CellValue<'a> {
    fn from(text: &'a str) -> Self {
        CellValue::Text(text)
    }
}

impl From<i64> for CellValue<'_> {
    fn from(number: i64) -> Self {
        CellValue::Int(number)
    }
}

impl From<bool> for CellValue<'_> {
    fn from(flag: bool) -> Self {
        CellValue::Int(i64::from(flag))
    }
}

impl<'a, T: Into<CellValue<'a>>> From<Option<T>> for CellValue<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(CellValue::Null, Into::into)
    }
}
