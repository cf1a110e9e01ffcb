//! The operator's copies of Spotify's logo, which a page embeds unchanged.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A larger file would leave too little of a page for its content.
const MAX_LOGO_BYTES: u64 = 128 << 10;

/// The addresses (`data:`) of the logo for light and for dark pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageLogo {
    pub light: Option<String>,
    pub dark: Option<String>,
}

/// Why a logo cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum LogoError {
    /// The file cannot be read.
    #[error("{key} = {path:?}: it cannot be read: {source}")]
    Unreadable {
        /// The setting.
        key: &'static str,
        /// Its value.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// It is not an image that browsers show.
    #[error("{key} = {path:?}: {why}")]
    Unfit {
        /// The setting.
        key: &'static str,
        /// Its value.
        path: PathBuf,
        /// Why it cannot be used.
        why: String,
    },
}

impl PageLogo {
    /// Reads the files that the settings name, relative to a folder. A file that cannot be used is left out.
    pub fn read(root: &Path, light: Option<&Path>, dark: Option<&Path>) -> (PageLogo, Vec<LogoError>) {
        let mut errors = Vec::new();
        let mut read = |key, path: Option<&Path>| {
            path.and_then(|path| data_address(key, root, path).map_err(|error| errors.push(error)).ok())
        };
        let logo = PageLogo { light: read("report.logo", light), dark: read("report.logo_dark", dark) };
        (logo, errors)
    }

    pub(super) fn is_some(&self) -> bool {
        self.light.is_some() || self.dark.is_some()
    }
}

fn data_address(key: &'static str, root: &Path, path: &Path) -> Result<String, LogoError> {
    let unreadable = |source| LogoError::Unreadable { key, path: path.to_owned(), source };
    let unfit = |why: String| LogoError::Unfit { key, path: path.to_owned(), why };
    let file = root.join(path);
    let found = std::fs::metadata(&file).map_err(unreadable)?;
    if !found.is_file() {
        return Err(unfit("it is not a file".to_owned()));
    }
    if found.len() > MAX_LOGO_BYTES {
        return Err(unfit(format!("it has {} KiB; at most {} are allowed", found.len() >> 10, MAX_LOGO_BYTES >> 10)));
    }
    let bytes = std::fs::read(&file).map_err(unreadable)?;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1_024)]);
    let kind = if bytes.starts_with(b"\x89PNG\r\n") {
        "png"
    } else if text.contains("<svg") {
        "svg+xml"
    } else {
        return Err(unfit("it is neither an SVG nor a PNG".to_owned()));
    };
    Ok(format!("data:image/{kind};base64,{}", STANDARD.encode(bytes)))
}
