//! The text functions of SQLite that can take minutes within one call, replaced with ones that look at the clock.
//!
//! SQLite checks the time between the steps of a statement and never within a function. `instr`, `replace` and `trim` compare
//! every place of one text with another text, so two values of a megabyte keep them busy for minutes. These here give the same
//! results (a test compares them), in a time that grows with the length. `LIKE` and `GLOB` also call themselves for each
//! wildcard in SQLite.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result, ffi};

use super::limits::{MAX_PATTERN_BYTES, MAX_VALUE_BYTES};

/// Steps of a comparison between two looks at the clock.
const STEPS_PER_LOOK: u32 = 100_000;

/// Replaces the functions on a connection. `is_late` says whether the query has to end.
pub(super) fn replace_functions(store: &Connection, is_late: impl Fn() -> bool + Clone + Send + 'static) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    store.create_scalar_function("instr", 2, flags, find)?;
    store.create_scalar_function("replace", 3, flags, substitute)?;
    for (name, at_start, at_end) in [("trim", true, true), ("ltrim", true, false), ("rtrim", false, true)] {
        store.create_scalar_function(name, 2, flags, move |context| trim(context, at_start, at_end))?;
    }
    for count in [2, 3] {
        let is_late = is_late.clone();
        store.create_scalar_function("like", count, flags, move |context| {
            let escape = match (count, text(context.get_raw(count as usize - 1))) {
                (2, _) => None,
                (_, None) => return Ok(None),
                (_, Some(escape)) => {
                    let mut chars = escape.chars();
                    match (chars.next(), chars.next()) {
                        (Some(one), None) => Some(one),
                        _ => return Err(failure("ESCAPE expression must be a single character")),
                    }
                }
            };
            is_match(context, |pattern| like_pattern(pattern, escape), true, &is_late)
        })?;
    }
    store.create_scalar_function("glob", 2, flags, move |context| is_match(context, glob_pattern, false, &is_late))
}

fn failure(message: &str) -> Error {
    Error::UserFunctionError(message.into())
}

/// A value as text; `None` for null. A number with a fraction has the fewest digits that mean it: SQLite's digits beyond
/// the 15th differ by version.
fn text(value: ValueRef<'_>) -> Option<Cow<'_, str>> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into()),
        ValueRef::Real(number) => Some(format!("{number:?}").into()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes)),
    }
}

/// `instr(X, Y)`: the place of Y in X from 1, in characters, or in bytes if both are blobs.
fn find(context: &mut Context<'_>) -> Result<Option<i64>> {
    if let (ValueRef::Blob(all), ValueRef::Blob(part)) = (context.get_raw(0), context.get_raw(1)) {
        return Ok(Some(memchr::memmem::find(all, part).map_or(0, |at| place(at + 1))));
    }
    let (Some(all), Some(part)) = (text(context.get_raw(0)), text(context.get_raw(1))) else { return Ok(None) };
    let at = memchr::memmem::find(all.as_bytes(), part.as_bytes());
    Ok(Some(at.map_or(0, |at| place(all[..at].chars().count() + 1))))
}

fn place(at: usize) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// `replace(X, Y, Z)`: X with Z in place of each Y.
fn substitute(context: &mut Context<'_>) -> Result<Value> {
    let values = [0, 1, 2].map(|n| text(context.get_raw(n)));
    let (all, part) = match &values {
        [Some(all), Some(part), _] => (all, part),
        _ => return Ok(Value::Null),
    };
    if part.is_empty() {
        return Ok(Value::Text(all.to_string()));
    }
    let [.., Some(with)] = &values else { return Ok(Value::Null) };
    let mut out = String::with_capacity(all.len());
    let mut from = 0;
    for at in memchr::memmem::find_iter(all.as_bytes(), part.as_bytes()) {
        out.push_str(&all[from..at]);
        out.push_str(with);
        from = at + part.len();
        if out.len() > MAX_VALUE_BYTES {
            return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None));
        }
    }
    out.push_str(&all[from..]);
    Ok(Value::Text(out))
}

/// `trim(X, Y)`: X without the characters of Y at its ends.
fn trim(context: &mut Context<'_>, at_start: bool, at_end: bool) -> Result<Option<String>> {
    let (Some(all), Some(set)) = (text(context.get_raw(0)), text(context.get_raw(1))) else { return Ok(None) };
    let set: BTreeSet<char> = set.chars().collect();
    let mut left: &str = &all;
    if at_start {
        left = left.trim_start_matches(|c| set.contains(&c));
    }
    if at_end {
        left = left.trim_end_matches(|c| set.contains(&c));
    }
    Ok(Some(left.to_owned()))
}

/// One part of a pattern.
#[derive(Debug)]
enum PatternPart {
    /// Any number of characters.
    AnyText,
    AnyCharacter,
    Character(char),
    /// One of these ranges, or none of them.
    Set {
        ranges: Vec<(char, char)>,
        is_inverted: bool,
    },
    /// What follows can never match.
    Nothing,
}

fn like_pattern(pattern: &str, escape: Option<char>) -> Vec<PatternPart> {
    let mut chars = pattern.chars();
    let mut parts = Vec::new();
    while let Some(c) = chars.next() {
        parts.push(match c {
            _ if Some(c) == escape => chars.next().map_or(PatternPart::Nothing, PatternPart::Character),
            '%' => PatternPart::AnyText,
            '_' => PatternPart::AnyCharacter,
            c => PatternPart::Character(c),
        });
    }
    parts
}

fn glob_pattern(pattern: &str) -> Vec<PatternPart> {
    let mut chars = pattern.chars().peekable();
    let mut parts = Vec::new();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '*' => PatternPart::AnyText,
            '?' => PatternPart::AnyCharacter,
            '[' => glob_set(&mut chars),
            c => PatternPart::Character(c),
        });
    }
    parts
}

/// The rest of a set such as `[^a-z]`.
fn glob_set(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> PatternPart {
    let is_inverted = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    if chars.next_if_eq(&']').is_some() {
        ranges.push((']', ']'));
    }
    let mut before = None;
    loop {
        match (chars.next(), before) {
            (None, _) => return PatternPart::Nothing,
            (Some(']'), _) => return PatternPart::Set { ranges, is_inverted },
            (Some('-'), Some(first)) if chars.peek().is_some_and(|next| *next != ']') => {
                ranges.extend(chars.next().map(|last| (first, last)));
                before = None;
            }
            (Some(c), _) => {
                ranges.push((c, c));
                before = Some(c);
            }
        }
    }
}

impl PatternPart {
    fn accepts(&self, c: char, ignores_case: bool) -> bool {
        match self {
            PatternPart::AnyCharacter => true,
            PatternPart::Character(own) if ignores_case => own.eq_ignore_ascii_case(&c),
            PatternPart::Character(own) => *own == c,
            PatternPart::Set { ranges, is_inverted } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *is_inverted
            }
            PatternPart::AnyText | PatternPart::Nothing => false,
        }
    }
}

/// `like(PATTERN, TEXT)` and `glob(PATTERN, TEXT)`.
fn is_match(
    context: &mut Context<'_>,
    parse: impl Fn(&str) -> Vec<PatternPart>,
    ignores_case: bool,
    is_late: &impl Fn() -> bool,
) -> Result<Option<bool>> {
    let (Some(pattern), Some(all)) = (text(context.get_raw(0)), text(context.get_raw(1))) else { return Ok(None) };
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(failure("LIKE or GLOB pattern too complex"));
    }
    let parts = parse(&pattern);
    let (mut rest, mut part) = (all.chars(), 0);
    // Where to continue if what follows the last wildcard does not match here: an earlier wildcard need not be tried again.
    let mut retry = None;
    for steps in 1u32.. {
        if steps % STEPS_PER_LOOK == 0 && is_late() {
            return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_INTERRUPT), None));
        }
        let mut ahead = rest.clone();
        match (parts.get(part), ahead.next()) {
            (Some(PatternPart::AnyText), _) => {
                part += 1;
                retry = Some((rest.clone(), part));
                continue;
            }
            (None, None) => return Ok(Some(true)),
            (Some(own), Some(c)) if own.accepts(c, ignores_case) => {
                part += 1;
                rest = ahead;
                continue;
            }
            _ => {}
        }
        let Some((from, after)) = &mut retry else { return Ok(Some(false)) };
        if from.next().is_none() {
            return Ok(Some(false));
        }
        (rest, part) = (from.clone(), *after);
    }
    Ok(Some(false))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::types::ToSql;

    use super::*;

    fn connections() -> (Connection, Connection) {
        let ours = Connection::open_in_memory().unwrap();
        replace_functions(&ours, || false).unwrap();
        (ours, Connection::open_in_memory().unwrap())
    }

    fn result(store: &Connection, sql: &str, values: &[Value]) -> std::result::Result<Value, String> {
        let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
        let value = store.query_row(sql, values.as_slice(), |row| row.get(0)).map_err(|error| error.to_string())?;
        // Without anything to replace, SQLite returns some blobs as they are and others as text.
        Ok(match value {
            Value::Blob(bytes) => Value::Text(String::from_utf8(bytes).expect("the blobs here are text")),
            value => value,
        })
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            6 => "[abAB%_*?\\[\\]^é-]{0,6}".prop_map(Value::Text),
            1 => Just(Value::Null),
            1 => (-120i64..120).prop_map(Value::Integer),
            // With few digits, since SQLite writes more than are needed.
            1 => (-100_000i32..100_000).prop_map(|n| Value::Real(f64::from(n) / 8.0)),
            1 => "[ab%*]{0,4}".prop_map(|text| Value::Blob(text.into_bytes())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: crate::random_cases(3_000), failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn functions_give_what_sqlite_gives(a in value(), b in value(), c in value()) {
            thread_local!(static STORES: (Connection, Connection) = connections());
            for sql in [
                "SELECT instr(?1, ?2)", "SELECT replace(?1, ?2, ?3)", "SELECT trim(?1, ?2)", "SELECT ltrim(?1, ?2)",
                "SELECT rtrim(?1, ?2)", "SELECT ?1 LIKE ?2", "SELECT ?1 GLOB ?2", "SELECT ?1 LIKE ?2 ESCAPE ?3",
                "SELECT ?1 NOT LIKE ?2 ESCAPE '%'",
            ] {
                let count = if sql.contains("?3") { 3 } else { 2 };
                let values = &[a.clone(), b.clone(), c.clone()][..count];
                let (ours, theirs) = STORES.with(|(ours, theirs)| (result(ours, sql, values), result(theirs, sql, values)));
                prop_assert_eq!(ours, theirs, "{} {:?}", sql, values);
            }
        }
    }
}
