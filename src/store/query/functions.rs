//! The text functions of SQLite that can take minutes within one call, replaced with ones whose time grows with the length.
//!
//! SQLite checks the time between the steps of a statement and never within a function. `instr`, `replace`, `trim` and `unhex`
//! compare every place of one text with another text, so two values of a megabyte keep them busy for too long. A test compares the
//! results with SQLite's own. They differ for numbers with a fraction, which have the fewest digits here. `LIKE` and `GLOB`
//! need no replacement, since their patterns are short.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result, ffi};

use super::limits::MAX_VALUE_BYTES;

/// `json_patch` compares each key of one object with each of the other. At this product of their lengths, one call takes a
/// second.
const MAX_PATCH_PRODUCT: usize = 1 << 31;

/// Replaces the functions on a connection.
pub(super) fn replace_functions(store: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    store.create_scalar_function("instr", 2, flags, find)?;
    store.create_scalar_function("replace", 3, flags, substitute)?;
    for (name, at_start, at_end) in [("trim", true, true), ("ltrim", true, false), ("rtrim", false, true)] {
        store.create_scalar_function(name, 2, flags, move |context| trim(context, at_start, at_end))?;
    }
    store.create_scalar_function("unhex", 2, flags, unhex)?;
    let flags = flags | FunctionFlags::SQLITE_RESULT_SUBTYPE;
    for name in ["json_patch", "jsonb_patch"] {
        // SQLite's own function, which this one replaces on the other connection.
        let own = Connection::open_in_memory()?;
        let subtype = (name == "json_patch").then_some(JSON_SUBTYPE);
        let sql = format!("SELECT {name}(?1, ?2)");
        store.create_scalar_function(name, 2, flags, move |context| Ok((patch(context, &own, &sql)?, subtype)))?;
    }
    Ok(())
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
    let set = characters(context)?;
    let (Some(all), Some(set)) = (text(context.get_raw(0)), &*set) else { return Ok(None) };
    let mut left: &str = &all;
    if at_start {
        left = left.trim_start_matches(|c| set.contains(&c));
    }
    if at_end {
        left = left.trim_end_matches(|c| set.contains(&c));
    }
    Ok(Some(left.to_owned()))
}

/// `unhex(X, Y)`: the bytes of X, which may contain characters of Y between its pairs of digits. Null if it contains others.
fn unhex(context: &mut Context<'_>) -> Result<Option<Vec<u8>>> {
    let set = characters(context)?;
    let (Some(all), Some(set)) = (text(context.get_raw(0)), &*set) else { return Ok(None) };
    let digit = |c: char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::new();
    // As in SQLite, the text ends with the first NUL.
    let mut left = all.chars().take_while(|c| *c != '\0');
    while let Some(c) = left.next() {
        match (digit(c), set.contains(&c)) {
            (Some(high), _) => match left.next().and_then(digit) {
                Some(low) => bytes.push(high << 4 | low),
                None => return Ok(None),
            },
            (None, true) => {}
            (None, false) => return Ok(None),
        }
    }
    Ok(Some(bytes))
}

/// The characters of the second argument; `None` for null. They are the same for each row of nearly every query.
fn characters(context: &mut Context<'_>) -> Result<Arc<Option<BTreeSet<char>>>> {
    context.get_or_create_aux(1, |set| Ok::<_, Error>(text(set).map(|set| set.chars().collect())))
}

/// How SQLite marks a text that is JSON, so that other JSON functions do not quote it.
const JSON_SUBTYPE: std::ffi::c_uint = b'J' as std::ffi::c_uint;

/// `json_patch(X, Y)` for texts and blobs that SQLite patches in a short time.
fn patch(context: &mut Context<'_>, own: &Connection, sql: &str) -> Result<Value> {
    let length = |at| match context.get_raw(at) {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        _ => 0,
    };
    let (target, change) = (length(0), length(1));
    if target.saturating_mul(change) > MAX_PATCH_PRODUCT {
        let why = format!(
            "json_patch would take too long for {target} and {change} bytes; the limit is {MAX_PATCH_PRODUCT} for their product"
        );
        return Err(Error::UserFunctionError(why.into()));
    }
    let value = |at| Value::try_from(context.get_raw(at));
    own.prepare_cached(sql)?.query_row([value(0)?, value(1)?], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::types::ToSql;

    use super::*;

    fn connections() -> (Connection, Connection) {
        let ours = Connection::open_in_memory().unwrap();
        replace_functions(&ours).unwrap();
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

    #[test]
    fn short_patches_are_those_of_sqlite() {
        let (ours, theirs) = connections();
        for sql in [
            r#"SELECT json_patch('{"a":1,"b":{"c":2}}', '{"b":{"c":null},"d":[1]}')"#,
            r#"SELECT json_array(json_patch('{"b":1}', '{"a":2}'), 1)"#,
            r#"SELECT json(jsonb_patch('{"b":1}', jsonb('{"a":2}')))"#,
            "SELECT json_patch(NULL, '{}')",
            "SELECT json_patch('{}', 1.5)",
            "SELECT json_patch('{', '{}')",
        ] {
            assert_eq!(result(&ours, sql, &[]), result(&theirs, sql, &[]), "{sql}");
        }
        let long = Value::Text(format!("[\"{}\"]", "x".repeat(50_000)));
        let refused = result(&ours, "SELECT json_patch(?1, ?2)", &[long.clone(), long]).unwrap_err();
        assert!(refused.contains("would take too long for 50004 and 50004 bytes"), "{refused}");
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
                "SELECT rtrim(?1, ?2)", "SELECT hex(unhex(?1, ?2))", "SELECT unhex(?1, ?2) IS NULL",
            ] {
                let count = if sql.contains("?3") { 3 } else { 2 };
                let values = &[a.clone(), b.clone(), c.clone()][..count];
                let (ours, theirs) = STORES.with(|(ours, theirs)| (result(ours, sql, values), result(theirs, sql, values)));
                prop_assert_eq!(ours, theirs, "{} {:?}", sql, values);
            }
        }
    }
}
