//! Wrong variables of a cloud are an error of one target, whatever they contain.

use crate::support::world::{World, ran};

use super::push::filled;

/// A lake in a bucket whose name comes before that of a lake in a folder.
fn with_two_lakes(world: &World, url: &str) {
    world.project.write("targets/a.toml", format!("url = \"{url}\"\n"));
    world.project.write("targets/z.toml", "url = \"lake\"\ntables = [\"tracks\"]\n");
}

#[test]
fn wrong_variables_are_errors_of_one_target() {
    let world = filled();
    let table = [
        ("s3://b/p", "AWS_ENDPOINT_URL", "minio.example:9000"),
        ("s3://b/p", "AWS_ENDPOINT_URL", "https://"),
        ("s3://b/p", "AWS_ENDPOINT_URL", "https://a b"),
        ("s3://b/p", "AWS_ENDPOINT_URL", "https://x:99999"),
        ("s3://b/p", "AWS_ENDPOINT_URL", " "),
        ("s3://b/p", "AWS_REGION", "us\neast"),
        ("s3://b/p", "AWS_ACCESS_KEY_ID", "HUNTER\r\nX: y"),
        ("s3://b/p", "AWS_SESSION_TOKEN", "HUNTER\u{1}"),
        ("az://b/p", "AZURE_STORAGE_ACCOUNT_NAME", "acc\n"),
        ("az://b/p", "AZURE_STORAGE_ACCOUNT_KEY", "HUNTER\n"),
        ("gs://b/p", "GOOGLE_BASE_URL", "storage.example"),
    ];
    for (url, name, value) in table {
        with_two_lakes(&world, url);
        let mut command = world.command(&["push"]);
        command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "HUNTER").env("AWS_REGION", "us-east-1");
        command.env("AZURE_STORAGE_ACCOUNT_NAME", "acc").env("AZURE_STORAGE_ACCOUNT_KEY", "AAAA");
        let push = ran(command.env(name, value)).exits(77).says("target a refuses the sign-in").says(name);
        assert!(!push.stderr.contains("HUNTER") && !push.stderr.contains("panicked"), "{}", push.stderr);
        assert!(push.stderr.contains("\nz: ") || push.stderr.starts_with("z: "), "{}", push.stderr);
    }
    // The same from a credential of systemd.
    with_two_lakes(&world, "s3://b/p");
    let credentials = world.project.root().join("credentials");
    let line = "AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=HUNTER\nAWS_ENDPOINT_URL=minio:9000\n";
    world.project.write("credentials/cratedigger_target_a", line);
    let with_credential = |args: &[&str]| ran(world.command(args).env("CREDENTIALS_DIRECTORY", &credentials));
    with_credential(&["push"]).exits(77).says("AWS_ENDPOINT_URL is no address");
    with_credential(&["run", "-y"]).exits(0).says("AWS_ENDPOINT_URL is no address");
    let doctor = with_credential(&["doctor"]).exits_one_of(&[74, 77]);
    assert!(doctor.stdout.contains("AWS_ENDPOINT_URL is no address"), "{}", doctor.stdout);
}

#[test]
fn purge_ends_although_a_target_is_wrong() {
    let world = crate::sync::users::both(World::development().job(crate::sync::users::LIBRARY));
    world.run(&["x"]).exits(0);
    with_two_lakes(&world, "s3://b/p");
    let mut command = world.command(&["auth", "logout", "studio", "--purge"]);
    command.env("AWS_ENDPOINT_URL", "minio.example:9000");
    ran(&mut command).exits(3).says("target a still has the deleted rows");
    let users = world.cli(&["auth", "list"]).stdout;
    let studio = users.lines().find(|line| line.starts_with("studio")).unwrap_or_default();
    assert!(studio.contains("not signed in"), "the grant is deleted too: {users}");
}
