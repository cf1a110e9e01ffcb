//! The questions of `init` on a terminal.

use std::os::unix::fs::PermissionsExt as _;

use spotify_sandbox::fixtures;

use crate::support::pseudo_terminal::{CTRL_C, DOWN, ENTER, PseudoTerminal};
use crate::support::world::World;

/// `init spotify` in a terminal, with the addresses of the sandbox and without credentials.
fn init(world: &World, args: &[&str]) -> PseudoTerminal {
    let mut command = world.project.command(&[&["init", "spotify"], args].concat());
    command
        .env("CRATEDIGGER__SPOTIFY__API_URL", world.sandbox.api_url())
        .env("CRATEDIGGER__SPOTIFY__ACCOUNTS_URL", world.sandbox.accounts_url())
        .env("TZ", "America/Bogota");
    PseudoTerminal::start(&command)
}

fn give_credentials(terminal: &mut PseudoTerminal, secret: &str) {
    terminal.wait_for("Client id").press(&format!("sandbox-client{ENTER}"));
    terminal.wait_for("Client secret").type_hidden(secret);
}

#[test]
fn answers_make_a_project_that_runs() {
    let world = World::extended();
    let mut terminal = init(&world, &[]);
    give_credentials(&mut terminal, "wrong-secret");
    terminal.wait_for("type them again");
    give_credentials(&mut terminal, "sandbox-secret");
    terminal.wait_for("Spotify accepts them");
    terminal.wait_for("[America/Bogota]").press(&format!("Lissabon{ENTER}"));
    terminal.wait_for("no time zone is named Lissabon");
    terminal.wait_for("Time zone").press(&format!("lisbon{ENTER}"));
    terminal.wait_for("Europe/Lisbon");
    terminal.wait_for("What opens").press(&format!("{DOWN}{ENTER}"));
    terminal.wait_for("export first").press(&format!("{DOWN}{ENTER}"));
    terminal.wait_for("Your artists").press(&format!("nonsense{ENTER}"));
    let artists: Vec<String> = world.sandbox.catalog().ids()["artists"].as_array().unwrap()[..2]
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    terminal.wait_for("Your artists");
    terminal.press(&format!("{} https://open.spotify.com/artist/{}{ENTER}", artists[0], artists[1]));
    terminal.wait_for("Run discography now?").press("y");
    terminal.wait_for("discography: \u{1b}[32mcomplete\u{1b}[0m, ");
    terminal.wait_for("jobs/artists.csv");
    assert_eq!(terminal.exit_code(), 0, "{}", terminal.shown());
    let shown = terminal.shown();
    assert!(!shown.contains("-secret"), "{shown}");

    let root = world.project.root().join("spotify");
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(read(".env"), "SPOTIFY_CLIENT_ID=sandbox-client\nSPOTIFY_CLIENT_SECRET=sandbox-secret\n");
    assert_eq!(std::fs::metadata(root.join(".env")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(read("jobs/artists.csv"), format!("id\n{}\n{}\n", artists[0], artists[1]));
    let settings = read("config/cratedigger.toml");
    assert!(settings.contains("\ntimezone = \"Europe/Lisbon\"\n") && settings.contains("\nprofile = \"excel\"\n"));
    assert!(!read("jobs/discography.toml").contains("timezone"));
    let jobs = std::fs::read_dir(root.join("jobs")).unwrap().count();
    assert_eq!(jobs, 3, "only the jobs of the answer are written");
    assert!(read("output/csv/discography/releases.csv").starts_with('\u{feff}'));
}

#[test]
fn interrupted_init_writes_nothing() {
    let world = World::extended();
    for question in 0..3 {
        let mut terminal = init(&world, &[]);
        terminal.wait_for("Client id");
        if question > 0 {
            terminal.press(&format!("sandbox-client{ENTER}")).wait_for("Client secret");
            while terminal.echoes() {
                std::thread::yield_now();
            }
        }
        if question > 1 {
            terminal.type_hidden("sandbox-secret").wait_for("Time zone").press(ENTER).wait_for("What opens");
            // The choice has hidden the cursor.
            assert!(terminal.shown().contains("\u{1b}[?25l"));
        }
        terminal.press(CTRL_C).wait_for("\u{1b}[?25h").wait_for("nothing was written");
        assert_eq!(terminal.exit_code(), 130, "{question}: {}", terminal.shown());
        assert!(terminal.echoes(), "{question}: the terminal is as it was");
        assert!(!world.project.root().join("spotify").exists(), "{question}");
    }
}

#[test]
fn init_signs_in_and_keeps_known_files() {
    let world = World::extended();
    world.project.write("spotify/.env", "OTHER=1\nSPOTIFY_CLIENT_ID=\nSPOTIFY_CLIENT_SECRET=\n");
    let addresses = format!(
        "[spotify]\napi_url = \"{}\"\naccounts_url = \"{}\"\n",
        world.sandbox.api_url(),
        world.sandbox.accounts_url()
    );
    world.project.write("spotify/config/cratedigger.toml", &addresses);
    let mut terminal = init(&world, &[]);
    give_credentials(&mut terminal, "sandbox-secret");
    terminal.wait_for("stays as it is").wait_for("export first").press(ENTER);
    terminal.wait_for("Sign in to Spotify now").press("n");
    terminal.wait_for("cratedigger auth login home");
    assert_eq!(terminal.exit_code(), 0, "{}", terminal.shown());
    let read = |name: &str| std::fs::read_to_string(world.project.root().join("spotify").join(name)).unwrap();
    assert_eq!(read("config/cratedigger.toml"), addresses);
    assert!(read(".env").starts_with("OTHER=1\n"));

    // The second time, the credentials are known and only tested.
    let mut terminal = init(&world, &[]);
    terminal.wait_for("accepted by Spotify").wait_for("export first").press(ENTER);
    terminal.wait_for("Sign in to Spotify now").press("y");
    terminal.wait_for("http").wait_for("paste it here");
    let shown = terminal.shown();
    let link = shown.split_whitespace().rfind(|word| word.contains("/authorize?")).unwrap().to_owned();
    let back = crate::support::sign_in::consent(&link, fixtures::HOME_USER);
    terminal.press(&format!("{back}{ENTER}")).wait_for("is signed in");
    terminal.wait_for("Run my-playlists now?").press("n").wait_for("cratedigger run my-playlists");
    assert_eq!(terminal.exit_code(), 0, "{}", terminal.shown());
}

#[test]
fn yes_asks_nothing_on_a_terminal() {
    let world = World::extended();
    let mut terminal = init(&world, &["--yes"]);
    terminal.wait_for("cratedigger run roster-report");
    assert_eq!(terminal.exit_code(), 0);
    assert!(!terminal.shown().contains("Client id"), "{}", terminal.shown());
}
