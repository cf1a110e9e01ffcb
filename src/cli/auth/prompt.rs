//! The terminal of the user who signs in, as a trait so that tests can replace it.

use std::io::{self, BufRead, IsTerminal};
use std::pin::Pin;

use tokio::sync::oneshot;
use url::Url;

use crate::cli::print;
use crate::document::printable;
use crate::signin::browser::BrowserCommand;

/// A line that the user types. `None` at the end of the input.
pub type LineFuture = Pin<Box<dyn Future<Output = io::Result<Option<String>>> + Send>>;

/// Talks to the user at the command line.
pub trait UserPrompt {
    /// Prints a message.
    fn tell(&mut self, text: &str);
    /// Prints a line on stdout, unwrapped.
    fn show(&mut self, text: &str);
    fn read_line(&mut self) -> LineFuture;
    /// Whether the input is a terminal.
    fn is_interactive(&self) -> bool;
    /// Opens an address in a browser. Returns `false` if there is no browser.
    fn open_browser(&mut self, address: &Url) -> bool;
}

/// stdin, stdout and stderr.
#[derive(Debug, Clone, Copy, Default)]
pub struct TerminalPrompt;

impl UserPrompt for TerminalPrompt {
    fn tell(&mut self, text: &str) {
        print::stderr(&format!("{}\n", printable(text)));
    }

    fn show(&mut self, text: &str) {
        // If stdout is closed, the address cannot be shown anywhere.
        drop(print::stdout(&format!("{text}\n")));
    }

    fn read_line(&mut self) -> LineFuture {
        let (send, receive) = oneshot::channel();
        // A detached thread, since the answer may arrive another way and a read from a terminal cannot be
        // cancelled.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line);
            drop(send.send(read.map(|bytes| (bytes > 0).then_some(line))));
        });
        Box::pin(async { receive.await.unwrap_or(Ok(None)) })
    }

    fn is_interactive(&self) -> bool {
        io::stdin().is_terminal()
    }

    fn open_browser(&mut self, address: &Url) -> bool {
        BrowserCommand::candidates(|name| std::env::var_os(name)).iter().any(|browser| browser.open(address))
    }
}
