//! SIGTERM and SIGINT: the first ends the page in hand, the second ends at once.
//!
//! They are heard on a thread of their own, so that a large CSV in the making does not deafen the
//! program. Nothing depends on a clean end, so a stop that takes too long is one all the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, print};
use crate::spotify::client::Api;

/// A stop is over by then; supervisors kill after ten seconds.
const PATIENCE: Duration = Duration::from_secs(9);

/// Who is to be stopped, and whether that was asked for.
#[derive(Clone, Default)]
pub(super) struct Stopper {
    inner: Arc<Mutex<(bool, Option<Api>)>>,
}

impl Stopper {
    /// One that hears signals from now on.
    pub(super) fn listening() -> Stopper {
        let this = Stopper::default();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let heard = this.clone();
        let thread = std::thread::Builder::new().name("signals".into()).spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                let (Ok(terminate), Ok(interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
                else {
                    return;
                };
                let _ = ready.send(());
                heard.hear(terminate, interrupt).await;
            });
        });
        if thread.is_ok() {
            // An error: nothing can be heard, and signals do what they do by themselves.
            let _ = is_ready.recv();
        }
        this
    }

    async fn hear(&self, mut terminate: Signal, mut interrupt: Signal) {
        let once = async |terminate: &mut Signal, interrupt: &mut Signal| {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        once(&mut terminate, &mut interrupt).await;
        print::stderr("stopping: the page in hand is committed, then the run ends; once more to stop at once\n");
        {
            let mut inner = self.lock();
            inner.0 = true;
            if let Some(api) = &inner.1 {
                api.stop();
            }
        }
        let again = tokio::time::timeout(PATIENCE, once(&mut terminate, &mut interrupt)).await;
        let why = if again.is_ok() { "stopped at once" } else { "stopped: the page in hand took too long" };
        print::stderr(&format!("{why}; what was committed stays\n"));
        std::process::exit(i32::from(Exit::Deferred.code()));
    }

    /// Stops this one too, now or when the signal comes.
    pub(super) fn stops(&self, api: &Api) {
        let mut inner = self.lock();
        if inner.0 {
            api.stop();
        }
        inner.1 = Some(api.clone());
    }

    /// Lets go of what has ended, so that its books are closed.
    pub(super) fn release(&self) {
        self.lock().1 = None;
    }

    /// Whether a stop was asked for.
    pub(super) fn stopped(&self) -> bool {
        self.lock().0
    }

    fn lock(&self) -> MutexGuard<'_, (bool, Option<Api>)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
