//! Whoever signs in: reads, types, and has a browser or not.

use std::io::{self, BufRead, IsTerminal, Write};
use std::pin::Pin;

use tokio::sync::oneshot;
use url::Url;

use crate::document::printable;
use crate::signin::browser::BrowserCommand;

/// A line that is being typed. `None`: there will be none.
pub type LineFuture = Pin<Box<dyn Future<Output = io::Result<Option<String>>> + Send>>;

/// The person at the command line.
pub trait UserPrompt {
    /// Says something.
    fn tell(&mut self, text: &str);
    /// Gives what was asked for: a line on stdout, unwrapped.
    fn show(&mut self, text: &str);
    /// Waits for a line.
    fn read_line(&mut self) -> LineFuture;
    /// Whether somebody types, rather than a pipe.
    fn is_interactive(&self) -> bool;
    /// Opens an address in a browser. `false`: there is none.
    fn open_browser(&mut self, address: &Url) -> bool;
}

/// stdin, stdout and stderr.
#[derive(Debug, Clone, Copy, Default)]
pub struct TerminalPrompt;

impl UserPrompt for TerminalPrompt {
    fn tell(&mut self, text: &str) {
        let mut out = io::stderr().lock();
        drop(writeln!(out, "{}", printable(text)).and_then(|()| out.flush()));
    }

    fn show(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        drop(writeln!(out, "{text}").and_then(|()| out.flush()));
    }

    fn read_line(&mut self) -> LineFuture {
        let (send, receive) = oneshot::channel();
        // A thread of its own, which nobody waits for: the answer may come another way, and nothing
        // ends a read from a terminal.
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
