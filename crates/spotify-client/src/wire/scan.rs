//! Finds values inside an object that was already parsed once, without parsing it again.
//!
//! Half of a track's bytes are its two lists of markets, and half of the tracks of a run were seen
//! before. To recognise a track takes its id, type and bytes. This code looks for keys of one object and
//! skips everything else. The text must be valid JSON, as the entries of a page are; other text gives
//! meaningless results but does no harm. It is written by hand because serde_json also validates what it
//! skips, and that is the work to be saved.

use memchr::{memchr, memchr2};

/// The raw values of these keys of an object. `None` for a key that is absent, and for all keys if the
/// text is not an object. A key that contains escapes is not found.
pub fn find_values<'a, const N: usize>(object: &'a str, keys: [&str; N]) -> [Option<&'a str>; N] {
    let mut found = [None; N];
    let text = object.as_bytes();
    let mut at = skip_space(text, 0);
    if text.get(at) != Some(&b'{') {
        return found;
    }
    at = skip_space(text, at + 1);
    while text.get(at) == Some(&b'"') {
        let key_end = skip_string(text, at);
        let key = object.get(at + 1..key_end.saturating_sub(1));
        let value = skip_space(text, skip_space(text, key_end) + 1);
        let end = skip_value(text, value);
        if let Some(n) = keys.iter().position(|wanted| Some(*wanted) == key) {
            found[n] = object.get(value..end);
            if found.iter().all(Option::is_some) {
                break;
            }
        }
        at = skip_space(text, skip_space(text, end) + 1);
    }
    found
}

/// The text of a value without escapes; `None` if it has some, or is no text.
pub fn plain_text(value: &str) -> Option<&str> {
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains('\\')).then_some(text)
}

fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// The end of the value that begins here.
fn skip_value(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(b'"') => skip_string(text, at),
        Some(b'{' | b'[') => skip_nested(text, at),
        _ => {
            let rest = text.get(at..).unwrap_or_default();
            let end = rest.iter().position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\t' | b'\r'));
            at + end.unwrap_or(rest.len())
        }
    }
}

fn skip_string(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(found) = memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += found;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}

fn skip_nested(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    loop {
        match text.get(at) {
            Some(b'"') => at = skip_string(text, at),
            Some(b'[') => {
                if let Some(end) = end_of_word_list(text, at) {
                    at = end;
                } else {
                    depth += 1;
                    at += 1;
                }
            }
            Some(b'{') => {
                depth += 1;
                at += 1;
            }
            Some(b'}' | b']') => {
                depth -= 1;
                at += 1;
            }
            Some(_) => at += 1,
            None => return text.len(),
        }
        if depth == 0 {
            return at;
        }
    }
}

/// The end of a list of plain words, such as one of markets, found without looking at each.
///
/// The first `]` ends it if no list begins before and the `]` is not in a string. It does not if it
/// follows a closing quote; and what follows a letter or digit is one, since no string begins there.
fn end_of_word_list(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at + 1..)?;
    let len = memchr(b']', rest)?;
    let list = &rest[..len];
    let outside = matches!(list, [.., last, b'"'] if last.is_ascii_alphanumeric());
    (outside && memchr(b'[', list).is_none()).then_some(at + 1 + len + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn values_are_found_after_any_other_keys() {
        let text = r#" { "a" : ["]", "x\"]", []], "b":{"id":"inner","l":["DE","FR"]} , "markets":["AD","AE"],
            "n":-1.5e3,"id":"outer", "t":true , "e":"\"}" } "#;
        let found = find_values(text, ["id", "n", "t", "markets", "b", "missing", "e"]);
        let b = r#"{"id":"inner","l":["DE","FR"]}"#;
        assert_eq!(
            found,
            [Some("\"outer\""), Some("-1.5e3"), Some("true"), Some(r#"["AD","AE"]"#), Some(b), None, Some(r#""\"}""#)]
        );
        assert_eq!(plain_text("\"outer\""), Some("outer"));
        assert_eq!(plain_text(r#""\"}""#), None);
    }

    #[test]
    fn invalid_text_has_no_values() {
        for text in ["", "5", "[1]", "null", "{", "{\"id", "{\"id\"", "{\"id\":", "{\"id\":[\"", "{\"id\":{\"a\":\"\\"]
        {
            let _ = find_values(text, ["id"]);
        }
        assert_eq!(find_values("[{\"id\":1}]", ["id"]), [None]);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z\\[\\]{}\",\\\\é ]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map("[a-d]{1,2}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_parser_finds(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            for key in ["a", "b", "aa", "c"] {
                let [found] = find_values(&text, [key]);
                let found: Option<Value> = found.map(|raw| serde_json::from_str(raw).unwrap());
                prop_assert_eq!(found.as_ref(), value.as_object().and_then(|o| o.get(key)));
            }
        }
    }
}
