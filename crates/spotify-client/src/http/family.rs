//! A family: routes that are counted, parked and named together.
//!
//! Which there are is known by whoever speaks to the server; here it is only a name. It also stands
//! in logs and errors in place of the URL, which may hold what must not be read there.

use std::fmt;

/// The name of a group of routes.
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
