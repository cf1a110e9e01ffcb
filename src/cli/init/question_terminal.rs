//! The terminal during questions: Ctrl-C leaves it as it was, whatever it was doing.
//!
//! A question may have hidden the typed text or the cursor. A thread waits for the signal, since a read from a
//! terminal cannot be interrupted in a portable way.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::print;

/// The exit code of a program that ended because of Ctrl-C, as shells report it.
const INTERRUPTED: i32 = 130;

/// What Ctrl-C does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnInterrupt {
    /// The program ends, and says that nothing was written.
    DiscardAnswers,
    /// The program ends.
    Exit,
    /// The program continues: it writes files, or a run handles the signal itself.
    Ignore,
}

#[derive(Debug, Clone)]
pub(super) struct QuestionTerminal {
    on_interrupt: Arc<Mutex<OnInterrupt>>,
    before: Arc<Option<Termios>>,
}

impl QuestionTerminal {
    /// Remembers how the terminal is, and starts to wait for Ctrl-C.
    pub(super) fn open() -> QuestionTerminal {
        let before = Arc::new(tcgetattr(io::stdin()).ok());
        let terminal = QuestionTerminal { on_interrupt: Arc::new(Mutex::new(OnInterrupt::DiscardAnswers)), before };
        let (ready, is_ready) = std::sync::mpsc::channel();
        let waiting = terminal.clone();
        let thread = std::thread::Builder::new().name("questions".into()).spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                let Ok(mut interrupt) = signal(SignalKind::interrupt()) else { return };
                let _ = ready.send(());
                while interrupt.recv().await.is_some() {
                    waiting.interrupt();
                }
            });
        });
        if thread.is_ok() {
            // On an error, the signal keeps its default effect.
            let _ = is_ready.recv();
        }
        terminal
    }

    pub(super) fn ignore_interrupts(&self) {
        self.set(OnInterrupt::Ignore);
    }

    pub(super) fn exit_on_interrupt(&self) {
        self.set(OnInterrupt::Exit);
    }

    fn set(&self, action: OnInterrupt) {
        *self.on_interrupt.lock().unwrap_or_else(PoisonError::into_inner) = action;
    }

    /// Ends the program after Ctrl-C, unless it has to continue.
    fn interrupt(&self) {
        // The lock is held until the process ends, so that the end is reported once.
        let action = self.on_interrupt.lock().unwrap_or_else(PoisonError::into_inner);
        if *action == OnInterrupt::Ignore {
            return;
        }
        if let Some(before) = &*self.before {
            // If the terminal is gone, there is nothing to restore.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
        const SHOW_CURSOR: &str = "\u{1b}[?25h";
        let why = if *action == OnInterrupt::DiscardAnswers { "stopped; nothing was written\n" } else { "" };
        print::stderr_colored(&format!("{SHOW_CURSOR}\n{why}"));
        std::process::exit(INTERRUPTED);
    }

    /// The answer to a question. Ctrl-C ends the program.
    pub(super) fn answer<T>(&self, answered: dialoguer::Result<T>) -> io::Result<T> {
        answered.map_err(|dialoguer::Error::IO(error)| {
            if error.kind() == io::ErrorKind::Interrupted {
                self.interrupt();
            }
            error
        })
    }
}
