//! Writes JSON directly into a string.
//!
//! A page of fifty tracks has 200 KB, and building a tree of values for it would cost more than the rest of
//! the response. Writing text also makes it possible to send what a serializer refuses or corrects: `200040.0`
//! for an integer, the same key twice, and keys in the order that Spotify uses.

use std::fmt::{Display, Write};

/// Writes the keys of one object. [`object`] writes its braces.
pub(crate) struct ObjectWriter<'a> {
    out: &'a mut String,
    empty: bool,
}

/// Writes `{…}`.
pub(crate) fn object(out: &mut String, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.push('{');
    fill(&mut ObjectWriter { out, empty: true });
    out.push('}');
}

/// Writes `[…]` and calls `each` for every element.
pub(crate) fn array<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut String, T)) {
    out.push('[');
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(']');
}

/// Writes a quoted string.
pub(crate) fn text(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => push_display(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Appends formatted text.
pub(crate) fn push_display(out: &mut String, what: impl Display) {
    write!(out, "{what}").expect("writing to a string does not fail");
}

impl ObjectWriter<'_> {
    fn key(&mut self, key: &str) -> &mut String {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(',');
        }
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
        self.out
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        text(self.key(key), value);
    }

    /// A string or null.
    pub(crate) fn text_or_null(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.raw(key, "null"),
        }
    }

    /// A number, a boolean or another value with JSON as its `Display` output.
    pub(crate) fn display(&mut self, key: &str, value: impl Display) {
        push_display(self.key(key), value);
    }

    /// A value that is already JSON.
    pub(crate) fn raw(&mut self, key: &str, json: &str) {
        self.key(key).push_str(json);
    }

    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
        object(self.key(key), fill);
    }

    pub(crate) fn array<T>(&mut self, key: &str, items: impl IntoIterator<Item = T>, each: impl FnMut(&mut String, T)) {
        array(self.key(key), items, each);
    }

    /// A value that `write` writes.
    pub(crate) fn write_with(&mut self, key: &str, write: impl FnOnce(&mut String)) {
        write(self.key(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_json_parses_back() {
        let odd = "a \"b\"\\ \n\r\t\u{0}\u{1f} ε 👩‍🚀";
        let mut out = String::new();
        object(&mut out, |o| {
            o.text("odd", odd);
            o.text_or_null("none", None);
            o.raw("float", "4.9022656E7");
            o.array("list", [1, 2], push_display);
            o.object("inner", |o| o.display("yes", true));
        });
        let back: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(back["odd"], odd);
        assert!(back["none"].is_null());
        assert_eq!(back["list"][1], 2);
        assert_eq!(back["inner"]["yes"], true);
        assert!(out.contains("4.9022656E7") && out.contains("\\u0000"));
    }
}
