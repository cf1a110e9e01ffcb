//! Panics of the workbook library as errors: it panics if a temporary file cannot be written.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::export::render::RenderError;

thread_local! {
    /// Whether a panic of this thread is about to become an error.
    static BECOMES_AN_ERROR: Cell<bool> = const { Cell::new(false) };
}

/// Runs code whose panics are errors. Such a panic prints nothing.
pub(super) fn catch<T>(run: impl FnOnce() -> Result<T, RenderError>) -> Result<T, RenderError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !BECOMES_AN_ERROR.get() {
                usual(info);
            }
        }));
    });
    BECOMES_AN_ERROR.set(true);
    let done = panic::catch_unwind(AssertUnwindSafe(run));
    BECOMES_AN_ERROR.set(false);
    done.unwrap_or_else(|payload| Err(error_of(&*payload).into()))
}

fn error_of(payload: &(dyn Any + Send)) -> io::Error {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("unknown reason");
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
