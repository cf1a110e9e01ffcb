//! Where the value of a setting comes from.

use std::fmt;

use super::sections::Settings;

/// The layer that set the value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingOrigin {
    /// The built-in default.
    Default,
    /// A line of the settings file.
    File {
        /// The file as shown in messages.
        file: String,
        /// Line, from 1.
        line: usize,
    },
    /// An environment variable, by name.
    Env(String),
    /// A command-line flag.
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
    /// The origin of a setting, by dotted name.
    pub fn origin(&self, name: &str) -> SettingOrigin {
        self.origins.get(name).cloned().unwrap_or(SettingOrigin::Default)
    }
}
