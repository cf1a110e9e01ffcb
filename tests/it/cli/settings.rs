//! Messages about wrong settings, in the file and in the environment.

use crate::support::project::{Project, stderr};
use crate::support::snapshot::Cases;
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
fn wrong_settings_are_reported_in_place() {
    let mut cases = Cases::new();
    for (name, file) in [
        ("did you mean limits", "[limit]\n"),
        ("belongs under limits", "max_wait = \"10m\"\n"),
        ("limits is a section", "limits = 3\n"),
        ("did you mean max wait", "[limits]\nmax_wiat = \"10m\"\n"),
        ("write 50 without quotes", "[limits]\nconcurrency = \"50\"\n"),
        ("found a number with a", "[limits]\nconcurrency = 5.0\n"),
        ("found true", "[limits]\nconcurrency = true\n"),
        ("out of range", "[limits]\nconcurrency = -1\n"),
        ("expected true or false", "[limits]\nadaptive = 1\n"),
        ("expected a share", "[limits]\nreserve = 5\n"),
        ("out of range 2", "[limits]\nrequests_per_second = 0\n"),
        ("neither a number nor unlimited", "[limits]\ncalls_per_day = \"many\"\n"),
        ("expected a length of time", "[limits]\nmax_wait = 10\n"),
        ("duplicate key", "[limits]\na = 1\na = 1\n"),
        ("expected auto development or extended", "[spotify]\napp_mode = \"dev\"\n"),
        ("in the clear", "[spotify]\napi_url = \"http://api.example\"\n"),
        ("name or password", "[spotify]\napi_url = \"https://a:b@api.example\"\n"),
        ("spotify refuses localhost", "[spotify]\nredirect_uri = \"http://localhost:8080/x\"\n"),
        ("credentials never stand in a", "[spotify]\nclient_secret = \"x\"\n"),
        ("octal", "[output]\nmode = 0644\n"),
        ("is no file mode", "[output]\nmode = \"0444\"\n"),
        ("not a file uri", "[output]\ndatabase = \"file:x.db?mode=memory\"\n"),
        ("is not known here", "[defaults]\ntimezone = \"CEST\"\n"),
        ("cannot separate cells", "[csv]\ndelimiter = \"x\"\n"),
    ] {
        cases.add(name, &said_of(file));
    }
    cases.assert_text("wrong_settings");
}

#[test]
fn each_misspelt_setting_gets_the_right_name() {
    // Only the first 20 problems of a file are listed.
    for (section, keys) in SECTIONS.iter().flat_map(|it| it.keys.chunks(15).map(move |keys| (it, keys))) {
        let mut file = format!("[{}]\n", section.name);
        for key in keys {
            file.push_str(&format!("{}q = 1\n", key.name));
        }
        let said = said_of(&file);
        for (line, key) in (2..).zip(keys) {
            let place = format!("cratedigger.toml:{line}:1\n");
            let report = said.split("\n\n").find(|r| r.contains(&place)).expect(key.name);
            assert!(report.contains(&format!("`{}`", key.name)), "{report}");
        }
    }
}

#[test]
fn wrong_variables_are_refused() {
    let mut cases = Cases::new();
    for (name, value) in [
        ("CRATEDIGGER__LIMITS__MAX_WIAT", "1m"),
        ("CRATEDIGGER__NONSENSE", "1"),
        ("CRATEDIGGER__LIMITS__MAX_WAIT", "soon"),
        ("CRATEDIGGER__LIMITS__CONCURRENCY", "two"),
        ("CRATEDIGGER__LIMITS__ADAPTIVE", "1"),
        ("CRATEDIGGER__OUTPUT__DATABASE", "file:x"),
    ] {
        let output = Project::with_job(JOB).command(&["check"]).env(name, value).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(stderr(&output).contains(name), "{name}: {}", stderr(&output));
        cases.add(&format!("{name}={value}"), &stderr(&output));
    }
    cases.assert_text("wrong_variables");
}

#[test]
fn later_layers_override_earlier_ones() {
    use cratedigger::settings::{Project as Folder, SettingFlags, Settings};
    let project = Project::new();
    project.write("config/cratedigger.toml", "[limits]\nmax_wait = \"1m\"\nconcurrency = 2\n[state]\ndir = \"st\"\n");
    let env = [
        ("CRATEDIGGER__LIMITS__MAX_WAIT", "2m"),
        ("CRATEDIGGER__NOTIFY__ON", "failure, recovery"),
        ("CRATEDIGGER__LIMITS__CALLS_PER_DAY", "unlimited"),
    ];
    let vars = || env.iter().map(|(n, v)| ((*n).to_owned(), Some((*v).to_owned())));
    let folder = Folder::at(project.root());
    let settings = Settings::load_with(&folder, &SettingFlags::default(), vars()).expect("settings");
    assert_eq!(settings.limits.max_wait.as_secs(), 120);
    assert_eq!(settings.origin("limits.max_wait").to_string(), "$CRATEDIGGER__LIMITS__MAX_WAIT");
    assert_eq!(settings.origin("limits.concurrency").to_string(), "config/cratedigger.toml:3");
    assert_eq!(settings.origin("limits.reserve").to_string(), "default");
    assert_eq!(settings.notify.on, ["failure", "recovery"]);
    let limits = settings.limits_for(None);
    assert_eq!((limits.concurrency, limits.calls_per_day, limits.calls_per_family), (2, None, Some(500)));
    assert_eq!(settings.state.dir.as_deref(), Some(std::path::Path::new("st")));
    assert_eq!(settings.origin("state.dir").to_string(), "config/cratedigger.toml:5");
    let flags = SettingFlags { state_dir: Some("elsewhere".into()), shard: None };
    let settings = Settings::load_with(&folder, &flags, vars()).expect("settings");
    assert_eq!(settings.state.dir.as_deref(), Some(std::path::Path::new("elsewhere")));
    assert_eq!(settings.origin("state.dir").to_string(), "--state-dir");
}

#[test]
fn commented_file_lists_every_setting() {
    use cratedigger::settings::{Project as Folder, SettingFlags, Settings, commented_file};
    let project = Project::new();
    let file = commented_file(&[]);
    project.write("config/cratedigger.toml", &file);
    let settings = Settings::load_with(&Folder::at(project.root()), &SettingFlags::default(), std::iter::empty())
        .expect("settings");
    assert!(settings.origins.is_empty());
    // Uncommented, every default in it is a valid setting.
    let set: String = file
        .lines()
        .map(|l| {
            l.strip_prefix("# ").filter(|l| l.split_once(" = ").is_some_and(|(k, _)| !k.contains(' '))).unwrap_or(l)
        })
        .map(|l| format!("{l}\n"))
        .collect();
    project.write("config/cratedigger.toml", set);
    let settings = Settings::load_with(&Folder::at(project.root()), &SettingFlags::default(), std::iter::empty())
        .expect("settings");
    assert!(settings.origins.len() > 30, "{:?}", settings.origins);
    for section in SECTIONS {
        for key in section.keys {
            assert!(file.contains(&format!("\n# {} =", key.name)), "{}.{}", section.name, key.name);
        }
    }
}
