//! The values inside a response, read leniently where Spotify has deviated from its own schema.
//!
//! A field is absent, null or a value, and the three mean different things to a database: an absent key
//! leaves the stored value alone, an explicit null overwrites it. serde has no type that keeps the three
//! apart.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A key of an object: absent, null, or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JsonField<T> {
    /// The response did not contain the key.
    #[default]
    Absent,
    /// The value of the key was `null`.
    Null,
    /// The key had a value.
    Value(T),
}

impl<T> JsonField<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            JsonField::Value(value) => Some(value),
            JsonField::Absent | JsonField::Null => None,
        }
    }

    /// Whether the response contained the key.
    pub fn is_present(&self) -> bool {
        !matches!(self, JsonField::Absent)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for JsonField<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::<T>::deserialize(deserializer)? {
            Some(value) => JsonField::Value(value),
            None => JsonField::Null,
        })
    }
}

/// A text, borrowed from the response unless it contains escapes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct JsonText<'a>(pub Cow<'a, str>);

impl std::ops::Deref for JsonText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `Option<Cow<str>>` would always copy: serde borrows a Cow only as a field of its own.
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = JsonText<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, v: &'de str) -> Result<JsonText<'de>, E> {
                Ok(JsonText(Cow::Borrowed(v)))
            }

            fn visit_str<E: de::Error>(self, v: &str) -> Result<JsonText<'de>, E> {
                Ok(JsonText(Cow::Owned(v.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A whole number. For weeks in 2024, Spotify sent `806.0` and `4.9022656E7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JsonInt(pub i64);

impl<'de> Deserialize<'de> for JsonInt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IntVisitor;
        impl Visitor<'_> for IntVisitor {
            type Value = JsonInt;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: de::Error>(self, v: i64) -> Result<JsonInt, E> {
                Ok(JsonInt(v))
            }

            fn visit_u64<E: de::Error>(self, v: u64) -> Result<JsonInt, E> {
                i64::try_from(v).map(JsonInt).map_err(|_| E::custom("number beyond 64 bits"))
            }

            fn visit_f64<E: de::Error>(self, v: f64) -> Result<JsonInt, E> {
                // 2^53: beyond it a float no longer tells whole numbers apart.
                const EXACT: f64 = 9_007_199_254_740_992.0;
                if v.fract() == 0.0 && v.abs() <= EXACT {
                    #[expect(clippy::cast_possible_truncation, reason = "checked: whole and below 2^53")]
                    Ok(JsonInt(v as i64))
                } else {
                    Err(E::custom(format!("{v} is not a whole number")))
                }
            }
        }
        deserializer.deserialize_any(IntVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Probe<'a> {
        #[serde(borrow, default)]
        name: JsonField<JsonText<'a>>,
        #[serde(default)]
        size: JsonField<JsonInt>,
    }

    #[test]
    fn absent_null_and_value_are_three_things() {
        let probe: Probe<'_> = serde_json::from_str(r#"{"name":null}"#).unwrap();
        assert_eq!(probe.name, JsonField::Null);
        assert_eq!(probe.size, JsonField::Absent);
        let probe: Probe<'_> = serde_json::from_str(r#"{"name":"","size":0}"#).unwrap();
        assert_eq!(probe.name.value().map(|t| &**t), Some(""));
        assert_eq!(probe.size, JsonField::Value(JsonInt(0)));
    }

    #[test]
    fn a_text_without_escapes_is_not_copied() {
        let json = r#"{"name":"Ágætis byrjun"}"#;
        let probe: Probe<'_> = serde_json::from_str(json).unwrap();
        assert!(matches!(probe.name, JsonField::Value(JsonText(Cow::Borrowed(_)))));
    }

    #[test]
    fn whole_floats_are_numbers_and_broken_ones_are_refused() {
        for (json, want) in [("806.0", Some(806)), ("4.9022656E7", Some(49_022_656)), ("1e999", None), ("0.5", None)] {
            let got: Result<JsonInt, _> = serde_json::from_str(json);
            assert_eq!(got.ok().map(|i| i.0), want, "{json}");
        }
        assert!(serde_json::from_str::<JsonInt>("\"5\"").is_err());
        assert!(serde_json::from_str::<JsonInt>("18446744073709551615").is_err());
    }
}
