//! Rules for the names of output files, which must work on every system and must not leave the folder.

/// Maximum length of a path in bytes, with placeholders replaced.
const MAX_PATH_BYTES: usize = 200;

/// Names that Windows reserves for devices, with any extension.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul"];

/// The file name of the data package, which no other file may have.
pub(super) const DATA_PACKAGE: &str = "datapackage.json";

/// The rule that a name breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// The name or a part between two slashes is empty.
    #[error("a part of the name is empty")]
    Empty,
    /// The name starts with a slash.
    #[error("it must be relative to the job's output folder")]
    Absolute,
    /// The name is too long.
    #[error("it is longer than {MAX_PATH_BYTES} bytes")]
    TooLong,
    /// The name contains a character that is not allowed.
    #[error("{0:?} is not allowed; use letters, digits, dot, dash, underscore and space")]
    Character(char),
    /// `..`, a hidden file, a name that looks like a command-line option, or a name that Windows would shorten.
    #[error("{0:?} must not start with a dot, dash or space, and must not end with a dot or space")]
    Edge(String),
    /// A device name of Windows, or the name of the data package.
    #[error("{0:?} is reserved")]
    Reserved(String),
}

/// Checks that `path` is a valid name for an output file in a job's folder.
///
/// # Errors
/// The first rule that the name breaks.
pub fn check_name(path: &str) -> Result<(), FileNameError> {
    if path.starts_with('/') {
        return Err(FileNameError::Absolute);
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(FileNameError::TooLong);
    }
    path.split('/').try_for_each(check_part)?;
    match path {
        DATA_PACKAGE => Err(FileNameError::Reserved(path.into())),
        _ => Ok(()),
    }
}

fn check_part(name: &str) -> Result<(), FileNameError> {
    if name.is_empty() {
        return Err(FileNameError::Empty);
    }
    if let Some(odd) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !"._ -".contains(*c)) {
        return Err(FileNameError::Character(odd));
    }
    if name.starts_with(['.', '-', ' ']) || name.ends_with(['.', ' ']) {
        return Err(FileNameError::Edge(name.into()));
    }
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_lowercase();
    let numbered =
        |prefix| stem.strip_prefix(prefix).is_some_and(|n: &str| n.len() == 1 && n.as_bytes()[0].is_ascii_digit());
    match DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt") {
        true => Err(FileNameError::Reserved(name.into())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_stays_below_its_folder() {
        for good in ["a.csv", "new this-week_2.csv", "2026/a.csv", "console.csv", "com10.csv"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "../a.csv",
            "a/../b.csv",
            "a//b.csv",
            "a/",
            ".hidden",
            "-rf",
            "a\\b.csv",
            "C:x.csv",
            "a\0.csv",
            "file:x",
            "nul.csv",
            "COM1",
            "a/aux.csv",
            "a.",
            "a ",
            " a",
            "é.csv",
            "a\n.csv",
            "datapackage.json",
            &"x".repeat(201),
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
