//! The two classes of apps.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What Spotify lets an app do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppClass {
    /// Development Mode, as cut in February 2026.
    Development,
    /// Extended Quota.
    Extended,
}

impl fmt::Display for AppClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AppClass::Development => "Development Mode",
            AppClass::Extended => "Extended Quota",
        })
    }
}
