//! Settings: built-in defaults, then `config/cratedigger.toml`, then environment variables
//! `CRATEDIGGER__SECTION__KEY`, then flags. A later layer overrides an earlier one.
//!
//! The `config` crate combines the layers. It reports no positions and accepts `"50"` as
//! 50, so each layer is checked first: the file with spans, each variable
//! by the rules of its key. Unknown keys and values of the wrong type never reach the crate.
//!
//! The table in [`keys`] lists all settings. The commented file that `init` writes, the
//! JSON Schema and `docs/settings.md` are generated from it.

pub mod credentials;
mod csv;
mod env;
mod file;
mod file_format;
mod hook_files;
pub mod keys;
mod layers;
mod limits;
mod open_folders;
mod open_secrets;
mod origin;
pub(crate) mod policy;
mod project;
pub(crate) mod rules;
mod schema;
mod sections;
mod shard;

pub use csv::{CsvOptions, CsvProfile, FormulaGuard, LineEnding, TimeFormat};
pub use file_format::{FileFormat, extension};
pub use layers::SettingFlags;
pub use limits::LimitsInForce;
pub use open_folders::{OpenFolder, OpenReason, open_folders};
pub use open_secrets::{OpenSecretFile, open_secret_files, secret_files};
pub use origin::SettingOrigin;
pub use policy::{DigestInterval, FirstRunPolicy, MissedPolicy, OverlapPolicy};
pub use project::Project;
pub use schema::{commented_file, json_schema, markdown};
pub(crate) use schema::{key_row, key_schema};
pub use sections::{
    AppMode, CallsSetting, HookUrl, JobDefaults, LimitSettings, NotifySettings, OutputSettings, RefreshAges,
    RetentionSettings, ScheduleSettings, Settings, SpotifySettings, StateSettings,
};
pub use shard::Shard;
