//! Written files, read back by other readers.

use proptest::prelude::*;

use super::*;
use crate::export::unguard;
use crate::settings::{CsvProfile, FormulaGuard, TimeFormat};

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Text(String),
    Integer(i64),
    Boolean(bool),
}

fn value(column: usize) -> BoxedStrategy<Value> {
    let odd = prop_oneof![
        "[\"',;\t\r\n|=+@(!\\\\ -]{0,8}",
        any::<String>(),
        Just(String::new()),
        Just("NA".to_owned()),
        "\u{202e}?[א-ת😀]{0,4}"
    ];
    match column % 3 {
        0 => prop_oneof![1 => Just(Value::Null), 4 => odd.prop_map(Value::Text)].boxed(),
        1 => prop_oneof![1 => Just(Value::Null), 4 => any::<i64>().prop_map(Value::Integer)].boxed(),
        _ => prop_oneof![1 => Just(Value::Null), 4 => any::<bool>().prop_map(Value::Boolean)].boxed(),
    }
}

fn style() -> impl Strategy<Value = CsvStyle> {
    let guard = prop_oneof![Just(FormulaGuard::Auto), Just(FormulaGuard::All), Just(FormulaGuard::Off)];
    let null = prop_oneof![Just(""), Just("NULL"), Just("\\N")];
    (0..4_usize, guard, null, prop::sample::select(b",;\t|".to_vec())).prop_map(
        |(profile, formula_guard, null, delimiter)| {
            let style = CsvStyle::for_profile(CsvProfile::ALL[profile]);
            CsvStyle { formula_guard, null: null.into(), delimiter, time_format: TimeFormat::Iso, ..style }
        },
    )
}

fn kind(column: usize) -> ColumnType {
    [ColumnType::Text, ColumnType::Integer, ColumnType::Boolean][column % 3]
}

fn written(style: &CsvStyle, rows: &[Vec<Value>], width: usize) -> Vec<u8> {
    let mut page = CsvWriter::new(Vec::new(), style).unwrap();
    let column = |n| CsvColumn { header: format!("c{n}").into(), column_type: Some(kind(n)), about: "" };
    page.write_header((0..width).map(column).collect()).unwrap();
    for row in rows {
        for (n, value) in row.iter().enumerate() {
            page.line.clear();
            page.write_cell(
                n,
                match value {
                    Value::Null => ValueRef::Null,
                    Value::Text(text) => ValueRef::Text(text.as_bytes()),
                    Value::Integer(n) => ValueRef::Integer(*n),
                    Value::Boolean(yes) => ValueRef::Integer(i64::from(*yes)),
                },
            );
            page.csv.write_field(&page.line).unwrap();
        }
        page.end_row().unwrap();
    }
    page.finish().unwrap().0
}

/// A cell as written in a file.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Bare(String),
    Quoted(String),
}

/// A reader by the grammar of RFC 4180, which shares nothing with the crate that writes. It is strict:
/// whatever the grammar does not allow is refused. Lines end with `\n` or `\r\n`.
fn rfc_4180(text: &str, delimiter: char) -> Result<Vec<Vec<Cell>>, String> {
    let (mut lines, mut line, mut rest) = (Vec::new(), Vec::new(), text);
    while !rest.is_empty() {
        let cell = if let Some(mut inside) = rest.strip_prefix('"') {
            let mut cell = String::new();
            loop {
                let end = inside.find('"').ok_or("a quote is never closed")?;
                cell.push_str(&inside[..end]);
                inside = &inside[end + 1..];
                match inside.strip_prefix('"') {
                    Some(more) => inside = more,
                    None => break,
                }
                cell.push('"');
            }
            rest = inside;
            Cell::Quoted(cell)
        } else {
            let end = rest.find([delimiter, '\r', '\n']).ok_or("the last line has no end")?;
            let cell = rest[..end].to_owned();
            if cell.contains('"') {
                return Err(format!("a quote inside {cell}"));
            }
            rest = &rest[end..];
            Cell::Bare(cell)
        };
        line.push(cell);
        if let Some(next) = rest.strip_prefix(delimiter) {
            rest = next;
        } else {
            rest =
                rest.strip_prefix("\r\n").or(rest.strip_prefix('\n')).ok_or(format!("after a cell comes {rest:?}"))?;
            lines.push(std::mem::take(&mut line));
        }
    }
    if line.is_empty() { Ok(lines) } else { Err("the last line has no end".into()) }
}

/// What a reader that knows the types and minds the quotes makes of a cell: no cell is another's.
fn read(style: &CsvStyle, kind: ColumnType, cell: &Cell) -> Value {
    match (cell, kind) {
        (Cell::Bare(null), _) if *null == style.null => Value::Null,
        (Cell::Bare(number), ColumnType::Integer) => Value::Integer(number.parse().unwrap()),
        (Cell::Bare(yes), ColumnType::Boolean) if yes == "true" || yes == "false" => Value::Boolean(yes == "true"),
        (Cell::Quoted(text), ColumnType::Text) => Value::Text(unguard(style.formula_guard, text).to_owned()),
        other => panic!("{other:?}"),
    }
}

/// A value as it is read back: a CSV has no NUL, and most readers skip an empty line.
fn as_read(style: &CsvStyle, width: usize, value: &Value) -> Value {
    match value {
        Value::Null if width == 1 && style.null.is_empty() => Value::Text(String::new()),
        Value::Text(text) => Value::Text(text.replace('\0', "\u{fffd}")),
        other => other.clone(),
    }
}

fn rows(most: usize) -> impl Strategy<Value = (usize, Vec<Vec<Value>>)> {
    (1..7_usize).prop_flat_map(move |width| {
        let row = (0..width).map(value).collect::<Vec<_>>();
        (Just(width), prop::collection::vec(row, 0..most))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::random_cases(600)))]

    #[test]
    fn other_reader_gets_the_written_values(
        (width, rows) in rows(6),
        style in style(),
    ) {
        let bytes = written(&style, &rows, width);
        let text = std::str::from_utf8(&bytes).unwrap();
        let lines = rfc_4180(text.strip_prefix('\u{feff}').unwrap_or(text), char::from(style.delimiter)).unwrap();
        let header: Vec<Cell> = (0..width).map(|n| Cell::Quoted(format!("c{n}"))).collect();
        prop_assert_eq!(&lines[0], &header);
        let found: Vec<Vec<Value>> = lines[1..]
            .iter()
            .map(|line| line.iter().enumerate().map(|(n, cell)| read(&style, kind(n), cell)).collect())
            .collect();
        let expected: Vec<Vec<Value>> = rows.iter().map(|row| row.iter().map(|value| as_read(&style, width, value)).collect()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn the_csv_crate_reads_the_same_texts(
        (width, rows) in rows(6),
        style in style(),
    ) {
        let bytes = written(&style, &rows, width);
        let text = std::str::from_utf8(&bytes).unwrap();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let bare = |cell: &Cell| match cell { Cell::Bare(text) | Cell::Quoted(text) => text.clone() };
        let ours: Vec<Vec<String>> = rfc_4180(text, char::from(style.delimiter))
            .unwrap()
            .iter()
            .map(|line| line.iter().map(bare).collect())
            .collect();
        let mut reader = csv::ReaderBuilder::new().delimiter(style.delimiter).has_headers(false).from_reader(text.as_bytes());
        let theirs: Vec<Vec<String>> =
            reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        // To the crate a line of one empty cell is no line at all.
        let lines = |all: Vec<Vec<String>>| all.into_iter().filter(|line| *line != [""]).collect::<Vec<_>>();
        prop_assert_eq!(lines(theirs), lines(ours));
    }
}

#[test]
fn the_strict_reader_is_strict() {
    for (text, wrong) in
        [("a\"b\n", "inside"), ("\"a\"b\n", "after a cell"), ("\"a\n", "never closed"), ("a,b", "no end")]
    {
        assert!(rfc_4180(text, ',').unwrap_err().contains(wrong), "{text:?}");
    }
}

#[test]
fn null_and_empty_text_have_different_bytes() {
    let row = [Value::Text(String::new()), Value::Null, Value::Null, Value::Null];
    let bytes = written(&CsvStyle::default(), &[row.to_vec(), vec![Value::Null; 4]], 4);
    assert_eq!(String::from_utf8(bytes).unwrap(), "\"c0\",\"c1\",\"c2\",\"c3\"\n\"\",,,\n,,,\n");
}
