//! The units for systemd: `init --systemd` writes the files of `contrib/systemd/`, their settings are right, they
//! start a program that finds its files, and `systemd-analyze` has no complaint.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::project::{Project, stderr, stdout};
use crate::support::world::World;

const SERVICES: [&str; 2] = ["cratedigger.service", "cratedigger-schedule.service"];

/// The largest exposure that `systemd-analyze security` may report for the services.
const EXPOSURE: f64 = 1.5;

fn contrib() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd")
}

/// A unit of `contrib/systemd/`.
struct Unit(String);

impl Unit {
    fn of(name: &str) -> Unit {
        Unit(std::fs::read_to_string(contrib().join(name)).unwrap_or_else(|e| panic!("{name}: {e}")))
    }

    /// All values of a key.
    fn all(&self, key: &str) -> Vec<&str> {
        self.0.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
    }

    /// The single value of a key.
    #[track_caller]
    fn one(&self, key: &str) -> &str {
        let all = self.all(key);
        assert_eq!(all.len(), 1, "{key}: {all:?}");
        all[0]
    }

    /// The command that it starts, split into words.
    fn command(&self) -> Vec<&str> {
        self.one("ExecStart").split(' ').collect()
    }
}

/// A project with a space and a percent sign in its name, and the folder of its units.
fn written() -> (Project, PathBuf) {
    let project = Project::new();
    let output = project.run(&["init", "--systemd", "my 50% project"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let units = project.root().join("my 50% project/systemd");
    (project, units)
}

fn names(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn init_writes_contrib_files_with_its_paths() {
    let (project, units) = written();
    assert_eq!(names(&units), names(&contrib()));
    let root = project.root().canonicalize().unwrap().join("my 50% project");
    let (root, program) = (root.to_str().unwrap(), env!("CARGO_BIN_EXE_cratedigger"));
    for name in names(&contrib()) {
        let text = std::fs::read_to_string(units.join(&name)).unwrap();
        // A clone in a home folder, where the program is then: the sandbox lets the service read it.
        let homes =
            text.lines().filter(|line| line.starts_with("BindReadOnlyPaths=") || line.starts_with("# Hide home"));
        let homes: Vec<String> = homes.map(|line| format!("{line}\n")).collect();
        let text = homes.iter().fold(text.clone(), |text, line| text.replace(line, ""));
        let text = text.replace("ProtectHome=tmpfs\n", "ProtectHome=yes\n");
        let escaped = root.replace('%', "%%");
        let text = text.replace(&format!("\"{escaped}\""), "/srv/spotify");
        let text = text.replace(&format!("\"{escaped}/output\""), "/srv/spotify/output");
        let text = text.replace(&format!("'{root}"), "'/srv/spotify").replace("'/srv/spotify'", "/srv/spotify");
        let text = text.replace("'/srv/spotify/output'", "/srv/spotify/output");
        let text = text.replace("--project /srv/spotify\"", "--project '$project'\"");
        let text = text.replace(program, "/usr/local/bin/cratedigger");
        let kept = std::fs::read_to_string(contrib().join(&name)).unwrap();
        assert_eq!(text, kept, "{name}");
    }
}

#[test]
fn settings_and_units_share_the_state_folder() {
    let (project, _) = written();
    let settings = project.root().join("my 50% project/config/cratedigger.toml");
    let settings = std::fs::read_to_string(settings).unwrap();
    for name in SERVICES {
        let unit = Unit::of(name);
        let folder = format!("/var/lib/{}", unit.one("StateDirectory"));
        assert!(settings.contains(&format!("\ndir = \"{folder}\"\n")), "{settings}");
        assert_eq!(unit.one("StateDirectoryMode"), "0700");
    }
}

#[test]
fn units_follow_another_output_folder() {
    let project = Project::new();
    project.write("config/cratedigger.toml", "[output]\ndatabase = \"/var/store/a.db\"\ncsv_dir = \"files/csv\"\n");
    let output = project.run(&["init", "--systemd"]);
    assert!(
        stdout(&output).contains("note: the units keep their state in /var/lib/cratedigger"),
        "{}",
        stdout(&output)
    );
    let root = project.root().canonicalize().unwrap();
    let unit = std::fs::read_to_string(root.join("systemd/cratedigger.service")).unwrap();
    for path in [format!("{}/files/csv", root.display()), "/var/store".to_owned()] {
        let named = unit.lines().any(|line| {
            (line.starts_with("ReadWritePaths=") || line.starts_with("BindPaths=")) && line.contains(&path)
        });
        assert!(named, "{path}: {unit}");
    }
}

#[test]
fn units_have_the_required_lines() {
    let shared = |name: &str| Unit::of(name).0.split_once("# --- user,").unwrap().1.to_owned();
    let [once, daemon] = SERVICES.map(Unit::of);
    for unit in [&once, &daemon] {
        assert!(unit.one("SuccessExitStatus").split(' ').any(|code| code == "75"));
        let teller = unit.one("OnFailure").replace("%n", "");
        assert!(names(&contrib()).contains(&teller), "{teller}");
        let credentials: Vec<&str> =
            unit.all("LoadCredential").iter().filter_map(|c| Some(c.split_once(':')?.0)).collect();
        assert_eq!(credentials, ["spotify_client_id", "spotify_client_secret", "cratedigger_key"]);
    }
    // The same sandbox for both, except for lines that depend on the installation.
    let [one, other] = SERVICES.map(shared);
    assert_eq!(
        one.split_once("\n").unwrap().1,
        other.split_once("\n").unwrap().1.split("\n[Install]").next().unwrap(),
        "left: {}",
        SERVICES[0]
    );
    assert_eq!(once.one("Type"), "oneshot");
    assert_eq!((daemon.one("Type"), daemon.one("NotifyAccess")), ("notify", "main"));
    assert!(daemon.one("WatchdogSec").ends_with("min"));
    let timer = Unit::of("cratedigger.timer");
    assert_eq!((timer.one("Persistent"), timer.one("FixedRandomDelay")), ("true", "true"));
    assert!(timer.one("RandomizedDelaySec").parse::<u32>().unwrap() > 0);
}

#[test]
fn units_start_existing_commands() {
    for name in SERVICES {
        let unit = Unit::of(name);
        let command = unit.command();
        assert_eq!(command[..3], ["/usr/local/bin/cratedigger", "--project", "/srv/spotify"]);
        let output = Project::new().run(&[&command[3..], &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", stderr(&output));
    }
}

/// A command as a service starts it: its environment has only what systemd sets.
fn as_a_service(world: &World, args: &[&str]) -> Command {
    let home = world.project.root();
    let credentials = home.join("credentials");
    if !credentials.exists() {
        let key = "0123456789abcdef0123456789abcdef";
        for (name, text) in [
            ("spotify_client_id", "sandbox-client\n"),
            ("spotify_client_secret", "sandbox-secret\n"),
            ("cratedigger_key", key),
        ] {
            world.project.write(&format!("credentials/{name}"), text);
            // The ACL for the user shows as bits of the group.
            let path = credentials.join(name);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o440)).unwrap();
        }
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "umask 077; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_cratedigger")]).args(args);
    command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
    command.env("STATE_DIRECTORY", home.join("state")).env("CREDENTIALS_DIRECTORY", credentials);
    command
}

#[test]
fn service_finds_state_and_credentials() {
    let job = "schedule = \"0 6 * * *\"\n[[fetch]]\nstream = \"search\"\nquery = \"a\"\ntypes = [\"track\"]\n";
    let world = World::development().job(job);
    let root = world.project.root().to_str().unwrap();
    let unit = Unit::of(SERVICES[0]);
    let args: Vec<&str> = unit.command()[1..].iter().map(|a| if *a == "/srv/spotify" { root } else { *a }).collect();
    let first = as_a_service(&world, &args).output().unwrap();
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    assert!(stderr(&first).contains("x: complete"), "{}", stderr(&first));
    assert!(world.project.root().join("state/state.db").exists());
    // Members of the group can read the files of the service, whatever its umask.
    assert_eq!(world.database().metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(world.csv_path("search.csv").metadata().unwrap().permissions().mode() & 0o777, 0o640);
    let sign_in = as_a_service(&world, &["--project", root, "auth", "list"]).output().unwrap();
    assert_eq!(sign_in.status.code(), Some(0), "{}", stderr(&sign_in));
    let second = as_a_service(&world, &args).output().unwrap();
    assert_eq!((second.status.code(), stdout(&second), stderr(&second)), (Some(0), String::new(), String::new()));
}

#[test]
fn wrong_user_of_state_folder_is_told_the_user() {
    let project = Project::new();
    let Some(owner) = folder_of_another_user(&project.root().join("state")) else { return };
    let output = project.run(&["--state-dir", "state", "auth", "list"]);
    assert_eq!(output.status.code(), Some(74));
    assert!(stderr(&output).contains(&format!("sudo -u '#{owner}'")), "{}", stderr(&output));
}

/// Makes a folder that belongs to another user, where tests may do so.
fn folder_of_another_user(path: &Path) -> Option<u32> {
    std::fs::create_dir(path).unwrap();
    std::os::unix::fs::chown(path, Some(65_534), None).ok().map(|()| 65_534)
}

#[test]
fn installer_needs_root() {
    let (_project, units) = written();
    let script = units.join("install.sh");
    assert!(Command::new("sh").arg("-n").arg(&script).status().unwrap().success());
    let text = std::fs::read_to_string(script).unwrap();
    assert!(text.contains("[ \"$(id -u)\" = 0 ] || fail"));
    for unit in SERVICES.map(Unit::of) {
        for credential in unit.all("LoadCredential") {
            let (name, file) = credential.split_once(':').unwrap();
            assert_eq!(file, format!("/etc/cratedigger/{name}"));
            assert!(text.contains(&format!(" {name} ")) || text.contains(&format!("keep {name}")), "{name}");
        }
        assert!(text.contains(&format!("\nuser={}\n", unit.one("User"))));
        assert!(text.contains(&format!(" /var/lib/{}\n", unit.one("StateDirectory"))));
    }
}

#[test]
fn installer_refuses_a_folder_of_others() {
    let (_project, units) = written();
    std::fs::set_permissions(&units, std::fs::Permissions::from_mode(0o777)).unwrap();
    // The folder is refused before anything is created, and before the question whether this is root.
    let owner = units.metadata().unwrap().uid().to_string();
    let output = Command::new("sh").arg(units.join("install.sh")).env("SUDO_UID", owner).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let folder = units.canonicalize().unwrap();
    let refused =
        format!("install: the folder {0} can be changed by other users: chmod go-w '{0}'\n", folder.display());
    assert_eq!(stderr(&output), refused);
    let text = std::fs::read_to_string(units.join("install.sh")).unwrap();
    // As root, nothing follows a link, and the secret is not shown while it is typed.
    assert_eq!(text.matches("chown -hR").count(), text.matches("chown ").count() - 1, "all go through `give`");
    assert!(text.contains("stty -echo"));
    assert!(text.matches("plain \"$").count() >= 2 && text.contains("mv -T "));
    // Nothing that the service's user could replace is read as root.
    assert!(!text.contains("< /var/lib/cratedigger") && text.contains("runuser -u \"$user\" -- cat \"$key\""));
}

/// A function of the installer, as it is in its text.
fn installer_function(name: &str) -> String {
    let (_project, units) = written();
    let text = std::fs::read_to_string(units.join("install.sh")).unwrap();
    let from = text.find(&format!("\n{name}() {{")).unwrap();
    text[from..from + text[from..].find("\n}\n").unwrap() + 3].to_owned()
}

/// Output and errors of a script with functions of the installer.
fn installer_says(script: &str, path: &Path) -> String {
    let script = format!("fail() {{ echo \"$*\"; exit 1; }}\nowner=$(id -u)\nsecrets=/etc/cratedigger\n{script}");
    let output = Command::new("sh").args(["-c", &script, "sh"]).arg(path).env("LC_ALL", "C").output().unwrap();
    format!("{}{}", stdout(&output), stderr(&output))
}

#[test]
fn installer_reads_only_the_own_env_file() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (project, other) = (folder.path().join("project"), folder.path().join("other"));
    std::fs::create_dir(&project).unwrap();
    std::fs::set_permissions(&project, std::fs::Permissions::from_mode(0o755)).unwrap();
    let env = project.join(".env");
    let functions = installer_function("trusted") + &installer_function("read_env");
    let said = |functions: &str| installer_says(&format!("{functions}\nproject=$1\nread_env"), &project);
    let set_mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    // The check of the name came before another file got this name.
    let after_a_swap = functions.replace(r#"[ -f "$1" ] && [ ! -L "$1" ]"#, "true");
    assert_ne!(after_a_swap, functions);

    std::fs::write(&env, "SPOTIFY_CLIENT_ID=mine\n").unwrap();
    set_mode(&env, 0o600);
    assert_eq!(said(&functions), "SPOTIFY_CLIENT_ID=mine\n");
    for mode in [0o660, 0o602, 0o666] {
        set_mode(&env, mode);
        assert!(said(&functions).contains("other users can change it"), "{mode:o} {}", said(&functions));
    }
    set_mode(&env, 0o600);
    std::fs::hard_link(&env, &other).unwrap();
    assert!(said(&functions).contains("not a regular file of"), "{}", said(&functions));
    std::fs::remove_file(&env).unwrap();
    std::os::unix::fs::symlink(&other, &env).unwrap();
    assert!(said(&functions).contains("it is not a regular file"), "{}", said(&functions));
    std::fs::remove_file(&env).unwrap();
    assert!(Command::new("mkfifo").arg(&env).status().unwrap().success());
    assert!(said(&functions).contains("it is not a regular file"), "{}", said(&functions));

    // Where tests may do so: a person who runs `sudo` gets no file of root.
    let is_root = rustix::process::geteuid().is_root() && Path::new("/usr/sbin/runuser").exists();
    if !is_root || std::os::unix::fs::chown(&project, Some(65_534), None).is_err() {
        return;
    }
    set_mode(folder.path(), 0o755);
    let by_nobody = |functions: &str| functions.replace("\nread_env()", "\nowner=65534\nread_env()");
    std::fs::remove_file(&env).unwrap();
    std::fs::write(&env, "SPOTIFY_CLIENT_ID=mine\n").unwrap();
    std::os::unix::fs::chown(&env, Some(65_534), None).unwrap();
    if said(&by_nobody(&functions)) != "SPOTIFY_CLIENT_ID=mine\n" {
        return eprintln!("the folders above are closed to other users");
    }
    std::fs::remove_file(&env).unwrap();
    std::fs::write(&other, "SPOTIFY_CLIENT_ID=secret of root\n").unwrap();
    for closed in [true, false] {
        set_mode(&other, if closed { 0o600 } else { 0o644 });
        std::os::unix::fs::symlink(&other, &env).unwrap();
        let refused = said(&by_nobody(&after_a_swap));
        assert!(refused.contains("is not read") && !refused.contains("secret of root"), "{refused}");
        std::fs::remove_file(&env).unwrap();
        std::fs::hard_link(&other, &env).unwrap();
        let refused = said(&by_nobody(&functions));
        assert!(refused.contains("is not read") && !refused.contains("secret of root"), "{refused}");
        std::fs::remove_file(&env).unwrap();
    }
}

#[test]
fn installer_gives_away_no_linked_files() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (state, other) = (folder.path().join("state"), folder.path().join("other"));
    std::fs::create_dir_all(state.join("deep")).unwrap();
    std::fs::write(&other, "").unwrap();
    let give = installer_function("give");
    let said = |functions: &str| installer_says(&format!("{functions}\ngive \"$(id -u):$(id -g)\" \"$1\""), &state);
    assert_eq!(said(&give), "");
    std::fs::hard_link(&other, state.join("deep/file")).unwrap();
    assert!(said(&give).contains("deep/file has a second name elsewhere"), "{}", said(&give));
    let unprotected = give.replace("cat /proc/sys/fs/protected_hardlinks", "echo 0");
    assert!(said(&unprotected).contains("fs.protected_hardlinks is off"), "{}", said(&unprotected));
}

#[test]
fn installer_checks_the_folders_above_its_own() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let above = folder.path().canonicalize().unwrap().join("above");
    std::fs::create_dir_all(above.join("deep")).unwrap();
    // The real functions, for which this folder is the root: who may change those above it is not up to the test.
    let root = folder.path().canonicalize().unwrap();
    let plain = installer_function("plain").replace("!= /", &format!("!= {}", root.display()));
    let script = format!("{}{plain}\nplain \"$1\"", installer_function("trusted"));
    let said = |path: &str| installer_says(&script, &above.join(path));
    let set_mode = |mode| std::fs::set_permissions(&above, std::fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o755);
    assert_eq!(said("deep/new/output"), "");
    set_mode(0o777);
    for path in ["output", "deep/output", "deep/new/output"] {
        assert!(said(path).contains(&format!("{} can be changed by other users", above.display())), "{}", said(path));
    }
    set_mode(0o755);
    std::os::unix::fs::symlink("deep", above.join("link")).unwrap();
    assert!(said("link").contains("is a symbolic link"));
}

/// The output of `systemd-analyze`, if it is installed. `make check-units` requires it.
fn analyze(args: &[&str], files: &[PathBuf]) -> Option<String> {
    let output = Command::new("systemd-analyze").args(args).args(files).output().ok()?;
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert!(output.status.success(), "systemd-analyze {args:?}: {said}");
    Some(said)
}

#[test]
fn systemd_accepts_the_units() {
    let (_project, units) = written();
    let files: Vec<PathBuf> = names(&units).iter().filter(|n| !n.ends_with(".sh")).map(|n| units.join(n)).collect();
    if let Some(said) = analyze(&["verify", "--man=no"], &files) {
        assert!(!said.contains("cratedigger"), "{said}");
    }
}

#[test]
fn systemd_rates_the_units_as_secure() {
    let (_project, units) = written();
    for name in SERVICES {
        let Some(said) = analyze(&["security", "--offline=true", "--no-pager"], &[units.join(name)]) else { return };
        let rating = said.rsplit_once("Overall exposure level for ").unwrap().1;
        let rating: f64 = rating.split_once(": ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
        assert!(rating <= EXPOSURE, "{name}: {rating}\n{said}");
    }
}
