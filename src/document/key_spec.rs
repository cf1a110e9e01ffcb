//! One row of a table of keys.

use super::shape::ValueShape;

/// One key that a table of a file may hold.
#[derive(Debug)]
pub struct KeySpec {
    /// Its name.
    pub name: &'static str,
    /// What its value may be.
    pub shape: ValueShape,
    /// The value it has where it is not written, as written in TOML; empty: none.
    pub default: &'static str,
    /// What it does, in a sentence or two.
    pub about: &'static str,
}

impl KeySpec {
    /// A row of a table of keys.
    pub const fn new(name: &'static str, shape: ValueShape, default: &'static str, about: &'static str) -> KeySpec {
        KeySpec { name, shape, default, about }
    }
}
