//! Lakes in buckets: the same files as in a folder, and what the network does to pushes.

use std::process::Stdio;

use super::clouds::{Cloud, RequestProxy, Turn};
use super::lake::add_lake;
use super::push::{change, filled};
use crate::support::world::{World, ended, ran, signal};

/// First push, changes, a missing object, a new epoch.
fn keeps_a_lake(cloud: &Cloud) {
    let world = filled();
    cloud.add_target(&world, "keep = \"0s\"");
    cloud.cli(&world, &["doctor"]).exits_one_of(&[0, 77]);
    cloud.cli(&world, &["push"]).exits(0).says("51 tables completely");
    cloud.assert_equal(&world);
    cloud.cli(&world, &["push"]).exits(0).says("unchanged");
    change(&world);
    cloud.cli(&world, &["push"]).exits(0).says("deletion");
    cloud.assert_equal(&world);
    change(&world);
    cloud.delete(cloud.manifest()["files"][0]["path"].as_str().unwrap());
    cloud.cli(&world, &["push"]).exits(0).says("because files are missing");
    cloud.assert_equal(&world);
    cloud.cli(&world, &["push", "--full"]).exits(0);
    cloud.cli(&world, &["push"]).exits(0).says("unchanged");
    let named = cloud.manifest()["files"].as_array().unwrap().len();
    assert_eq!(cloud.objects().len(), named + 1, "the manifest and its files");
    let doctor = cloud.cli(&world, &["doctor"]);
    assert!(doctor.stdout.contains("music/a/lake has all rows"), "{}", doctor.stdout);
}

#[test]
#[ignore = "needs moto; `make check-reach` runs it"]
fn s3_keeps_a_lake() {
    if let Some(cloud) = Cloud::s3() {
        keeps_a_lake(&cloud);
    }
}

#[test]
#[ignore = "needs azurite; `make check-reach` runs it"]
fn azure_keeps_a_lake() {
    if let Some(cloud) = Cloud::azure() {
        keeps_a_lake(&cloud);
    }
}

#[test]
#[ignore = "needs moto; `make check-reach` runs it"]
fn lost_and_refused_requests_lose_nothing() {
    let Some(cloud) = Cloud::s3() else { return };
    let world = filled();
    cloud.add_target(&world, "");
    let proxy = RequestProxy::to(cloud.port);
    let push = || ran(&mut cloud.command(&world, proxy.port, &["push"]));
    // A server that is busy for a moment, and one that stays so.
    proxy.turn(Turn::Answer("503 Slow Down"), "PUT /music/a/lake/tracks", 2);
    push().exits(0);
    assert!(!proxy.is_waiting());
    cloud.assert_equal(&world);
    for words in
        ["GET /music/a/lake/_cratedigger", "GET /music?", "PUT /music/a/lake/", "PUT /music/a/lake/_cratedigger"]
    {
        change(&world);
        let before = cloud.manifest();
        proxy.turn(Turn::Answer("503 Slow Down"), words, 1000);
        push().exits(1).says("target w does not answer: 503").says("nothing is lost");
        assert_eq!(cloud.manifest(), before, "{words}");
        proxy.turn(Turn::Answer("403 Forbidden"), words, 1000);
        push().exits(77).says("target w refuses the sign-in: 403").says("AWS_ACCESS_KEY_ID");
        proxy.turn(Turn::Answer("400 Bad Request"), words, 1000);
        push().exits(74).says("target w refuses the rows: 400");
        assert_eq!(cloud.manifest(), before, "{words}");
        // The server does it, and the answer is lost.
        proxy.turn(Turn::LoseAnswer, words, 1);
        push().exits_one_of(&[0, 1]);
        proxy.turn(Turn::LoseAnswer, "no such request", 1);
        push().exits(0);
        cloud.assert_equal(&world);
    }
}

#[test]
#[ignore = "needs moto; `make check-reach` runs it"]
fn of_two_pushes_to_a_bucket_one_wins() {
    let Some(cloud) = Cloud::s3() else { return };
    let world = filled();
    cloud.add_target(&world, "");
    let proxy = RequestProxy::to(cloud.port);
    let start = |args: &[&str]| {
        let mut command = cloud.command(&world, proxy.port, args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for args in [&["push"][..], &["push"], &["push", "--full"]] {
        proxy.turn(Turn::Hold, "PUT /music/a/lake/_cratedigger", 1);
        let slow = start(args);
        let held = proxy.held();
        change(&world);
        cloud.cli(&world, &["push"]).exits(0);
        let won = cloud.manifest();
        drop(held);
        ended(slow).exits(75).says("another push to w is under way");
        assert_eq!(cloud.manifest(), won);
        cloud.assert_equal(&world);
        change(&world);
    }
    // A push that is killed before the manifest is there.
    proxy.turn(Turn::Hold, "PUT /music/a/lake/_cratedigger", 1);
    let killed = start(&["push"]);
    let held = proxy.held();
    let before = cloud.manifest();
    signal(&killed, "KILL");
    ended(killed);
    assert_eq!(cloud.manifest(), before);
    drop(held);
    while cloud.cli(&world, &["push"]).exits_one_of(&[0, 75]).code != 0 {}
    cloud.assert_equal(&world);
    // A server without conditions of writes.
    change(&world);
    proxy.turn(Turn::Answer("501 Not Implemented"), "PUT /music/a/lake/", 5);
    ran(&mut cloud.command(&world, proxy.port, &["push"])).exits(0);
    cloud.assert_equal(&world);
    cloud.cli(&world, &["push", "--full"]).exits(0);
    let epochs = cloud.manifest()["superseded"].as_array().unwrap().len();
    let is_known = |path: &String| {
        let manifest = cloud.manifest().to_string();
        path == "_cratedigger.json" || manifest.contains(&path[path.find("epoch=").unwrap() + 6..][..16])
    };
    assert!(epochs > 0 && cloud.objects().iter().all(is_known), "epochs that no manifest names are deleted");
}

#[test]
#[ignore = "needs moto; `make check-reach` runs it"]
fn missing_buckets_and_credentials_are_said() {
    let Some(cloud) = Cloud::s3() else { return };
    let world = filled();
    world.project.write("targets/w.toml", "url = \"s3://elsewhere/lake\"\nafter = \"never\"\n");
    cloud.cli(&world, &["push"]).exits(74).says("there is no bucket elsewhere");
    cloud.add_target(&world, "");
    let far = |world: &World, url: &str| ran(cloud.command(world, 1, &["push"]).env("AWS_ENDPOINT_URL", url));
    far(&world, "http://minio.example.com").exits(77).says("AWS_ENDPOINT_URL would send all rows readable");
    far(&world, "http://127.0.0.1:9").exits(1).says("target w does not answer").says("Connection refused");
    // Credentials of systemd, which win over the environment.
    let folder = world.project.root().join("credentials");
    std::fs::create_dir(&folder).unwrap();
    let url = format!("http://127.0.0.1:{}", cloud.port);
    let lines = format!("AWS_ACCESS_KEY_ID=of-systemd\nAWS_SECRET_ACCESS_KEY=secret\nAWS_ENDPOINT_URL={url}\n");
    std::fs::write(folder.join("cratedigger_target_w"), lines).unwrap();
    let push = ran(cloud.command(&world, 9, &["push", "--verbose"]).env("CREDENTIALS_DIRECTORY", &folder)).exits(0);
    assert!(!push.stderr.contains("secret"), "{}", push.stderr);
    cloud.assert_equal(&world);
    // Something that is not ours stays.
    let other = filled();
    add_lake(&other, "after = \"never\"");
    cloud.request(
        "PUT /music/a/lake/tracks/mine.parquet HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
    );
    cloud.cli(&world, &["push", "--full"]).exits(0);
    assert!(cloud.objects().contains(&"tracks/mine.parquet".to_owned()));
}

#[test]
#[ignore = "needs pyarrow, DuckDB and Spark; `make check-reach` runs it"]
fn other_programs_read_the_lake() {
    let Some(python) = super::clouds::program("bin/python") else { return };
    let Some(cloud) = Cloud::s3() else { return };
    let world = filled();
    let folder = add_lake(&world, "after = \"never\"");
    for _ in 0..3 {
        world.cli(&["push", "w"]).exits(0);
        change(&world);
    }
    world.cli(&["push", "w"]).exits(0);
    let views = |engine: &str, name: &str, text: &str| {
        world.project.write(&format!("{name}.sql"), text);
        assert!(text.contains("CREATE"), "{engine}");
        world.project.root().join(format!("{name}.sql"))
    };
    let printed = |engine: &str| world.cli(&["schema", "feed", "--sql", engine]).exits(0).stdout;
    let (duckdb, spark) = (views("duckdb", "duckdb", &printed("duckdb")), views("spark", "spark", &printed("spark")));
    cloud.add_target(&world, "");
    cloud.cli(&world, &["push"]).exits(0);
    let s3 = views("duckdb", "s3", &cloud.cli(&world, &["schema", "feed", "--sql", "duckdb"]).exits(0).stdout);
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lake/check.py");
    let mut check = std::process::Command::new(python);
    check.arg(script).arg(folder).arg(world.database()).args([duckdb, spark, s3]).env("LAKE_S3", "s3://music/a/lake");
    check.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", cloud.port));
    let checked = check.output().unwrap();
    let text = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{text}");
    for program in ["pyarrow", "duckdb", "ducklake", "duckdb from S3", "spark"] {
        assert!(text.contains(&format!("{program}: ")), "{text}");
    }
}
