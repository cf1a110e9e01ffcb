//! Panics of the workbook library as errors: it panics if a temporary file cannot be written.

use std::io;

use crate::export::render::RenderError;
use crate::quiet_panic;

/// Runs code, and returns a panic as an error. Such a panic prints nothing.
pub(super) fn catch<T>(run: impl FnOnce() -> Result<T, RenderError>) -> Result<T, RenderError> {
    quiet_panic::catch(run).unwrap_or_else(|text| Err(error_of(&text).into()))
}

fn error_of(text: &str) -> io::Error {
    let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    match kinds.into_iter().find(|kind| text.contains(&format!("{kind:?}"))) {
        Some(kind) => kind.into(),
        None => io::Error::other(format!("a temporary file of the workbook cannot be written: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disk_is_the_error_of_a_full_disk() {
        let error = io::Error::from_raw_os_error(28);
        let failed = catch::<()>(|| panic!("Couldn't write to xml file: {error:?}"));
        let Err(RenderError::Io(error)) = failed else { panic!("{failed:?}") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let failed = catch::<()>(|| panic!("other")).map_err(|error| error.to_string());
        assert_eq!(failed, Err("a temporary file of the workbook cannot be written: other".to_owned()));
    }
}
