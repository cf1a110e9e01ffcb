//! Rules for the names of output files: what works on every system and cannot leave the folder.

/// Bytes of a path, templates filled in.
const MAX_PATH_BYTES: usize = 200;

/// Names that Windows keeps for devices, with any extension.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul"];

/// Which rule a name breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// Nothing in it, or nothing between two slashes.
    #[error("a part of it is empty")]
    Empty,
    /// Begins with a slash.
    #[error("it must be relative to the job's output folder")]
    Absolute,
    /// Too long.
    #[error("it is longer than {MAX_PATH_BYTES} bytes")]
    TooLong,
    /// A character outside the allowed ones.
    #[error("{0:?} is not allowed; use letters, digits, dot, dash, underscore and space")]
    Character(char),
    /// `..`, a hidden file, an option to some command, or a name that Windows would shorten.
    #[error("{0:?} must not begin with a dot, dash or space, nor end with a dot or space")]
    Edge(String),
    /// A device of Windows, or the data package.
    #[error("{0:?} is reserved")]
    Reserved(String),
}

/// Whether `path` may name an output file below a job's folder.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_name(path: &str) -> Result<(), FileNameError> {
    if path.starts_with('/') {
        return Err(FileNameError::Absolute);
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(FileNameError::TooLong);
    }
    path.split('/').try_for_each(check_part)?;
    match path {
        super::package::FILE_NAME => Err(FileNameError::Reserved(path.into())),
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
    fn a_name_stays_below_its_folder_and_works_everywhere() {
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
