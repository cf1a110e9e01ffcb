//! Pushes and servers that are killed at random moments, and PgBouncer between them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use spotify_sandbox::fixtures;

use super::postgres::{Postgres, give, unprivileged};
use super::push::filled;
use crate::support::world::{World, ended, signal};

/// Random numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Rows are inserted, changed and deleted; the playlist keeps its length.
fn change(world: &World, dice: &mut Dice) {
    let from = dice.below(60);
    for change in [
        json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": from, "count": 1 + dice.below(3)}),
        json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": dice.below(50),
               "items": [fixtures::PLAIN_TRACK, fixtures::PLAIN_TRACK]}),
    ] {
        world.sandbox.catalog().edit(serde_json::from_value(change).unwrap()).unwrap();
    }
    world.run(&[]).exits(0);
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn random_kills_end_with_equal_tables() {
    let Some(mut postgres) = Postgres::start(&[]) else { return };
    let world = filled();
    postgres.add_target(&world, "after = \"never\"");
    let kills: u64 = std::env::var("CRATEDIGGER_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let mut dice = Dice(20_261_130);
    // How long a push takes. It is longer after kills that came in time, and shorter after others.
    let mut usual = Duration::from_millis(400);
    let (mut ended_before, mut of_server) = (0, 0);
    for number in 0..kills {
        // Some pushes send everything, and the others what has changed.
        let is_full = dice.below(4) == 0;
        if !is_full {
            change(&world, &mut dice);
        }
        let args: &[&str] = if is_full { &["push", "--full"] } else { &["push"] };
        let mut command = world.command(args);
        let push = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(usual.mul_f64(dice.below(1_000) as f64 / 1_000.0));
        let push = if dice.below(2) == 0 {
            postgres.crash();
            let push = ended(push).exits_one_of(&[0, 1]);
            of_server += 1;
            postgres.restart();
            push
        } else {
            signal(&push, "KILL");
            ended(push).exits_one_of(&[-1, 0])
        };
        ended_before += u64::from(push.code == 0);
        usual = usual.mul_f64(if push.code == 0 { 0.85 } else { 1.1 });
        if dice.below(3) == 0 || number + 1 == kills {
            // The server ends the session of a killed push a moment later.
            while world.cli(&["push"]).exits_one_of(&[0, 75]).code == 75 {}
            postgres.assert_equal(&world, "spotify");
        }
    }
    println!("{kills} kills, {of_server} of them of the server; {ended_before} pushes had ended before");
    assert!(4 * ended_before < 3 * kills, "most pushes ended before they were killed: {ended_before} of {kills}");
}

/// PgBouncer before a server.
struct Bouncer {
    process: Child,
    port: u16,
}

impl Bouncer {
    fn start(postgres: &Postgres, mode: &str, port: u16) -> Option<Bouncer> {
        let program = std::path::Path::new("/usr/sbin/pgbouncer");
        if !program.exists() {
            eprintln!("note: PgBouncer is not installed (apt-get install pgbouncer), so this test checks nothing");
            return None;
        }
        let file = postgres.folder().join(format!("{mode}.ini"));
        let text = format!(
            "[databases]\npostgres = host={folder} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = {mode}\nignore_startup_parameters = extra_float_digits\n\
             default_pool_size = 2\nserver_login_retry = 1\nquery_wait_timeout = 5\n{prepared}",
            folder = postgres.folder().display(),
            prepared = if has_prepared_statements() { "max_prepared_statements = 10\n" } else { "" },
        );
        std::fs::write(&file, text).unwrap();
        give(&file);
        let process = unprivileged(program).arg("-q").arg(&file).spawn().unwrap();
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "PgBouncer does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Bouncer { process, port })
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// PgBouncer keeps prepared statements in transaction mode since 1.21.
fn has_prepared_statements() -> bool {
    let output = Command::new("/usr/sbin/pgbouncer").arg("--version").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let minor = text.split_whitespace().nth(1).and_then(|version| version.split('.').nth(1)?.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= 21)
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn push_works_through_pgbouncer() {
    let Some(mut postgres) = Postgres::start(&[]) else { return };
    let world = filled();
    let mut dice = Dice(5);
    for mode in ["session", "transaction"] {
        if mode == "transaction" && !has_prepared_statements() {
            eprintln!("note: this PgBouncer is older than 1.21, so its transaction mode is not tried");
            continue;
        }
        let Some(bouncer) = Bouncer::start(&postgres, mode, free_port()) else { return };
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", bouncer.port);
        world.project.write("targets/w.toml", format!("url = \"{url}\"\nafter = \"never\"\n"));
        world.cli(&["push", "--full"]).exits(0).says("51 tables completely");
        postgres.assert_equal(&world, "spotify");
        world.cli(&["push"]).exits(0).says("unchanged");
        for _ in 0..3 {
            change(&world, &mut dice);
            let mut command = world.command(&["push"]);
            let push = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(dice.below(150)));
            signal(&push, "KILL");
            ended(push);
            while world.cli(&["push"]).exits_one_of(&[0, 75]).code == 75 {}
            postgres.assert_equal(&world, "spotify");
        }
        // The server is restarted behind it.
        change(&world, &mut dice);
        postgres.crash();
        world.cli(&["push"]).exits(1);
        postgres.restart();
        let began = Instant::now();
        while world.cli(&["push"]).exits_one_of(&[0, 1]).code == 1 {
            assert!(began.elapsed() < Duration::from_secs(60), "PgBouncer connects again");
        }
        postgres.assert_equal(&world, "spotify");
    }
}
