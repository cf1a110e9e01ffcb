//! Whatever happens to a push or its target, the next push leaves equal tables.

use std::process::{Command, Stdio};

use super::postgres::Postgres;
use super::proxy::{Cut, Proxy};
use super::push::{change, filled};
use crate::support::world::{World, ended, signal};

fn socket(postgres: &Postgres) -> std::path::PathBuf {
    postgres.folder().join(".s.PGSQL.5432")
}

/// Sends pushes through a proxy.
fn through(world: &World, proxy: &Proxy) {
    let url = format!("url = \"postgres://postgres@127.0.0.1:{}/postgres\"\nafter = \"never\"\n", proxy.port);
    world.project.write("targets/w.toml", url);
}

/// The whole statement: a temporary table is dropped `ON COMMIT`.
const COMMIT: &str = "COMMIT\0";

/// Words of the statements of a push, in their order.
const STEPS: [&str; 9] = [
    "SELECT f.table_name",
    "BEGIN",
    "pg_try_advisory_xact_lock",
    "pg_namespace",
    "cratedigger_changes (",
    "COPY pg_temp",
    "DELETE FROM spotify",
    "INTO spotify.feed_state",
    COMMIT,
];

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn connection_may_end_at_every_statement() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let world = filled();
    let proxy = Proxy::to(socket(&postgres));
    through(&world, &proxy);
    // A first push that never gets through, and then one that does.
    for step in ["CREATE SCHEMA", "feed_state (store", "CREATE TABLE IF NOT EXISTS spotify.\"tracks\"", "COPY spotify"]
    {
        for cut in [Cut::Before, Cut::Answer] {
            proxy.cut(cut, step);
            world.cli(&["push"]).exits(1).says("target w does not answer");
            assert_eq!(postgres.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'spotify'"), "0", "{step}");
        }
    }
    world.cli(&["push"]).exits(0);
    postgres.assert_equal(&world, "spotify");
    for (number, step) in STEPS.into_iter().enumerate() {
        for cut in [Cut::Before, Cut::Answer] {
            change(&world);
            let before = postgres.sql("SELECT max(version) FROM spotify.feed_state");
            proxy.cut(cut, step);
            let is_stored = step == COMMIT && cut == Cut::Answer;
            let pushed = world.cli(&["push"]);
            assert!(!proxy.is_waiting(), "no statement has {step}");
            pushed.exits(if is_stored { 0 } else { 1 });
            let after = postgres.sql("SELECT max(version) FROM spotify.feed_state");
            assert_eq!(before != after, is_stored, "{step} {cut:?}");
            // Every other time the changes of two runs are sent together.
            if number % 2 == 0 {
                world.cli(&["push"]).exits(0);
                postgres.assert_equal(&world, "spotify");
            }
        }
    }
    world.cli(&["push"]).exits(0);
    postgres.assert_equal(&world, "spotify");
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn second_push_at_once_is_deferred() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let world = filled();
    let proxy = Proxy::to(socket(&postgres));
    through(&world, &proxy);
    proxy.cut(Cut::Hold, "COPY spotify");
    let first = world.command(&["push"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    proxy.wait_until_held();
    let second = world.cli(&["push", "--json"]).exits(75).json();
    assert_eq!(second["targets"][0]["target"], "w");
    proxy.release();
    ended(first).exits(0);
    world.cli(&["push"]).exits(0).says("unchanged");
    postgres.assert_equal(&world, "spotify");
    // A killed push leaves neither rows nor a lock.
    change(&world);
    proxy.cut(Cut::Hold, "COPY pg_temp");
    let killed = world.command(&["push"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    proxy.wait_until_held();
    signal(&killed, "KILL");
    ended(killed);
    proxy.release();
    while world.cli(&["push"]).code == 75 {}
    postgres.assert_equal(&world, "spotify");
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn server_may_crash_during_a_push() {
    let Some(mut postgres) = Postgres::start(&[]) else { return };
    let world = filled();
    let proxy = Proxy::to(socket(&postgres));
    through(&world, &proxy);
    for (step, again) in [("COPY spotify", "COPY spotify"), ("INTO spotify.feed_state", COMMIT)] {
        for words in [step, again] {
            proxy.cut(Cut::Hold, words);
            let push = world.command(&["push"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            proxy.wait_until_held();
            postgres.crash();
            proxy.release();
            ended(push).exits(1);
            postgres.restart();
        }
        world.cli(&["push"]).exits(0);
        postgres.assert_equal(&world, "spotify");
        change(&world);
    }
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn altered_targets_are_mended_or_refused() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let world = filled();
    postgres.add_target(&world, "after = \"never\"");
    postgres.sql("CREATE SCHEMA spotify; CREATE TABLE spotify.tracks (id int)");
    world.cli(&["push"]).exits(74).says("spotify.tracks exists and was not made by cratedigger");
    postgres.sql("DROP TABLE spotify.tracks");
    world.cli(&["push"]).exits(0);

    postgres.sql("ALTER TABLE spotify.tracks DROP COLUMN name; ALTER TABLE spotify.tracks ADD COLUMN note text");
    change(&world);
    world.cli(&["push"]).exits(0).says("1 table completely");
    postgres.assert_equal(&world, "spotify");
    postgres.sql("DROP TABLE spotify.albums; CREATE VIEW spotify.of_albums AS SELECT * FROM spotify.tracks");
    change(&world);
    world.cli(&["push"]).exits(0).says("1 table completely");
    postgres.assert_equal(&world, "spotify");

    postgres.sql("ALTER TABLE spotify.artists ALTER COLUMN followers TYPE text");
    change(&world);
    world.cli(&["push"]).exits(74).says("the column followers of spotify.artists is text and not bigint");
    postgres.sql("DROP TABLE spotify.artists; CREATE VIEW spotify.artists AS SELECT 1 AS id");
    world.cli(&["push"]).exits(74).says("spotify.artists exists and was not made by cratedigger");
    postgres.sql("DROP VIEW spotify.artists");
    world.cli(&["push"]).exits(0);
    postgres.sql("ALTER TABLE spotify.users ADD COLUMN must text NOT NULL DEFAULT 'x'; ALTER TABLE spotify.runs ADD CHECK (calls < 0) NOT VALID");
    change(&world);
    world.cli(&["push"]).exits(74).says("runs_calls_check");
    postgres.sql("ALTER TABLE spotify.runs DROP CONSTRAINT runs_calls_check");
    world.cli(&["push"]).exits(0);
    postgres.assert_equal(&world, "spotify");
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn restored_store_is_pushed_completely() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let world = filled();
    postgres.add_target(&world, "after = \"never\"");
    world.cli(&["push"]).exits(0);
    world.cli(&["backup", "copy.db"]).exits(0);
    change(&world);
    world.cli(&["push"]).exits(0);
    world.put_back("copy.db");
    // The next versions of the store were already given to other rows.
    change(&world);
    change(&world);
    world.cli(&["push"]).exits(0).says("51 tables completely");
    postgres.assert_equal(&world, "spotify");
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn missing_privileges_and_passwords_are_said() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let world = filled();
    postgres.sql("CREATE ROLE loader LOGIN PASSWORD 'open sesame'; REVOKE CREATE ON DATABASE postgres FROM PUBLIC");
    let url = |more: &str| {
        let folder = postgres.folder().display();
        world.project.write("targets/w.toml", format!("url = \"postgres://loader@/postgres?host={folder}\"\n{more}\n"));
    };
    url("");
    world.cli(&["push"]).exits(77).says("GRANT USAGE, CREATE ON SCHEMA spotify TO loader");
    postgres.sql("CREATE SCHEMA spotify; GRANT USAGE, CREATE ON SCHEMA spotify TO loader");
    world.cli(&["push"]).exits(0);
    postgres.assert_equal(&world, "spotify");

    std::fs::write(
        postgres.folder().join("data/pg_hba.conf"),
        "local all postgres trust\nlocal all all scram-sha-256\n",
    )
    .unwrap();
    postgres.sql("SELECT pg_reload_conf()");
    change(&world);
    let push = |password: Option<&str>| {
        let mut command = world.command(&["push"]);
        password.map(|password| command.env("PGPASSWORD", password));
        crate::support::world::ran(&mut command)
    };
    // The server reads its rules a moment later.
    while push(None).exits_one_of(&[0, 77]).code == 0 {
        change(&world);
    }
    push(None).exits(77).says("PGPASSWORD");
    let wrong = push(Some("close sesame")).exits(77).says("password authentication failed");
    assert!(!wrong.stderr.contains("close sesame"));
    world.project.write(".pgpass", "*:*:postgres:loader:open sesame\n");
    push(None).exits(77).says("chmod 600");
    use std::os::unix::fs::PermissionsExt as _;
    let file = world.project.root().join(".pgpass");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    push(None).exits(0);
    postgres.assert_equal(&world, "spotify");
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn only_a_trusted_server_gets_rows() {
    let made = tempfile::tempdir().unwrap();
    let openssl = |args: &str| {
        let status =
            Command::new("openssl").current_dir(made.path()).args(args.split(' ')).stderr(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "openssl {args}");
    };
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.crt -subj /CN=authority -addext basicConstraints=critical,CA:TRUE",
    );
    openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
    std::fs::write(made.path().join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl("x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let Some(mut postgres) = Postgres::start(&[]) else { return };
    postgres.crash();
    for file in ["server.key", "server.crt"] {
        postgres.add_file(&format!("data/{file}"), &made.path().join(file));
    }
    let hba = postgres.folder().join("data/pg_hba.conf");
    std::fs::write(hba, "local all postgres trust\nhostssl all all 127.0.0.1/32 trust\n").unwrap();
    let settings = postgres.folder().join("data/postgresql.auto.conf");
    std::fs::write(settings, "ssl = on\n").unwrap();
    postgres.listen(port);
    postgres.restart();

    let world = filled();
    let authority = made.path().join("ca.crt").display().to_string();
    let push = |url: &str| {
        world.project.write("targets/w.toml", format!("url = \"postgres://postgres@{url}\"\nafter = \"never\"\n"));
        world.cli(&["push"])
    };
    push(&format!("localhost:{port}/postgres?sslmode=verify-full")).exits(77).says("its certificate is not trusted");
    push(&format!("127.0.0.1:{port}/postgres?sslrootcert={authority}"))
        .exits(77)
        .says("its certificate is not trusted");
    push(&format!("localhost:{port}/postgres?sslrootcert=none.crt")).exits(77).says("none.crt");
    push(&format!("localhost:{port}/postgres")).exits(77).says("no encryption");
    assert_eq!(postgres.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'spotify'"), "0");
    push(&format!("localhost:{port}/postgres?sslrootcert={authority}")).exits(0);
    postgres.assert_equal(&world, "spotify");
}
