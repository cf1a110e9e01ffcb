//! Tokens are sent only to the servers that a grant belongs to, whatever the settings say later.

use std::net::TcpListener;

use spotify_sandbox::fixtures;

use crate::support::sign_in::{consent, link, paste, sign_in};
use crate::support::world::{World, fetch};

/// A server that must not be called.
struct UncalledServer(TcpListener);

impl UncalledServer {
    fn new() -> UncalledServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        UncalledServer(listener)
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    fn was_called(&self) -> bool {
        self.0.accept().is_ok()
    }
}

fn world() -> World {
    World::development().job(&format!("user = \"home\"\n{}", fetch("saved_tracks", "")))
}

/// The settings of the world with one address replaced, and the way back.
fn redirect(world: &World, key: &str, to: &str) -> String {
    let path = world.project.root().join("config/cratedigger.toml");
    let before = std::fs::read_to_string(&path).unwrap();
    let replaced = |line: &str| if line.starts_with(key) { format!("{key} = \"{to}\"\n") } else { format!("{line}\n") };
    std::fs::write(&path, before.lines().map(replaced).collect::<String>()).unwrap();
    before
}

#[test]
fn grants_are_sent_to_their_own_servers_only() {
    let world = world();
    sign_in(&world, "home", fixtures::HOME_USER);
    world.run(&["x"]).exits(0);
    let stranger = UncalledServer::new();
    for (key, to) in [("accounts_url", stranger.url()), ("api_url", format!("{}/v1", stranger.url()))] {
        let before = redirect(&world, key, &to);
        // Without a store, which would notice the other server first.
        std::fs::remove_dir_all(world.project.root().join("output")).unwrap();
        let run = world.run(&["x", "--full"]).exits(77);
        assert!(run.stderr.contains("the grant of user `home` belongs to http://127.0.0.1:"), "{}", run.stderr);
        assert!(run.stderr.contains(&stranger.url()) && run.stderr.contains("nothing was sent"), "{}", run.stderr);
        assert!(run.stderr.contains("cratedigger auth login home"), "{}", run.stderr);
        assert!(!stranger.was_called(), "{key}");
        let doctor = world.cli(&["doctor", "--offline"]).exits(77).stdout;
        assert!(doctor.contains("the grant of user `home` belongs to"), "{doctor}");
        assert!(!doctor.contains("home: "), "{doctor}");
        world.project.write("config/cratedigger.toml", before);
        let _ = std::fs::remove_dir_all(world.project.root().join("output"));
        world.run(&["x", "--full"]).exits(0);
    }
}

#[test]
fn sign_in_ends_where_it_began() {
    let world = world();
    let address = link(&world, "home", &[]);
    let answer = consent(&address, fixtures::HOME_USER);
    let stranger = UncalledServer::new();
    let before = redirect(&world, "accounts_url", &stranger.url());
    let pasted = paste(&world, "home", &answer).exits(77);
    assert!(pasted.stderr.contains("nothing was sent"), "{}", pasted.stderr);
    assert!(!stranger.was_called());
    world.project.write("config/cratedigger.toml", before);
    paste(&world, "home", &answer).exits(0);
}
