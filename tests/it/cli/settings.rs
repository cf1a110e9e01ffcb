//! What is said of settings that are wrong, in the file and in the environment.

use crate::support::project::{Project, stderr};
use cratedigger::settings::keys::SECTIONS;

const JOB: &str = "[[fetch]]\nstream = \"markets\"\n";

fn said_of(file: &str) -> String {
    let project = Project::with_job(JOB);
    project.write("config/cratedigger.toml", file);
    let (exit, said) = project.check();
    assert_eq!(exit, 2, "{file}: {said}");
    said
}

#[test]
fn each_error_of_the_file_is_said_in_its_place() {
    for (file, place, words) in [
        ("[limit]\n", "cratedigger.toml:1:2", "did you mean `limits`?"),
        ("max_wait = \"10m\"\n", "cratedigger.toml:1:1", "belongs under [limits]"),
        ("limits = 3\n", "cratedigger.toml:1:10", "`limits` is a section"),
        ("[limits]\nmax_wiat = \"10m\"\n", "cratedigger.toml:2:1", "did you mean `max_wait`?"),
        ("[limits]\nconcurrency = \"50\"\n", "cratedigger.toml:2:15", "write 50 without quotes"),
        ("[limits]\nconcurrency = 5.0\n", "cratedigger.toml:2:15", "found a number with a point"),
        ("[limits]\nconcurrency = true\n", "cratedigger.toml:2:15", "found `true`"),
        ("[limits]\nconcurrency = -1\n", "cratedigger.toml:2:15", "out of range"),
        ("[limits]\nadaptive = 1\n", "cratedigger.toml:2:12", "expected `true` or `false`"),
        ("[limits]\nreserve = 5\n", "cratedigger.toml:2:11", "expected a share"),
        ("[limits]\nrequests_per_second = 0\n", "cratedigger.toml:2:23", "out of range"),
        ("[limits]\ncalls_per_day = \"many\"\n", "cratedigger.toml:2:17", "neither a number nor `unlimited`"),
        ("[limits]\nmax_wait = 10\n", "cratedigger.toml:2:12", "expected a length of time"),
        ("[limits]\na = 1\na = 1\n", "cratedigger.toml:3:1", "duplicate key"),
        ("[spotify]\napp_mode = \"dev\"\n", "cratedigger.toml:2:12", "expected `auto`, `development` or `extended`"),
        ("[spotify]\napi_url = \"http://api.example\"\n", "cratedigger.toml:2:11", "in the clear"),
        ("[spotify]\napi_url = \"https://a:b@api.example\"\n", "cratedigger.toml:2:11", "name or password"),
        (
            "[spotify]\nredirect_uri = \"http://localhost:8080/x\"\n",
            "cratedigger.toml:2:16",
            "Spotify refuses `localhost`",
        ),
        ("[spotify]\nclient_secret = \"x\"\n", "cratedigger.toml:2:1", "credentials never stand in a file"),
        ("[output]\nmode = 0644\n", "cratedigger.toml:2:8", ""),
        ("[output]\nmode = \"0444\"\n", "cratedigger.toml:2:8", "is no file mode"),
        ("[output]\ndatabase = \"file:x.db?mode=memory\"\n", "cratedigger.toml:2:12", "not a `file:` URI"),
        ("[defaults]\ntimezone = \"CEST\"\n", "cratedigger.toml:2:12", "is not known here"),
        ("[csv]\ndelimiter = \"x\"\n", "cratedigger.toml:2:13", "cannot separate cells"),
    ] {
        let said = said_of(file);
        let report = said.split("\n\n").find(|r| r.contains(words) && r.contains(place));
        assert!(report.is_some(), "{file}\nsays nothing of {words} at {place}: {said}");
    }
}

#[test]
fn each_misspelt_setting_is_reported_with_the_right_name() {
    let mut file = String::new();
    let mut expected = Vec::new();
    for section in SECTIONS {
        file.push_str(&format!("[{}]\n", section.name));
        for key in section.keys {
            file.push_str(&format!("{}q = 1\n", key.name));
            expected.push((file.lines().count(), key.name));
        }
    }
    let said = said_of(&file);
    for (line, name) in expected {
        let place = format!("cratedigger.toml:{line}:1\n");
        let report = said.split("\n\n").find(|r| r.contains(&place)).expect(name);
        assert!(report.contains(&format!("`{name}`")), "{report}");
    }
}

#[test]
fn unknown_and_untyped_variables_are_refused() {
    for (name, value, words) in [
        ("CRATEDIGGER__LIMITS__MAX_WIAT", "1m", "did you mean `CRATEDIGGER__LIMITS__MAX_WAIT`?"),
        ("CRATEDIGGER__NONSENSE", "1", "no setting has this environment variable"),
        ("CRATEDIGGER__LIMITS__MAX_WAIT", "soon", "is no length of time"),
        ("CRATEDIGGER__LIMITS__CONCURRENCY", "two", "expected a whole number from 1 to 64"),
        ("CRATEDIGGER__LIMITS__ADAPTIVE", "1", "expected `true` or `false`"),
        ("CRATEDIGGER__OUTPUT__DATABASE", "file:x", "not a `file:` URI"),
    ] {
        let output = Project::with_job(JOB).command(&["check"]).env(name, value).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{name}");
        let said = stderr(&output);
        assert!(said.contains(name) && said.contains(words), "{name}: {said}");
    }
}

#[test]
fn later_layers_go_over_earlier_ones_and_each_setting_knows_its_own() {
    use cratedigger::settings::{Flags, Project as Folder, Settings};
    let project = Project::new();
    project.write("config/cratedigger.toml", "[limits]\nmax_wait = \"1m\"\nconcurrency = 2\n[state]\ndir = \"st\"\n");
    let env = [
        ("CRATEDIGGER__LIMITS__MAX_WAIT", "2m"),
        ("CRATEDIGGER__NOTIFY__ON", "failure, recovery"),
        ("CRATEDIGGER__LIMITS__CALLS_PER_DAY", "unlimited"),
    ];
    let vars = || env.iter().map(|(n, v)| ((*n).to_owned(), Some((*v).to_owned())));
    let folder = Folder::at(project.root());
    let settings = Settings::load_with(&folder, &Flags::default(), vars()).expect("settings");
    assert_eq!(settings.limits.max_wait.as_secs(), 120);
    assert_eq!(settings.origin("limits.max_wait").to_string(), "$CRATEDIGGER__LIMITS__MAX_WAIT");
    assert_eq!(settings.origin("limits.concurrency").to_string(), "config/cratedigger.toml:3");
    assert_eq!(settings.origin("limits.reserve").to_string(), "default");
    assert_eq!(settings.notify.on, ["failure", "recovery"]);
    let limits = settings.limits_for(None);
    assert_eq!((limits.concurrency, limits.calls_per_day, limits.calls_per_family), (2, None, Some(500)));
    assert_eq!(settings.state.dir.as_deref(), Some(std::path::Path::new("st")));
    assert_eq!(settings.origin("state.dir").to_string(), "config/cratedigger.toml:5");
    let flags = Flags { state_dir: Some("elsewhere".into()) };
    let settings = Settings::load_with(&folder, &flags, vars()).expect("settings");
    assert_eq!(settings.state.dir.as_deref(), Some(std::path::Path::new("elsewhere")));
    assert_eq!(settings.origin("state.dir").to_string(), "--state-dir");
}

#[test]
fn the_commented_file_sets_nothing_and_says_everything() {
    use cratedigger::settings::{Flags, Project as Folder, Settings, commented_file};
    let project = Project::new();
    let file = commented_file(&[]);
    project.write("config/cratedigger.toml", &file);
    let settings =
        Settings::load_with(&Folder::at(project.root()), &Flags::default(), std::iter::empty()).expect("settings");
    assert!(settings.origins.is_empty());
    // Uncommented, every default in it is a setting that is right.
    let set: String = file
        .lines()
        .map(|l| {
            l.strip_prefix("# ").filter(|l| l.split_once(" = ").is_some_and(|(k, _)| !k.contains(' '))).unwrap_or(l)
        })
        .map(|l| format!("{l}\n"))
        .collect();
    project.write("config/cratedigger.toml", set);
    let settings =
        Settings::load_with(&Folder::at(project.root()), &Flags::default(), std::iter::empty()).expect("settings");
    assert!(settings.origins.len() > 30, "{:?}", settings.origins);
    for section in SECTIONS {
        for key in section.keys {
            assert!(file.contains(&format!("\n# {} =", key.name)), "{}.{}", section.name, key.name);
        }
    }
}
