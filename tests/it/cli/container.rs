//! The recipes for containers. Much can be tested without an engine: that the image has the paths, user and
//! variables that the examples expect and that the program reads, and that the program works with what
//! they give it: a read-only root, config maps full of links, secrets as files.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::project::{Project, stderr, stdout};
use crate::support::world::World;

fn contrib(name: &str) -> String {
    let path = format!("{}/contrib/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The instructions of the Containerfile's last stage: `USER`, `65532:65532`.
fn image() -> Vec<(String, String)> {
    let text = contrib("container/Containerfile");
    let last = text.rsplit_once("\nFROM ").unwrap().1;
    let lines = last.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
    lines.map(|(word, rest)| (word.to_owned(), rest.to_owned())).collect()
}

fn said<'a>(image: &'a [(String, String)], word: &str) -> Vec<&'a str> {
    image.iter().filter(|(w, _)| w == word).map(|(_, rest)| rest.as_str()).collect()
}

#[test]
fn image_runs_without_root() {
    let image = image();
    assert_eq!(said(&image, "USER"), ["65532:65532"]);
    assert_eq!(said(&image, "ENTRYPOINT"), ["[\"/usr/local/bin/cratedigger\"]"]);
    assert_eq!(said(&image, "VOLUME"), ["[\"/project\", \"/state\"]"]);
    assert_eq!(said(&image, "WORKDIR"), ["/project"], "the project folder is the default of --project");
    let at = |word: &str| image.iter().position(|(w, _)| w == word).unwrap();
    assert!(at("RUN") < at("USER"), "the steps of root come first");
    assert!(said(&image, "COPY").iter().any(|c| c.ends_with(" /etc/ssl/certs/ca-certificates.crt")));
    assert!(said(&image, "COPY").iter().any(|c| c.ends_with(" /usr/local/bin/cratedigger")));
}

#[test]
fn image_holds_all_sources_and_no_secret() {
    let ignore = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".dockerignore")).unwrap();
    let lines: Vec<&str> = ignore.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines[0], "*");
    let let_in: Vec<&str> = lines[1..].iter().map(|line| line.strip_prefix('!').unwrap()).collect();
    // The files that Cargo.toml names and that the sources include.
    for needed in ["Cargo.toml", "Cargo.lock", "src", "jobs", "benches", "tests", "contrib", "README.md"] {
        assert!(let_in.contains(&needed), "{needed}");
    }
    assert!(!let_in.iter().any(|name| name.contains(".env") || *name == "output" || *name == "config"));
}

/// Runs the program where only `writable` can be written to, as user 65532 where the machine allows it.
fn in_a_container(world: &World, args: &[&str], writable: &[&Path], env: &[(&str, &str)]) -> Option<Output> {
    let works =
        |program: &str, args: &[&str]| Command::new(program).args(args).output().is_ok_and(|o| o.status.success());
    if !works("bwrap", &["--unshare-user", "--uid", "65532", "--ro-bind", "/", "/", "/bin/true"]) {
        return None;
    }
    let mut command = Command::new("bwrap");
    command.args(["--unshare-user", "--uid", "65532", "--gid", "65532", "--unshare-pid", "--die-with-parent"]);
    command.args(["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]);
    for path in writable {
        command.arg("--bind").args([path, path]);
    }
    command.arg("--chdir").arg(world.project.root());
    command.arg(env!("CARGO_BIN_EXE_cratedigger")).args(args).env_clear().envs(env.iter().copied());
    Some(command.output().unwrap())
}

const JOB: &str = "[[fetch]]\nstream = \"search\"\nquery = \"a\"\ntypes = [\"track\"]\n";

/// A folder as Kubernetes mounts a config map: every file is a link to another link.
fn as_a_config_map(folder: &Path) {
    let data = folder.join("..2026_11_23");
    std::fs::create_dir(&data).unwrap();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|e| e.path().is_file()) {
        std::fs::rename(entry.path(), data.join(entry.file_name())).unwrap();
        symlink(Path::new("..data").join(entry.file_name()), entry.path()).unwrap();
    }
    symlink("..2026_11_23", folder.join("..data")).unwrap();
}

#[test]
fn read_only_root_needs_two_folders() {
    let world = World::development().job(JOB);
    let root = world.project.root().to_path_buf();
    let key = "0123456789abcdef0123456789abcdef";
    for (name, text) in
        [("spotify_client_id", "sandbox-client"), ("spotify_client_secret", "sandbox-secret"), ("cratedigger_key", key)]
    {
        world.project.write(&format!("secrets/{name}"), text);
        let path = root.join("secrets").join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o440)).unwrap();
    }
    as_a_config_map(&root.join("jobs"));
    as_a_config_map(&root.join("config"));
    let (output, state) = (root.join("output"), root.join("volume"));
    for folder in [&output, &state] {
        std::fs::create_dir(folder).unwrap();
        // As fsGroup leaves a volume. The program creates a folder of its own in it.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o2775)).unwrap();
    }
    let (state_dir, secrets) = (state.join("cratedigger"), root.join("secrets"));
    let env = [
        ("CRATEDIGGER__STATE__DIR", state_dir.to_str().unwrap()),
        ("CREDENTIALS_DIRECTORY", secrets.to_str().unwrap()),
    ];
    let args = ["--quiet", "run", "x", "--ok-if-deferred"];
    for _ in 0..2 {
        let Some(ran) = in_a_container(&world, &args, &[&output, &state], &env) else { return };
        assert_eq!((ran.status.code(), stdout(&ran), stderr(&ran)), (Some(0), String::new(), String::new()));
    }
    assert!(world.csv_path("search.csv").exists());
    assert_eq!(state_dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let refused = in_a_container(&world, &args, &[&output], &env).unwrap();
    assert_eq!(refused.status.code(), Some(74), "a state folder that cannot be written: {}", stderr(&refused));
}

#[test]
fn examples_use_what_the_image_has() {
    let (image, compose, job) = (image(), contrib("container/compose.yaml"), contrib("kubernetes/cronjob.yaml"));
    let env = said(&image, "ENV");
    assert!(env.contains(&"CREDENTIALS_DIRECTORY=/run/secrets"), "the folder of compose's secrets");
    assert!(env.contains(&"CRATEDIGGER__STATE__DIR=/state/cratedigger"));
    for (text, needs) in [
        (&compose, &["read_only: true", "user: \"65532:65532\"", "cap_drop: [\"ALL\"]", "no-new-privileges:true"][..]),
        (&compose, &[":/project:ro", ":/project/output\n", "- state:/state\n", "command: [\"schedule\"]"]),
        (
            &compose,
            &[
                "mem_limit: ",
                "pids_limit: ",
                "networks: [\"spotify\"]",
                "CRATEDIGGER_IMAGE=localhost/cratedigger@sha256:",
            ],
        ),
        (&job, &["kind: NetworkPolicy", "ingress: []", "limits: {memory: ", "@sha256:", "ephemeral-storage: "]),
        (&job, &["readOnlyRootFilesystem: true", "runAsUser: 65532", "runAsNonRoot: true", "drop: [\"ALL\"]"]),
        (&job, &["concurrencyPolicy: Forbid", "restartPolicy: Never", "backoffLimit: 0", "defaultMode: 0440"]),
        (&job, &["fsGroupChangePolicy: OnRootMismatch", "mountPath: /project/jobs", "mountPath: /project/config"]),
    ] {
        for needed in needs {
            assert!(text.contains(needed), "{needed}");
        }
    }
    // SQLite ends a query at 256 MiB. With less than twice as much, the kernel would end the process.
    let by_hand = contrib("kubernetes/by-hand.yaml");
    for (text, key, unit) in [(&compose, "mem_limit: ", "m"), (&job, "{memory: ", "Mi"), (&by_hand, "{memory: ", "Mi")]
    {
        let limit = text.lines().filter(|line| line.contains("limit")).find_map(|line| line.split_once(key)).unwrap().1;
        let mib = limit.split_once(unit).and_then(|(number, _)| number.parse::<u64>().ok());
        assert!(mib.is_some_and(|mib| mib >= 512), "{limit}");
    }
    for name in ["spotify_client_id", "spotify_client_secret", "cratedigger_key"] {
        assert!(compose.contains(&format!("      - {name}\n")) && compose.contains(&format!("./secrets/{name}\n")));
        assert!(job.contains(&format!("--from-file={name}")));
    }
}

#[test]
fn manual_kubernetes_pod_matches_the_job() {
    let given = |name: &str| -> Vec<String> {
        let text = contrib(name);
        let (_, spec) = text.rsplit_once("restartPolicy").unwrap();
        let lines = spec.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let of =
            ["- name:", "value:", "- {name:", "runAs", "fsGroup", "drop:", "image:", "secretName:", "defaultMode:"];
        lines.filter(|line| of.iter().any(|start| line.starts_with(start))).map(str::to_owned).collect()
    };
    assert_eq!(given("kubernetes/cronjob.yaml"), given("kubernetes/by-hand.yaml"));
    assert!(given("kubernetes/by-hand.yaml").len() > 20);
}

#[test]
fn example_commands_exist() {
    let job = contrib("kubernetes/cronjob.yaml");
    let args = job.lines().find_map(|line| line.trim().strip_prefix("args: ")).unwrap();
    let mut args: Vec<String> = serde_json::from_str(args).unwrap();
    assert!(args.contains(&"--ok-if-deferred".to_owned()));
    args.push("--help".into());
    let output = Project::new().command(&[]).args(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    // Each variable must be a setting.
    let names = job.lines().filter_map(|line| line.trim().strip_prefix("- name: CRATEDIGGER__"));
    for name in names {
        let (section, key) = name.split_once("__").unwrap();
        let known = stdout(&Project::new().run(&["schema", "config"]));
        let known: serde_json::Value = serde_json::from_str(&known).unwrap();
        let path = format!("/properties/{}/properties/{}", section.to_lowercase(), key.to_lowercase());
        assert!(known.pointer(&path).is_some(), "{name}");
    }
}

#[test]
fn airflow_skips_deferred_runs() {
    let dag = contrib("airflow/cratedigger_dag.py");
    let code = format!("skip_on_exit_code={},", cratedigger::cli::ExitStatus::Deferred.code());
    assert!(dag.contains(&code), "{code}");
    let command = dag.lines().find_map(|line| line.trim().strip_prefix("bash_command=f\"cratedigger ")).unwrap();
    let command = command.trim_end_matches("\",").replace("{PROJECT}", "/srv/spotify").replace("{job}", "x");
    let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
    assert_eq!(Project::new().run(&args).status.code(), Some(0), "{args:?}");
}
