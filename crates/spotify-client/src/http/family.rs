//! An endpoint family: routes that are counted, held back and named together.
//!
//! Here it is only a name. It also replaces the URL in logs and errors, because a URL may hold
//! secrets.

use std::fmt;

/// A group of routes, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointFamily(&'static str);

impl EndpointFamily {
    /// A family of this name.
    pub const fn new(name: &'static str) -> EndpointFamily {
        EndpointFamily(name)
    }

    /// The name, in snake case.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for EndpointFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}
