//! `docs/reliability.md` names tests, and each of them exists.

use std::path::Path;

fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn documented_tests_exist_in_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/reliability.md")).unwrap();
    let mut code = String::new();
    for folder in ["src", "crates", "tests/it"] {
        sources(&root.join(folder), &mut code);
    }
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    assert!(rows.len() >= 25, "{}", rows.len());
    let mut named = Vec::new();
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for test in tests.split(", ") {
            let test = test.trim_matches('`');
            let is_there = ["fn ", "async fn "].iter().any(|head| code.contains(&format!("{head}{test}(")));
            assert!(is_there, "{test} is no test");
            named.push(test);
        }
    }
    let read = |file| std::fs::read_to_string(root.join("tests/it/reliability").join(file)).unwrap();
    let ours = ["disk_faults.rs", "faults_table.rs"].map(read).concat();
    let written: Vec<&str> =
        ours.lines().filter_map(|l| l.strip_prefix("fn ")?.split_once('(')).map(|(name, _)| name).collect();
    let table: Vec<&str> =
        written.into_iter().filter(|name| name.starts_with("fault_") || name.starts_with("extra_")).collect();
    let named: Vec<&str> =
        named.into_iter().filter(|name| name.starts_with("fault_") || name.starts_with("extra_")).collect();
    assert_eq!(named, table);
}
