//! Opens an address in a browser, if there is one.
//!
//! `BROWSER` takes precedence, with the syntax of `xdg-open` and Python: commands separated by colons, `%s`
//! for the address. Without it a desktop is needed. There is none over ssh or under cron, and a text
//! browser on the terminal would be worse than no browser. The crate `webbrowser` does not fit: it reads the
//! environment of the process by itself, and it may start a text browser and wait for it.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use url::Url;

use crate::child_environment;

/// A command that opens an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserCommand {
    words: Vec<String>,
}

impl BrowserCommand {
    /// The browsers to try, the best first. Empty on a machine without a desktop.
    pub fn candidates(env: impl Fn(&str) -> Option<OsString>) -> Vec<BrowserCommand> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let named = set("BROWSER").and_then(|value| value.into_string().ok()).unwrap_or_default();
        let mut all: Vec<BrowserCommand> = named.split(':').filter_map(BrowserCommand::parse).collect();
        if cfg!(target_os = "macos") {
            all.extend(BrowserCommand::parse("open"));
        } else if set("DISPLAY").is_some() || set("WAYLAND_DISPLAY").is_some() {
            all.extend(["xdg-open", "gio open", "sensible-browser"].into_iter().filter_map(BrowserCommand::parse));
        }
        all
    }

    fn parse(command: &str) -> Option<BrowserCommand> {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        (!words.is_empty()).then_some(BrowserCommand { words })
    }

    /// The command for an address. It does not go through a shell.
    fn command(&self, url: &Url) -> Command {
        let mut words: Vec<String> = self.words.iter().map(|word| word.replace("%s", url.as_str())).collect();
        if words == self.words {
            words.push(url.to_string());
        }
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env_clear().envs(child_environment::passed_on());
        command
    }

    /// Starts the browser without waiting for it. Returns whether it started.
    pub fn open(&self, url: &Url) -> bool {
        match self.command(url).spawn() {
            Ok(mut child) => {
                // The child must be waited for, or it stays a zombie.
                std::thread::spawn(move || child.wait());
                true
            }
            Err(error) => {
                tracing::debug!(%error, program = self.words.first(), "failed to start the browser");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pairs: &[(&str, &str)]) -> Vec<BrowserCommand> {
        BrowserCommand::candidates(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn browser_needs_a_desktop_or_a_setting() {
        if cfg!(not(target_os = "macos")) {
            assert_eq!(all(&[]), []);
            assert_eq!(all(&[("DISPLAY", "")]), []);
            assert_eq!(all(&[("WAYLAND_DISPLAY", "wayland-0")])[0].words, ["xdg-open"]);
        }
        assert_eq!(all(&[("BROWSER", "firefox -P x:w3m")])[1].words, ["w3m"]);
    }

    #[test]
    fn address_is_always_one_argument() {
        let url = Url::parse("https://accounts.spotify.com/authorize?a=1&b=$(x)").unwrap();
        let arguments = |browser: &str| -> Vec<String> {
            let command = BrowserCommand::parse(browser).unwrap().command(&url);
            command.get_args().map(|it| it.to_string_lossy().into_owned()).collect()
        };
        assert_eq!(arguments("firefox --new-window"), ["--new-window", url.as_str()]);
        assert_eq!(arguments("sh -c %s x"), ["-c", url.as_str(), "x"]);
    }
}
