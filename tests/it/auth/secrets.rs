//! Secrets, sent through every error path of the real binary at the highest log level. None of them may appear
//! in any output or file, or unencrypted in the state folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use spotify_sandbox::{Fault, fixtures};

use crate::support::has_bytes;
use crate::support::http_server::{Answering, reply};
use crate::support::sign_in::{self, AtBrowser};
use crate::support::world::{Ran, World, ran};

/// Secrets of the app and its user. The sandbox's own tokens are recognized by their form.
const SECRET: &str = "canary-client-secret-0123456789abcdef";
const REFRESH: &str = "AQDcanaryrefreshtoken0123456789abcdef0123456789abcdef0123456789abcdef";
const ACCESS: &str = "BQDcanaryaccesstoken0123456789abcdef0123456789abcdef0123456789abcdef";

/// Stretches of letters that look like tokens, codes, `state` or verifiers.
fn stretches(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !(byte.is_ascii_alphanumeric() || b"-_".contains(byte)))
}

/// Whether a text has one of these secrets, or anything in the form of a token, code or verifier.
fn secret_in(text: &[u8]) -> Option<String> {
    for canary in
        ["canary-client-secret", "canaryrefreshtoken", "canaryaccesstoken", "c2FuZGJveC1jbGllbnQ6", "sandbox-secret"]
    {
        if has_bytes(text, canary) {
            return Some(canary.to_owned());
        }
    }
    stretches(text)
        .find(|it| it.len() >= 60 && (it.starts_with(b"AQ") || it.starts_with(b"BQ")) || it.len() == 64 && !is_hex(it))
        .map(|it| String::from_utf8_lossy(it).into_owned())
}

fn is_hex(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
}

/// All output of the commands, and the project in which they ran.
struct Watch {
    world: World,
    outputs: usize,
    leaks: Vec<String>,
}

impl Watch {
    fn of(world: World) -> Watch {
        Watch { world, outputs: 0, leaks: Vec::new() }
    }

    /// Runs a command as text and as JSON. The link on the stdout of a sign-in is intended.
    fn both(&mut self, args: &[&str], stdin: &str, env: &[(&str, &str)]) -> Ran {
        let mut last = None;
        for format in ["text", "json"] {
            let mut command = self.world.command(&[args, &["-vv", "--log-format", format]].concat());
            command.envs(env.iter().copied());
            let ran = sign_in::typed(&mut command, stdin);
            self.look(args, &ran);
            last = Some(ran);
        }
        last.unwrap()
    }

    fn look(&mut self, args: &[&str], ran: &Ran) {
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        self.outputs += 1;
        let link = args.contains(&"login") && ran.stdout.starts_with("http");
        let stdout = if link { "" } else { ran.stdout.as_str() };
        // stderr must not repeat the link.
        for (name, text) in [("stdout", stdout), ("stderr", ran.stderr.as_str())] {
            if let Some(found) = secret_in(text.as_bytes()) {
                self.leaks.push(format!("{args:?} {name}: {found}\n{text}"));
            }
        }
    }

    /// Searches every file of a folder and returns the number of files.
    fn files(&mut self, folder: &Path) -> usize {
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                count += self.files(&path);
            } else if !name.starts_with("given-") && name != "key" {
                count += 1;
                if let Some(found) = secret_in(&fs::read(&path).unwrap()) {
                    self.leaks.push(format!("{}: {found}", path.display()));
                }
            }
        }
        count
    }

    fn end(mut self) {
        let root = self.world.project.root().to_owned();
        let files = self.files(&root);
        assert!(self.leaks.is_empty(), "{}", self.leaks.join("\n---\n"));
        println!("{} outputs and {files} files looked through", self.outputs);
        assert!(files > 4 && self.outputs > 10, "{files} files, {} outputs", self.outputs);
    }
}

fn fault(world: &World, path: &str, action: serde_json::Value) {
    let fault: Fault = serde_json::from_value(json!({ "path": path, "action": action })).unwrap();
    world.sandbox.inject(fault);
}

const JOB: &str = "user = \"home\"\n[[fetch]]\nstream = \"saved_tracks\"\n[[fetch]]\nstream = \"my_playlists\"\n";

#[test]
fn sign_in_errors_hold_no_secret() {
    let mut watch = Watch::of(World::development().job(JOB).settings("[output]\nkeep_raw = true"));
    let wrong = [("SPOTIFY_CLIENT_SECRET", SECRET)];
    // With a secret that Spotify refuses, by a browser and by pasting; then with PKCE and a verifier.
    for env in [&wrong[..], &[][..]] {
        for account in ["unknown", fixtures::HOME_USER] {
            for secretless in [false, true] {
                let mut begin = watch.world.command(&["auth", "login", "home", "--no-browser", "-vv"]);
                begin.envs(env.iter().copied());
                if secretless {
                    begin.env_remove("SPOTIFY_CLIENT_SECRET");
                }
                let begun = sign_in::typed(&mut begin, "");
                watch.look(&["auth", "login"], &begun);
                let back = sign_in::consent(&begun.stdout, account);
                let (address, state) = back.split_once("state=").unwrap();
                for text in [&*format!("{address}state=x{state}"), &*back, &*back, "AQ<b>", &*"AQDx".repeat(40)] {
                    let mut finish = watch.world.command(&["auth", "login", "home", "--paste", "-", "-vv"]);
                    finish.envs(env.iter().copied());
                    if secretless {
                        finish.env_remove("SPOTIFY_CLIENT_SECRET");
                    }
                    let ran = sign_in::typed(&mut finish, text);
                    watch.look(&["auth", "login"], &ran);
                }
                // Pasted in the wrong place of the command line.
                watch.both(&["auth", "login", &back], "", &[]);
                watch.both(&["auth", "login", "home", &back], "", &[]);
                watch.both(&["auth", "logout", &back], "", &[]);
            }
        }
    }
    // A browser that brings back a wrong answer, and a token endpoint that fails in every way.
    for action in [
        json!({"do": "status", "code": 400, "message": "no", "reason": "invalid_request"}),
        json!({"do": "status", "code": 401, "message": "no", "reason": "invalid_client"}),
        json!({"do": "status", "code": 429, "retry_after": {"seconds": 86400}}),
        json!({"do": "status", "code": 503}),
        json!({"do": "reset"}),
        json!({"do": "malformed_json"}),
        json!({"do": "html200"}),
        json!({"do": "redirect", "code": 307, "to": "http://127.0.0.1:9/x"}),
    ] {
        watch.world.sandbox.clear_faults();
        fault(&watch.world, "/api/token", action);
        let browser = AtBrowser::begin(&watch.world, "home", &["-vv"]);
        let back = sign_in::consent(&browser.address, fixtures::HOME_USER);
        let page = sign_in::get(&back);
        assert!(secret_in(page.text.as_bytes()).is_none(), "{}", page.text);
        let ran = browser.end();
        watch.look(&["auth", "login"], &ran);
        // A ban would persist, so it is removed before the next fault.
        let books = watch.world.project.root().join(".local/state/cratedigger/state.db");
        rusqlite::Connection::open(books).unwrap().execute("DELETE FROM cool_downs", []).unwrap();
    }
    watch.end();
}

#[test]
fn run_errors_hold_no_secret() {
    let mut watch = Watch::of(World::development().job(JOB).settings("[output]\nkeep_raw = true"));
    let line = json!({ "user": "home", "refresh_token": REFRESH, "client_id": "sandbox-client", "flow": "code" });
    watch.world.project.write("given-grant.jsonl", format!("{line}\n"));
    // A secret in the wrong place of an import, and in the right one.
    for text in [
        format!("{REFRESH}\n"),
        format!("{{\"{REFRESH}\":1}}"),
        format!("{{\"user\":\"{REFRESH}\"}}"),
        line.to_string().replace("code", REFRESH),
    ] {
        watch.both(&["auth", "import", "-"], &text, &[]);
    }
    watch.both(&["auth", "import", "given-grant.jsonl"], "", &[]);
    watch.both(&["run", "x"], "", &[("SPOTIFY_CLIENT_SECRET", SECRET)]).exits(77);
    watch.both(&["run", "x"], "", &[("SPOTIFY_REFRESH_TOKEN", REFRESH)]).exits(77);
    watch.both(&["run", "--due"], "", &[]);
    for command in [&["auth", "list"][..], &["auth", "list", "--json"], &["jobs", "--json"], &["check"], &["history"]] {
        watch.both(command, "", &[]);
    }
    watch.both(&["run", REFRESH], "", &[]);

    // Signed in, with an API that fails in every way.
    sign_in::sign_in(&watch.world, "home", fixtures::HOME_USER);
    for action in [
        json!({"do": "status", "code": 400}),
        json!({"do": "status", "code": 401}),
        json!({"do": "status", "code": 403, "message": "Insufficient client scope"}),
        json!({"do": "status", "code": 404}),
        json!({"do": "status", "code": 503}),
        json!({"do": "malformed_json"}),
        json!({"do": "redirect", "code": 302, "to": "http://127.0.0.1:9/x"}),
        json!({"do": "foreign_next", "host": "127.0.0.1:9"}),
        json!({"do": "garbage_status_line"}),
    ] {
        watch.world.sandbox.clear_faults();
        fault(&watch.world, "/v1/me/tracks", action);
        watch.both(&["run", "x", "--json"], "", &[]);
    }
    watch.world.sandbox.clear_faults();
    // Keys and grants that cannot be decrypted.
    let folder = watch.world.project.root().join(".local/state/cratedigger");
    let key = fs::read(folder.join("key")).unwrap();
    fs::write(folder.join("key"), format!("{SECRET}{SECRET}")).unwrap();
    watch.both(&["run", "x"], "", &[]).exits(77);
    fs::write(folder.join("key"), &key).unwrap();
    watch.both(&["run", "x"], "", &[]).exits(0);
    watch.both(&["auth", "logout", "home", "--purge"], "", &[]);
    watch.end();
}

/// A server that grants an access token and echoes every other request, until it is dropped.
fn echoing(status: u16, json_body: bool) -> (url::Url, tokio::sync::oneshot::Sender<()>) {
    let (serving, over) = tokio::sync::oneshot::channel::<()>();
    let (started, start) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Answering::with(move |asked| {
                if asked.line().contains("/api/token") && status != 401 {
                    let body = json!({ "access_token": ACCESS, "token_type": "Bearer", "expires_in": 3600 });
                    return reply(200, "content-type: application/json\r\n", body.to_string());
                }
                let padding = "x".repeat(200);
                let body = match (asked.line().contains("/api/token"), json_body) {
                    (true, _) => json!({ "error": "invalid_client", "error_description": asked.text }).to_string(),
                    (_, true) => json!({ "error": { "status": status, "message": asked.text } }).to_string(),
                    (_, false) => format!("{padding} {}", asked.text),
                };
                reply(status, "retry-after: 86400\r\n", body)
            });
            let server = server.await;
            started.send(server.url()).unwrap();
            drop(over.await);
        });
    });
    (start.recv().unwrap(), serving)
}

#[test]
fn echoed_secrets_are_not_printed() {
    // Accounts service and API in one. They answer with the whole request, in JSON and as plain text.
    let mut looked = 0;
    for status in [400, 401, 403, 404, 429, 500, 503] {
        for json_body in [true, false] {
            let (url, _serving) = echoing(status, json_body);
            let world = World::development().job(JOB);
            let base = url.as_str().trim_end_matches('/');
            let settings = format!("[spotify]\napi_url = \"{base}/v1\"\naccounts_url = \"{base}\"\n");
            world.project.write("config/cratedigger.toml", settings);
            let line = json!({ "user": "home", "refresh_token": REFRESH, "client_id": "sandbox-client", "flow": "code", "user_id": "u" });
            world.project.write("given-grant.jsonl", format!("{line}\n"));
            let mut watch = Watch::of(world);
            ran(&mut watch.world.command(&["auth", "import", "given-grant.jsonl"])).exits(0);
            watch.both(&["run", "x", "--json"], "", &[]);
            watch.both(&["history"], "", &[]);
            let root = watch.world.project.root().to_owned();
            watch.files(&root);
            assert!(watch.leaks.is_empty(), "{status}: {}", watch.leaks.join("\n---\n"));
            looked += watch.outputs;
        }
    }
    assert_eq!(looked, 7 * 2 * 4);
}
