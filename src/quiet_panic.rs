//! Panics of libraries as errors: some panic on input that they should refuse, or if a file cannot be written.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is about to become an error.
    static BECOMES_AN_ERROR: Cell<bool> = const { Cell::new(false) };
}

/// Runs code, and returns a panic as an error. Such a panic prints nothing.
///
/// # Errors
/// The text of the panic.
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !BECOMES_AN_ERROR.get() {
                usual(info);
            }
        }));
    });
    let outer = BECOMES_AN_ERROR.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(run));
    BECOMES_AN_ERROR.set(outer);
    done.map_err(|payload| text_of(&*payload))
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("unknown reason").to_owned()
}
