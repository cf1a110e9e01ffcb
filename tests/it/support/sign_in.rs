//! Signs users in with the real binary: in a browser, or by pasting.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::world::{Ran, World, ended};

/// Status, `location` and text of an answer.
pub struct Page {
    pub status: u16,
    pub location: String,
    pub text: String,
}

/// Fetches one page without following redirects.
pub fn get(address: &str) -> Page {
    let address = address.to_owned();
    // Some callers run in an async runtime of their own.
    let fetching = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = crate::auth::sign_in::client();
            let answer = client.get(address).send().await.unwrap();
            let location = answer.headers().get("location").map(|it| it.to_str().unwrap().to_owned());
            Page {
                status: answer.status().as_u16(),
                location: location.unwrap_or_default(),
                text: answer.text().await.unwrap(),
            }
        })
    });
    fetching.join().unwrap()
}

/// Where Spotify redirects the browser of this account; `cancel` refuses the consent.
pub fn consent(address: &str, account: &str) -> String {
    let answer = get(&format!("{}&sandbox_user={account}", address.trim()));
    assert_eq!(answer.status, 302, "{}", answer.text);
    answer.location
}

/// Runs a command to its end with this stdin.
pub fn typed(command: &mut Command, text: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that fails before it reads has closed its stdin.
    drop(child.stdin.take().unwrap().write_all(text.as_bytes()));
    ended(child)
}

/// The address that `auth login --no-browser` prints.
pub fn link(world: &World, user: &str, more: &[&str]) -> String {
    let args = [&["auth", "login", user, "--no-browser"], more].concat();
    let ran = typed(&mut world.command(&args), "").exits(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 1, "the address has its own line:\n{}", ran.stdout);
    lines[0].to_owned()
}

/// Finishes a sign-in with a pasted address.
pub fn paste(world: &World, user: &str, text: &str) -> Ran {
    typed(&mut world.command(&["auth", "login", user, "--paste", "-"]), text)
}

/// Signs a user in with two commands.
pub fn sign_in(world: &World, user: &str, account: &str) {
    let back = consent(&link(world, user, &[]), account);
    paste(world, user, &back).exits(0).says("is signed in");
}

/// A sign-in that has opened its browser and waits for the answer.
pub struct AtBrowser {
    child: std::process::Child,
    out: BufReader<std::process::ChildStdout>,
    pub address: String,
}

impl AtBrowser {
    pub fn begin(world: &World, user: &str, more: &[&str]) -> AtBrowser {
        let args = [&["auth", "login", user], more].concat();
        let mut command = world.command(&args);
        command.env("BROWSER", "true").env("PATH", "/usr/bin:/bin");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut address = String::new();
        out.read_line(&mut address).unwrap();
        AtBrowser { child, out, address: address.trim().to_owned() }
    }

    pub fn end(mut self) -> Ran {
        let began = Instant::now();
        let (mut stdout, mut stderr) = (format!("{}\n", self.address), String::new());
        self.out.read_to_string(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ran { code, stdout, stderr, took: began.elapsed() }
    }
}
