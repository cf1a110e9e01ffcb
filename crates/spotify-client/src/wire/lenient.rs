//! Reading a field whatever JSON type it has.
//!
//! Spotify has sent `"10"`, `50.0` and `{"totalMilliseconds": 1000}` for whole numbers, and `"false"` for a
//! boolean. A field with such a value must not cost the whole item, so every field is read on its own: a value
//! of another type is converted where its meaning is plain, else the field alone is unreadable. Both are
//! counted, so that [`find_field_anomalies`] can say which fields they were.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::field::{JsonField, JsonList};

thread_local! {
    // A serde visitor has no context of its own, so the count of the current thread is kept here.
    static ANOMALIES: Cell<usize> = const { Cell::new(0) };
    // While set, the anomaly after this many others is an error, which tells where it is.
    static STOP_AFTER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The number of fields that were converted or unreadable on this thread since the last call.
pub fn take_anomaly_count() -> usize {
    ANOMALIES.replace(0)
}

/// A field of an answer with an unexpected JSON type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldAnomaly {
    /// The field's path below the item, for example `artists[].name`.
    pub path: String,
    /// The JSON type that was sent: `object`, `list`, `text`, `number` or `boolean`.
    pub sent: &'static str,
    /// Whether the value was converted. If not, the field counts as absent.
    pub converted: bool,
}

const MAX_ANOMALIES: usize = 20;
const TYPES: [&str; 6] = ["object", "list", "text", "number", "boolean", "null"];

/// The fields of an object that are converted or unreadable when it is read as a `T`, each path once. Only the
/// first 20 such values are looked at.
///
/// This reads the object once for every such value, so it is meant for objects that
/// [`take_anomaly_count`] has counted.
pub fn find_field_anomalies<'a, T: Deserialize<'a>>(raw: &'a str) -> Vec<FieldAnomaly> {
    let mut found: Vec<FieldAnomaly> = Vec::new();
    for n in 0..MAX_ANOMALIES {
        STOP_AFTER.set(Some(n));
        ANOMALIES.set(0);
        let mut json = serde_json::Deserializer::from_str(raw);
        let read: Result<T, _> = serde_path_to_error::deserialize(&mut json);
        STOP_AFTER.set(None);
        ANOMALIES.set(0);
        let Err(error) = read else { break };
        let message = error.inner().to_string();
        let Some(sent) = TYPES.into_iter().find(|name| message.contains(&format!("<{name}>"))) else { break };
        let anomaly = FieldAnomaly { path: general_path(error.path()), sent, converted: message.contains("converted") };
        if !found.contains(&anomaly) {
            found.push(anomaly);
        }
    }
    found
}

/// A path in which list positions are left out, so that the same field of two entries has the same path.
fn general_path(path: &serde_path_to_error::Path) -> String {
    let mut text = String::new();
    for segment in path.iter() {
        match segment {
            serde_path_to_error::Segment::Seq { .. } => text.push_str("[]"),
            serde_path_to_error::Segment::Map { key } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            _ => {}
        }
    }
    text
}

/// Counts an anomaly. `sent` is one of [`TYPES`].
pub(super) fn note_anomaly<E: de::Error>(sent: &str, converted: bool) -> Result<(), E> {
    let before = ANOMALIES.get();
    ANOMALIES.set(before + 1);
    match STOP_AFTER.get() {
        Some(n) if n == before => {
            Err(E::custom(format!("<{sent}> {}", if converted { "converted" } else { "unreadable" })))
        }
        _ => Ok(()),
    }
}

/// What a JSON value was read as.
pub enum Lenient<T> {
    /// The value has the documented type.
    Expected(T),
    /// The value has another type, but its meaning is plain.
    Converted(T),
    /// The value has another type and no plain meaning.
    Unreadable,
}

/// A type that can be read from any JSON value, or say that it cannot.
///
/// Every method has a default that finds the value unreadable.
pub trait LenientValue<'de>: Sized {
    /// From a boolean.
    fn from_bool(_: bool) -> Lenient<Self> {
        Lenient::Unreadable
    }

    /// From a whole number.
    fn from_int(_: i64) -> Lenient<Self> {
        Lenient::Unreadable
    }

    /// From a number with a fraction or an exponent, or beyond 64 bits.
    fn from_float(_: f64) -> Lenient<Self> {
        Lenient::Unreadable
    }

    /// From a text that must be copied.
    fn from_text(_: &str) -> Lenient<Self> {
        Lenient::Unreadable
    }

    /// From a text that can be borrowed from the answer.
    fn from_borrowed_text(text: &'de str) -> Lenient<Self> {
        Self::from_text(text)
    }

    /// From a list. The default reads over it.
    ///
    /// # Errors
    /// If the JSON is malformed.
    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Lenient<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Lenient::Unreadable)
    }

    /// From an object. The default reads over it.
    ///
    /// # Errors
    /// If the JSON is malformed.
    fn from_object<A: MapAccess<'de>>(mut object: A) -> Result<Lenient<Self>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Lenient::Unreadable)
    }
}

struct LenientVisitor<T>(PhantomData<T>);

fn settle<T, E: de::Error>(read: Lenient<T>, sent: &str) -> Result<JsonField<T>, E> {
    match read {
        Lenient::Expected(value) => Ok(JsonField::Value(value)),
        Lenient::Converted(value) => note_anomaly(sent, true).map(|()| JsonField::Value(value)),
        Lenient::Unreadable => note_anomaly(sent, false).map(|()| JsonField::Unreadable),
    }
}

impl<'de, T: LenientValue<'de>> Visitor<'de> for LenientVisitor<T> {
    type Value = JsonField<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<JsonField<T>, E> {
        Ok(JsonField::Null)
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<JsonField<T>, E> {
        settle(T::from_bool(v), "boolean")
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<JsonField<T>, E> {
        settle(T::from_int(v), "number")
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<JsonField<T>, E> {
        settle(i64::try_from(v).map_or(Lenient::Unreadable, T::from_int), "number")
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<JsonField<T>, E> {
        settle(T::from_float(v), "number")
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<JsonField<T>, E> {
        settle(T::from_text(v), "text")
    }

    fn visit_borrowed_str<E: de::Error>(self, v: &'de str) -> Result<JsonField<T>, E> {
        settle(T::from_borrowed_text(v), "text")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<JsonField<T>, A::Error> {
        settle(T::from_list(list)?, "list")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<JsonField<T>, A::Error> {
        settle(T::from_object(object)?, "object")
    }
}

impl<'de, T: LenientValue<'de>> Deserialize<'de> for JsonField<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LenientVisitor(PhantomData))
    }
}

/// Entries that are null or unreadable are counted. A single value in place of a list is a list of one.
impl<'de, T: LenientValue<'de>> LenientValue<'de> for JsonList<T> {
    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Lenient<Self>, A::Error> {
        let mut read = JsonList { values: Vec::with_capacity(list.size_hint().unwrap_or(0).min(64)), has_gaps: false };
        while let Some(entry) = list.next_element::<JsonField<T>>()? {
            match entry {
                JsonField::Value(value) => read.values.push(value),
                JsonField::Null => {
                    read.has_gaps = true;
                    note_anomaly("null", false)?;
                }
                JsonField::Absent | JsonField::Unreadable => read.has_gaps = true,
            }
        }
        Ok(Lenient::Expected(read))
    }

    fn from_object<A: MapAccess<'de>>(object: A) -> Result<Lenient<Self>, A::Error> {
        Ok(one(T::from_object(object)?))
    }

    fn from_text(text: &str) -> Lenient<Self> {
        one(T::from_text(text))
    }

    fn from_borrowed_text(text: &'de str) -> Lenient<Self> {
        one(T::from_borrowed_text(text))
    }
}

fn one<T>(read: Lenient<T>) -> Lenient<JsonList<T>> {
    match read {
        Lenient::Expected(value) | Lenient::Converted(value) => {
            Lenient::Converted(JsonList { values: vec![value], has_gaps: false })
        }
        Lenient::Unreadable => Lenient::Unreadable,
    }
}

/// Reads an object by its derived `Deserialize`. Its fields are lenient, too.
pub(super) fn read_object<'de, T: Deserialize<'de>, A: MapAccess<'de>>(object: A) -> Result<Lenient<T>, A::Error> {
    T::deserialize(MapAccessDeserializer::new(object)).map(Lenient::Expected)
}
