//! One SQLite value as bytes, for caches and temporary files.

use rusqlite::types::ValueRef;

/// Appends a value: a byte for its type, then its content. The reader must know where the value ends.
pub(super) fn write_value(value: ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => out.push(0),
        ValueRef::Integer(n) => {
            out.push(1);
            out.extend_from_slice(&n.to_le_bytes());
        }
        ValueRef::Real(n) => {
            out.push(2);
            out.extend_from_slice(&n.to_le_bytes());
        }
        ValueRef::Text(text) => {
            out.push(3);
            out.extend_from_slice(text);
        }
        ValueRef::Blob(bytes) => {
            out.push(4);
            out.extend_from_slice(bytes);
        }
    }
}

/// The value that [`write_value`] wrote.
pub(super) fn read_value(bytes: &[u8]) -> ValueRef<'_> {
    let number = |content: &[u8]| content.try_into().unwrap_or_default();
    match bytes.split_first() {
        Some((1, content)) => ValueRef::Integer(i64::from_le_bytes(number(content))),
        Some((2, content)) => ValueRef::Real(f64::from_le_bytes(number(content))),
        Some((3, content)) => ValueRef::Text(content),
        Some((4, content)) => ValueRef::Blob(content),
        _ => ValueRef::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_were_written() {
        for value in [
            ValueRef::Null,
            ValueRef::Integer(i64::MIN),
            ValueRef::Real(-0.1),
            ValueRef::Text(b""),
            ValueRef::Text(&[b'a', 0, 0xff]),
            ValueRef::Blob(b"\x01"),
        ] {
            let mut bytes = Vec::new();
            write_value(value, &mut bytes);
            assert_eq!(read_value(&bytes), value);
        }
    }
}
