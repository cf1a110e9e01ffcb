//! SIGTERM and SIGINT: the first ends the page in hand, the second ends at once.
//!
//! They are heard on a thread of their own, so that a large CSV in the making does not deafen the
//! program. Nothing depends on a clean end, so a stop that takes too long is one all the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::args::LogFormat;
use super::{CommandContext, ExitStatus, print};
use spotify_client::client::SpotifyClient;

/// A stop is over by then; supervisors kill after ten seconds.
const PATIENCE: Duration = Duration::from_secs(9);

/// A second signal so soon after the first is the same one: `timeout` sends it to the process and to its
/// group, and so does a terminal beside a wrapper that passes it on.
const ECHO_WINDOW: Duration = Duration::from_secs(1);

/// Who is to be stopped, and whether that was asked for.
#[derive(Clone, Default)]
pub(super) struct Shutdown {
    inner: Arc<Mutex<ShutdownState>>,
    stop_signal: Arc<Notify>,
    log_format: LogFormat,
}

#[derive(Default)]
struct ShutdownState {
    is_stopping: bool,
    /// The runs under way.
    runs: BTreeMap<u64, SpotifyClient>,
    next: u64,
    /// What a program is told if all is stopped at once.
    final_result: Option<Value>,
}

/// A run that a stop reaches, until it is dropped.
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
    /// One that hears signals from now on.
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
            // An error: nothing can be heard, and signals do what they do by themselves.
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
        self.say("stopping: the page in hand is committed, then the run ends; once more to stop at once");
        {
            let mut inner = self.lock();
            inner.is_stopping = true;
            inner.runs.values().for_each(SpotifyClient::stop);
        }
        self.stop_signal.notify_waiters();
        let heard = Instant::now();
        let again = tokio::time::timeout(PATIENCE, async {
            let mut told = false;
            loop {
                let kind = once(&mut terminate, &mut interrupt).await;
                if heard.elapsed() > ECHO_WINDOW {
                    break;
                }
                // Somebody at a keyboard may have meant it.
                if kind == SignalKind::interrupt() && !told {
                    self.say("twice within a second is taken for once; once more after that stops at once");
                    told = true;
                }
            }
        });
        let again = again.await;
        let why = if again.is_ok() { "stopped at once" } else { "stopped: the page in hand took too long" };
        let why = format!("{why}; what was committed stays");
        self.say(&why);
        if let Some(mut words) = self.lock().final_result.take() {
            words["error"] = Value::from(why);
            print::write_error_object(&words);
        }
        std::process::exit(i32::from(ExitStatus::Deferred.code()));
    }

    /// Keeps what a program is told if all is stopped at once: nobody else gets to say it then.
    pub(super) fn keep_result(&self, words: Value) {
        self.lock().final_result = Some(words);
    }

    fn say(&self, text: &str) {
        match self.log_format {
            LogFormat::Text => print::stderr(&format!("{text}\n")),
            LogFormat::Json => tracing::warn!("{text}"),
        }
    }

    /// Stops this one too, now or when the signal comes.
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

    /// Whether a stop was asked for.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    /// Sleeps, but not past a stop.
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
