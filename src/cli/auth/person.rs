//! Whoever signs in: reads, types, and has a browser or not.

use std::io::{self, BufRead, IsTerminal, Write};
use std::pin::Pin;

use tokio::sync::oneshot;
use url::Url;

use crate::document::printable;
use crate::signin::browser::Browser;

/// A line that is being typed. `None`: there will be none.
pub type Line = Pin<Box<dyn Future<Output = io::Result<Option<String>>> + Send>>;

/// The person at the command line.
pub trait Person {
    /// Says something.
    fn tell(&mut self, text: &str);
    /// Gives what was asked for: a line on stdout, unwrapped.
    fn show(&mut self, text: &str);
    /// Waits for a line.
    fn line(&mut self) -> Line;
    /// Whether somebody types, rather than a pipe.
    fn is_there(&self) -> bool;
    /// Opens an address in a browser. `false`: there is none.
    fn open(&mut self, address: &Url) -> bool;
}

/// stdin, stdout and stderr.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terminal;

impl Person for Terminal {
    fn tell(&mut self, text: &str) {
        let mut out = io::stderr().lock();
        drop(writeln!(out, "{}", printable(text)).and_then(|()| out.flush()));
    }

    fn show(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        drop(writeln!(out, "{text}").and_then(|()| out.flush()));
    }

    fn line(&mut self) -> Line {
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

    fn is_there(&self) -> bool {
        io::stdin().is_terminal()
    }

    fn open(&mut self, address: &Url) -> bool {
        Browser::all(|name| std::env::var_os(name)).iter().any(|browser| browser.open(address))
    }
}
