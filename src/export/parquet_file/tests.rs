use bytes::Bytes;
use rusqlite::types::ValueRef;

use super::*;
use crate::export::value_bytes::write_value;

fn column(name: &str, column_type: Option<ColumnType>) -> CsvColumn {
    CsvColumn { header: name.to_owned().into(), column_type, about: "" }
}

/// Writes rows with the values `value(row, column)`.
fn written<'v>(
    columns: &[CsvColumn],
    rows: usize,
    value: impl Fn(usize, usize) -> ValueRef<'v>,
) -> (Vec<u8>, FileStats) {
    let mut bytes = Vec::new();
    let mut file = ParquetRows::new(&mut bytes);
    file.begin(columns.to_vec()).unwrap();
    for row in 0..rows {
        let (mut cells, mut ends) = (Vec::new(), Vec::new());
        for n in 0..columns.len() {
            write_value(value(row, n), &mut cells);
            ends.push(u32::try_from(cells.len()).unwrap());
        }
        file.take_row(&RowValues::Bytes { bytes: &cells, ends: &ends }).unwrap();
    }
    let stats = file.finish().unwrap();
    (bytes, stats)
}

fn open(bytes: &[u8]) -> SerializedFileReader<Bytes> {
    SerializedFileReader::new(Bytes::copy_from_slice(bytes)).unwrap()
}

/// The rows of a file as the library shows them.
fn rows_of(bytes: &[u8]) -> Vec<String> {
    let file = open(bytes);
    file.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect()
}

fn group_rows(bytes: &[u8]) -> Vec<i64> {
    open(bytes).metadata().row_groups().iter().map(|group| group.num_rows()).collect()
}

#[test]
fn groups_have_20000_rows_or_fewer_bytes() {
    let columns = [column("n", Some(ColumnType::Integer)), column("t", Some(ColumnType::Text))];
    let short = |row: usize, n| if n == 0 { ValueRef::Integer(row as i64) } else { ValueRef::Text(b"same") };
    let (bytes, stats) = written(&columns, 45_000, short);
    assert_eq!((group_rows(&bytes), stats.rows), (vec![20_000, 20_000, 5_000], 45_000));
    assert_eq!(bytes, written(&columns, 45_000, short).0, "the same rows are the same bytes");
    let long = vec![b'x'; 40_000];
    let (bytes, _) = written(&columns, 3_000, |_, n| if n == 0 { ValueRef::Null } else { ValueRef::Text(&long) });
    let groups = group_rows(&bytes);
    assert!(groups.len() > 3 && groups.iter().sum::<i64>() == 3_000, "{groups:?}");
    assert!(group_rows(&written(&columns, 0, short).0).is_empty());
}

#[test]
fn every_value_is_read_as_it_was_written() {
    let lists = format!("a; b{LIST_SEPARATOR}{LIST_SEPARATOR}c");
    let columns = [
        column("text", Some(ColumnType::Text)),
        column("list", Some(ColumnType::List)),
        column("time", Some(ColumnType::Time)),
        column("flag", Some(ColumnType::Boolean)),
        column("count", Some(ColumnType::Integer)),
    ];
    let rows: Vec<[ValueRef<'_>; 5]> = vec![
        [ValueRef::Null; 5],
        [
            ValueRef::Text("=\0\u{1f3b5}".as_bytes()),
            ValueRef::Text(lists.as_bytes()),
            ValueRef::Text(b"2026-11-30T15:00:01.5Z"),
            ValueRef::Integer(1),
            ValueRef::Integer(i64::MIN),
        ],
        [
            ValueRef::Integer(7),
            ValueRef::Text(b""),
            ValueRef::Text(b"soon"),
            ValueRef::Integer(0),
            ValueRef::Text(b"7"),
        ],
    ];
    let (bytes, stats) = written(&columns, rows.len(), |row, n| rows[row][n]);
    assert_eq!(
        rows_of(&bytes),
        [
            "{text: null, list: null, time: null, flag: null, count: null}",
            "{text: \"=\0\u{1f3b5}\", list: [\"a; b\", \"\", \"c\"], time: 2026-11-30 15:00:01.500000 +00:00, flag: true, count: -9223372036854775808}",
            "{text: \"7\", list: [\"\"], time: null, flag: false, count: null}",
        ]
    );
    // What does not have the type of its column is counted.
    assert_eq!(stats.columns.iter().map(|column| column.unfit).collect::<Vec<_>>(), [0, 0, 1, 0, 1]);
}

#[test]
fn one_value_of_a_list_is_kept_across_groups() {
    let columns = [column("list", Some(ColumnType::List))];
    let (bytes, _) =
        written(&columns, 20_001, |row, _| if row % 2 == 0 { ValueRef::Null } else { ValueRef::Text(b"x") });
    let lists = rows_of(&bytes).iter().filter(|row| *row == "{list: [\"x\"]}").count();
    assert_eq!((lists, group_rows(&bytes)), (10_000, vec![20_000, 1]));
}
