//! What is written is what a reader reads.

use proptest::prelude::*;

use super::*;
use crate::export::style::Profile;
use crate::export::{Guard, TimeFormat};

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

fn style() -> impl Strategy<Value = Style> {
    let guard = prop_oneof![Just(Guard::Auto), Just(Guard::All), Just(Guard::Off)];
    let null = prop_oneof![Just(""), Just("NULL"), Just("\\N")];
    (0..4_usize, guard, null, prop::sample::select(b",;\t|".to_vec())).prop_map(
        |(profile, formula_guard, null, delimiter)| {
            let style = Style::of(Profile::ALL[profile]);
            Style { formula_guard, null: null.into(), delimiter, time_format: TimeFormat::Iso, ..style }
        },
    )
}

fn kind(column: usize) -> Type {
    [Type::Text, Type::Integer, Type::Boolean][column % 3]
}

fn written(style: &Style, rows: &[Vec<Value>], width: usize) -> Vec<u8> {
    let mut page = Page::new(Vec::new(), style).unwrap();
    let column = |n| SheetColumn { header: format!("c{n}").into(), kind: Some(kind(n)), about: "" };
    page.header((0..width).map(column).collect()).unwrap();
    for row in rows {
        for (n, value) in row.iter().enumerate() {
            page.line.clear();
            page.cell(
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

/// What a reader that knows the types makes of a cell; null and the empty text are one to it.
fn read(style: &Style, kind: Type, cell: &str) -> Value {
    match (cell, kind) {
        (null, Type::Integer | Type::Boolean) if null == style.null || null.is_empty() => Value::Null,
        (number, Type::Integer) => Value::Integer(number.parse().unwrap()),
        (yes, Type::Boolean) => Value::Boolean(yes == "true"),
        (text, _) => Value::Text(style.formula_guard.undo(text).to_owned()),
    }
}

fn as_read(style: &Style, column: usize, value: &Value) -> Value {
    match value {
        Value::Null if kind(column) == Type::Text => Value::Text(style.null.clone()),
        Value::Text(text) => Value::Text(text.replace('\0', "\u{fffd}")),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_the_csv_crate_reads_is_what_was_written(
        (width, rows) in (1..7_usize).prop_flat_map(|width| {
            let row = (0..width).map(value).collect::<Vec<_>>();
            (Just(width), prop::collection::vec(row, 0..6))
        }),
        style in style(),
    ) {
        let bytes = written(&style, &rows, width);
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
        let mut reader = csv::ReaderBuilder::new().delimiter(style.delimiter).from_reader(bytes);
        prop_assert_eq!(reader.headers().unwrap().len(), width);
        let found: Vec<Vec<Value>> = reader
            .records()
            .map(|record| record.unwrap().iter().enumerate().map(|(n, cell)| read(&style, kind(n), cell)).collect())
            .collect();
        let expected: Vec<Vec<Value>> =
            rows.iter().map(|row| row.iter().enumerate().map(|(n, v)| as_read(&style, n, v)).collect()).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn null_and_the_empty_text_differ_in_the_bytes() {
    let row = [Value::Text(String::new()), Value::Null, Value::Null, Value::Null];
    let bytes = written(&Style::default(), &[row.to_vec(), vec![Value::Null; 4]], 4);
    assert_eq!(String::from_utf8(bytes).unwrap(), "\"c0\",\"c1\",\"c2\",\"c3\"\n\"\",,,\n,,,\n");
}
