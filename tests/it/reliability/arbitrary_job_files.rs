//! Random lines in place of a job file.

use cratedigger::settings::{Project, SettingFlags, Settings};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::random_cases;

#[test]
fn any_job_file_is_read_or_refused_in_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("jobs")).unwrap();
    let project = Project::at(folder.path());
    let settings = Settings::load_with(&project, &SettingFlags::default(), std::iter::empty()).unwrap();
    let line = prop_oneof![
        Just("[[fetch]]".to_owned()),
        Just("[[query]]".to_owned()),
        Just("[csv_options]".to_owned()),
        (
            prop_oneof![
                prop::sample::select(vec![
                    "stream",
                    "ids",
                    "csv",
                    "sql",
                    "schedule",
                    "timezone",
                    "market",
                    "since",
                    "columns",
                    "where",
                    "from",
                    "name",
                    "window",
                    "users",
                    "max_calls",
                    "include_groups",
                    "types",
                    "query",
                    "profile",
                    "priority",
                    "ids_file",
                ])
                .prop_map(str::to_owned),
                "[a-z_]{1,8}"
            ],
            prop_oneof![
                prop::sample::select(vec![
                    "\"playlist_items\"",
                    "\"tracks\"",
                    "\"*/5 * * * *\"",
                    "\"Europe/Berlin\"",
                    "\"DE\"",
                    "\"7d\"",
                    "[\"x\"]",
                    "\"last_run\"",
                    "\"a.csv\"",
                    "\"../x\"",
                    "\"SELECT 1\"",
                    "[\"4aawyAB9vmqN3uQ7FjRGTy\"]",
                    "{ a = 1 }",
                    "1e400",
                ])
                .prop_map(str::to_owned),
                any::<String>().prop_map(|text| toml::Value::String(text).to_string()),
                any::<i64>().prop_map(|n| n.to_string()),
                Just("2026-11-23".to_owned()),
                Just("[".to_owned()),
            ]
        )
            .prop_map(|(key, value)| format!("{key} = {value}")),
        "\\PC{0,30}",
    ];
    let mut runner =
        TestRunner::new(Config { cases: random_cases(400), failure_persistence: None, ..Config::default() });
    let done = runner.run(&prop::collection::vec(line, 0..12), |lines| {
        std::fs::write(folder.path().join("jobs/x.toml"), lines.join("\n")).unwrap();
        let loaded = cratedigger::job::load(&project, &settings, &[]);
        prop_assert_eq!(loaded.jobs.len() + loaded.broken.len(), 1, "each file is a job or broken");
        prop_assert_eq!(loaded.broken.is_empty(), !loaded.has_errors(), "a broken file is reported");
        Ok(())
    });
    done.unwrap();
}
