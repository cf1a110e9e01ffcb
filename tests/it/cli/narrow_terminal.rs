//! Text for people on a terminal of 80 columns.

use spotify_sandbox::fixtures;
use unicode_width::UnicodeWidthStr as _;

use crate::support::pseudo_terminal::PseudoTerminal;
use crate::support::world::{World, by_ids};

/// The words that a command prints into a pipe, sorted.
fn piped_words(world: &World, args: &[&str]) -> Vec<String> {
    let ran = world.cli(args);
    sorted_words(&format!("{}\n{}", ran.stdout, ran.stderr))
}

fn sorted_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    words.sort_unstable();
    words
}

fn shown(world: &World, args: &[&str]) -> String {
    let mut command = world.command(args);
    command.env("NO_COLOR", "1");
    let mut terminal = PseudoTerminal::start(&command);
    terminal.exit_code();
    terminal.wait_for("\n");
    terminal.shown()
}

#[test]
fn lines_break_between_words() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.project.write("jobs/mine.toml", "users = [\"home\"]\n[[fetch]]\nstream = \"my_playlist_items\"\n");
    world.run(&["x"]).exits(0);
    for args in [
        &["doctor", "--offline"][..],
        &["plan", "x", "--offline"],
        &["quota"],
        &["check"],
        &["jobs"],
        &["run", "mine"],
        &["init", "new", "--yes", "--systemd"],
    ] {
        let expected = match args[0] {
            // It writes files or a log, or shows ages and free space: a second time is different.
            "init" | "jobs" | "doctor" | "run" => None,
            _ => Some(piped_words(&world, args)),
        };
        let text = shown(&world, args);
        // A bar is cleared before the next line takes its place.
        for line in text.lines().filter_map(|line| line.rsplit("\u{1b}[2K").next()) {
            let is_one_word = line.split_whitespace().count() < 2;
            assert!(line.width() <= 80 || is_one_word, "{args:?}: {line}");
        }
        assert!(text.lines().count() > 2, "{args:?}: {text}");
        if let Some(expected) = expected {
            let cleared =
                text.lines().filter_map(|line| line.rsplit("\u{1b}[2K").next()).collect::<Vec<_>>().join("\n");
            assert_eq!(sorted_words(&cleared), expected, "{args:?}: {text}");
        }
    }
}

#[test]
fn states_have_colors_on_a_terminal_only() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    for args in [&["jobs"][..], &["history"]] {
        let green = "\u{1b}[32mcomplete\u{1b}[0m";
        assert!(!world.cli(args).exits(0).stdout.contains('\u{1b}'), "{args:?}");
        assert!(!shown(&world, args).contains('\u{1b}'), "{args:?}");
        let mut terminal = PseudoTerminal::start(&world.command(args));
        terminal.wait_for(green);
        assert_eq!(terminal.exit_code(), 0);
    }
}
