//! Where a setting came from.

use std::fmt;

use super::sections::Settings;

/// The layer that had the last word on a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingOrigin {
    /// Built in.
    Default,
    /// A line of the settings file.
    File {
        /// The file, as shown.
        file: String,
        /// Line, from 1.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingOrigin::Default => f.write_str("default"),
            SettingOrigin::File { file, line } => write!(f, "{file}:{line}"),
            SettingOrigin::Env(name) => write!(f, "${name}"),
            SettingOrigin::Flag(name) => f.write_str(name),
        }
    }
}

impl Settings {
    /// Where a setting came from, by its dotted name.
    pub fn origin(&self, name: &str) -> SettingOrigin {
        self.origins.get(name).cloned().unwrap_or(SettingOrigin::Default)
    }
}
