//! Settings: built-in defaults, then `config/cratedigger.toml`, then environment variables
//! `CRATEDIGGER__SECTION__KEY`, then flags; later over earlier.
//!
//! The `config` crate lays the layers over each other. It knows no positions and takes `"50"` for
//! 50, so each layer is checked before it gets there: the file by itself with spans, each variable
//! by the rules of its key. Nothing unknown and nothing of the wrong type reaches it.
//!
//! One table ([`keys`]) says what settings there are; the commented file that `init` writes, the
//! JSON Schema and `docs/settings.md` come from it too.

pub mod credentials;
mod csv;
mod env;
mod file;
pub mod keys;
mod layers;
mod limits;
mod origin;
pub(crate) mod policy;
mod project;
pub(crate) mod rules;
mod schema;
mod sections;

pub use csv::{Csv, FormulaGuard, LineEnding, Profile, TimeFormat};
pub use layers::Flags;
pub use limits::Limits;
pub use origin::Origin;
pub use policy::{FirstRun, Missed, Overlap};
pub use project::Project;
pub use schema::{commented_file, json_schema, markdown};
pub(crate) use schema::{described, row};
pub use sections::{
    AppMode, Calls, Defaults, HookUrl, LimitSettings, Notify, Output, RefreshAfter, Retention, Schedule, Settings,
    Spotify, State,
};
