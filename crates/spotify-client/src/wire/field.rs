//! The values inside an answer, read leniently where Spotify has been lenient with its own schema.
//!
//! A field is absent, null or a value, and the three mean different things to the store: an absent
//! key leaves what is known alone, an explicit null overwrites it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A key of an object: not there, null, or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// The key did not stand in the answer.
    #[default]
    Absent,
    /// The key stood there with `null`.
    Null,
    /// The key had a value.
    Value(T),
}

impl<T> Field<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Field::Value(value) => Some(value),
            Field::Absent | Field::Null => None,
        }
    }

    /// Whether the key stood in the answer at all.
    pub fn is_present(&self) -> bool {
        !matches!(self, Field::Absent)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::<T>::deserialize(deserializer)? {
            Some(value) => Field::Value(value),
            None => Field::Null,
        })
    }
}

/// A text, borrowed from the answer unless it holds escapes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Text<'a>(pub Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `Option<Cow<str>>` would always copy: serde borrows a Cow only as a field of its own.
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, v: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(v)))
            }

            fn visit_str<E: de::Error>(self, v: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(v.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}

/// A whole number; `806.0` and `4.9022656E7` have come in place of one for weeks (2024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Int(pub i64);

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Int;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Int, E> {
                Ok(Int(v))
            }

            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Int, E> {
                i64::try_from(v).map(Int).map_err(|_| E::custom("number beyond 64 bits"))
            }

            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Int, E> {
                // 2^53: beyond it a float no longer tells whole numbers apart.
                const EXACT: f64 = 9_007_199_254_740_992.0;
                if v.fract() == 0.0 && v.abs() <= EXACT {
                    #[expect(clippy::cast_possible_truncation, reason = "checked: whole and below 2^53")]
                    Ok(Int(v as i64))
                } else {
                    Err(E::custom(format!("{v} is not a whole number")))
                }
            }
        }
        deserializer.deserialize_any(Whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Probe<'a> {
        #[serde(borrow, default)]
        name: Field<Text<'a>>,
        #[serde(default)]
        size: Field<Int>,
    }

    #[test]
    fn absent_null_and_value_are_three_things() {
        let probe: Probe<'_> = serde_json::from_str(r#"{"name":null}"#).unwrap();
        assert_eq!(probe.name, Field::Null);
        assert_eq!(probe.size, Field::Absent);
        let probe: Probe<'_> = serde_json::from_str(r#"{"name":"","size":0}"#).unwrap();
        assert_eq!(probe.name.value().map(|t| &**t), Some(""));
        assert_eq!(probe.size, Field::Value(Int(0)));
    }

    #[test]
    fn a_text_without_escapes_is_not_copied() {
        let json = r#"{"name":"Ágætis byrjun"}"#;
        let probe: Probe<'_> = serde_json::from_str(json).unwrap();
        assert!(matches!(probe.name, Field::Value(Text(Cow::Borrowed(_)))));
    }

    #[test]
    fn whole_floats_are_numbers_and_broken_ones_are_refused() {
        for (json, want) in [("806.0", Some(806)), ("4.9022656E7", Some(49_022_656)), ("1e999", None), ("0.5", None)] {
            let got: Result<Int, _> = serde_json::from_str(json);
            assert_eq!(got.ok().map(|i| i.0), want, "{json}");
        }
        assert!(serde_json::from_str::<Int>("\"5\"").is_err());
        assert!(serde_json::from_str::<Int>("18446744073709551615").is_err());
    }
}
