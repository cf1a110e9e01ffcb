//! One entry of a table of keys.

use super::shape::ValueShape;

/// One key that a table of a file may contain.
#[derive(Debug)]
pub struct KeySpec {
    /// The name of the key.
    pub name: &'static str,
    /// The shape of its value.
    pub shape: ValueShape,
    /// The default value in TOML, or empty if there is no default.
    pub default: &'static str,
    /// The description for the docs and the JSON Schema, in a sentence or two.
    pub about: &'static str,
}

impl KeySpec {
    /// An entry of a table of keys.
    pub const fn new(name: &'static str, shape: ValueShape, default: &'static str, about: &'static str) -> KeySpec {
        KeySpec { name, shape, default, about }
    }
}
