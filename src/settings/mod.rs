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

pub use csv::{CsvOptions, CsvProfile, FormulaGuard, LineEnding, TimeFormat};
pub use layers::SettingFlags;
pub use limits::LimitsInForce;
pub use origin::SettingOrigin;
pub use policy::{FirstRunPolicy, MissedPolicy, OverlapPolicy};
pub use project::Project;
pub use schema::{commented_file, json_schema, markdown};
pub(crate) use schema::{key_row, key_schema};
pub use sections::{
    AppMode, CallsSetting, HookUrl, JobDefaults, LimitSettings, NotifySettings, OutputSettings, RefreshAges,
    RetentionSettings, ScheduleSettings, Settings, SpotifySettings, StateSettings,
};
