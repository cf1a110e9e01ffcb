//! SIGTERM and SIGINT: after the first, the current page is finished; after the second, the process exits
//! at once.
//!
//! A separate thread waits for the signals, so that writing a large CSV does not block them. Nothing
//! depends on a clean exit, so a stop that takes too long becomes an immediate exit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::args::LogFormat;
use super::{CommandContext, ExitStatus, print};
use spotify_client::client::SpotifyClient;

/// The longest time for a clean stop; supervisors kill after ten seconds.
const PATIENCE: Duration = Duration::from_secs(9);

/// A second signal within this time is a duplicate: `timeout` signals the process and its group, and a
/// terminal signals both a program and the wrapper that forwards the signal.
const ECHO_WINDOW: Duration = Duration::from_secs(1);

/// Stops all runs when a signal arrives.
#[derive(Clone, Default)]
pub(super) struct Shutdown {
    inner: Arc<Mutex<ShutdownState>>,
    stop_signal: Arc<Notify>,
    log_format: LogFormat,
}

#[derive(Default)]
struct ShutdownState {
    is_stopping: bool,
    /// The runs in progress.
    runs: BTreeMap<u64, SpotifyClient>,
    next: u64,
    /// The JSON result to print before an immediate exit.
    final_result: Option<Value>,
}

/// Registers a run with [`Shutdown`] until it is dropped.
#[must_use]
pub(super) struct ShutdownGuard {
    inner: Arc<Mutex<ShutdownState>>,
    number: u64,
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).runs.remove(&self.number);
    }
}

impl Shutdown {
    /// Starts to listen for signals.
    pub(super) fn listen(context: &CommandContext) -> Shutdown {
        let this = Shutdown { log_format: context.log_format, ..Shutdown::default() };
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
                heard.handle_signals(terminate, interrupt).await;
            });
        });
        if thread.is_ok() {
            // On an error, the signals keep their default effect.
            let _ = is_ready.recv();
        }
        this
    }

    async fn handle_signals(&self, mut terminate: Signal, mut interrupt: Signal) {
        let once = async |terminate: &mut Signal, interrupt: &mut Signal| {
            tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = interrupt.recv() => SignalKind::interrupt(),
            }
        };
        once(&mut terminate, &mut interrupt).await;
        self.say("stopping: the current page is committed, then the run ends; send the signal again to stop at once");
        {
            let mut inner = self.lock();
            inner.is_stopping = true;
            inner.runs.values().for_each(SpotifyClient::stop);
        }
        self.stop_signal.notify_waiters();
        let heard = Instant::now();
        let again = tokio::time::timeout(PATIENCE, async {
            let mut announced = false;
            loop {
                let kind = once(&mut terminate, &mut interrupt).await;
                if heard.elapsed() > ECHO_WINDOW {
                    break;
                }
                // Someone may have pressed Ctrl-C twice on purpose.
                if kind == SignalKind::interrupt() && !announced {
                    self.say("two signals within a second count as one; send another to stop at once");
                    announced = true;
                }
            }
        });
        let again = again.await;
        let why = if again.is_ok() { "stopped at once" } else { "stopped: the current page took too long" };
        let why = format!("{why}; committed data are kept");
        self.say(&why);
        if let Some(mut words) = self.lock().final_result.take() {
            words["error"] = Value::from(why);
            print::write_error_object(&words);
        }
        std::process::exit(i32::from(ExitStatus::Deferred.code()));
    }

    /// Sets the JSON result to print before an immediate exit.
    pub(super) fn keep_result(&self, words: Value) {
        self.lock().final_result = Some(words);
    }

    fn say(&self, text: &str) {
        match self.log_format {
            LogFormat::Text => print::stderr(&format!("{text}\n")),
            LogFormat::Json => tracing::info!("{text}"),
        }
    }

    /// Also stops this API: now, or when the signal arrives.
    pub(super) fn guard_api(&self, api: &SpotifyClient) -> ShutdownGuard {
        let mut inner = self.lock();
        if inner.is_stopping {
            api.stop();
        }
        let number = inner.next;
        inner.next += 1;
        inner.runs.insert(number, api.clone());
        ShutdownGuard { inner: Arc::clone(&self.inner), number }
    }

    /// Whether a signal has arrived.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    /// Sleeps until the time is over or a signal arrives.
    pub(super) async fn sleep(&self, how_long: Duration) {
        let mut bell = std::pin::pin!(self.stop_signal.notified());
        bell.as_mut().enable();
        if !self.is_stopping() {
            let _ = tokio::time::timeout(how_long, bell).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, ShutdownState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
