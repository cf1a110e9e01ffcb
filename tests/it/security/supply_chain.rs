//! What the program is made of: crates of one registry, checked licenses and advisories, and a bill of materials.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Name and version of each crate in the lock file, with its checksum. Our own have none.
fn locked() -> BTreeMap<(String, String), Option<String>> {
    let lock: toml::Table = read("Cargo.lock").parse().unwrap();
    let packages = lock["package"].as_array().unwrap().iter();
    let text = |package: &toml::Value, key: &str| package.get(key).map(|value| value.as_str().unwrap().to_owned());
    packages
        .map(|package| {
            let (name, version) = (text(package, "name").unwrap(), text(package, "version").unwrap());
            let (source, checksum) = (text(package, "source"), text(package, "checksum"));
            assert_eq!(source.is_some(), checksum.is_some(), "{name}");
            assert!(source.is_none_or(|source| source == CRATES_IO), "{name} is from another registry");
            ((name, version), checksum)
        })
        .collect()
}

#[test]
fn crates_are_from_one_registry() {
    let mut own: Vec<String> =
        locked().into_iter().filter_map(|((name, _), sum)| sum.is_none().then_some(name)).collect();
    own.sort();
    assert_eq!(own, ["cratedigger", "spotify-client", "spotify-sandbox"]);
}

#[test]
fn rules_for_crates_are_strict_and_checked() {
    let deny: toml::Table = read("deny.toml").parse().unwrap();
    for (section, key) in [("sources", "unknown-registry"), ("sources", "unknown-git"), ("advisories", "yanked")] {
        assert_eq!(deny[section][key].as_str(), Some("deny"), "{section}.{key}");
    }
    let exceptions = deny["advisories"]["ignore"].as_array().unwrap();
    assert!(exceptions.iter().all(|one| one.get("reason").is_some()), "an exception needs a reason");
    assert!(!deny["licenses"]["allow"].as_array().unwrap().iter().any(|one| one.as_str().unwrap().contains("GPL")));
    assert!(read(".github/workflows/ci.yml").contains("cargo-deny-action"));
    let nightly = read(".github/workflows/nightly.yml");
    for target in ["make audit-offline", "make sbom", "make fuzz"] {
        assert!(nightly.contains(&format!("- run: {target}")), "{target}");
    }
}

#[test]
fn bill_of_materials_lists_the_crates() {
    let script = || {
        let output =
            Command::new("python3").arg("contrib/sbom/cyclonedx.py").current_dir(env!("CARGO_MANIFEST_DIR")).output();
        output
            .ok()
            .filter(|output| output.status.success() || !String::from_utf8_lossy(&output.stderr).contains("tomllib"))
    };
    // Python 3.11 is no requirement of the tests.
    let Some(output) = script() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(script().unwrap().stdout, output.stdout, "the same lock file gives the same bytes");
    let bill: Value = serde_json::from_slice(&output.stdout).unwrap();
    let locked = locked();
    let mut names = Vec::new();
    for component in bill["components"].as_array().unwrap() {
        let text = |key: &str| component[key].as_str().unwrap().to_owned();
        let checksum = &locked[&(text("name"), text("version"))];
        assert_eq!(component["hashes"][0]["content"].as_str(), checksum.as_deref(), "{component}");
        assert!(component["licenses"][0]["expression"].is_string(), "{component}");
        names.push(text("name"));
    }
    for (name, is_part) in
        [("rusqlite", true), ("tokio", true), ("spotify-client", true), ("insta", false), ("proptest", false)]
    {
        assert_eq!(names.iter().any(|one| one == name), is_part, "{name}");
    }
}
