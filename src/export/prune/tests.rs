use super::*;
use crate::store::FileAccess;
use std::io::Write as _;
use std::path::Path;

fn root(top: &Path) -> OutputFolder {
    OutputFolder::root(top, FileAccess::from_mode(0o644)).unwrap()
}

/// Writes a file as an export does; returns its record.
fn written(top: &Path, path: &str, text: &str) -> OutdatedFile {
    let mut folder = root(top).enter("j").unwrap();
    let mut parts: Vec<&str> = path.split('/').collect();
    let name = parts.pop().unwrap();
    for part in parts {
        folder = folder.enter(part).unwrap();
    }
    let mut draft = folder.draft(name).unwrap();
    draft.write_all(text.as_bytes()).unwrap();
    let sha256 = draft.written().sha256;
    draft.publish().unwrap();
    OutdatedFile { path: format!("j/{path}"), source: "items".into(), sha256, is_newest: false }
}

fn deleted(top: &Path, files: &[OutdatedFile]) -> (u64, Vec<String>) {
    let pruned = delete(&root(top).enter("j").unwrap(), "j", files);
    (pruned.deleted, pruned.forgotten)
}

#[test]
fn empty_folder_is_deleted_with_its_last_file() {
    let top = tempfile::tempdir().unwrap();
    let old = [written(top.path(), "2026-01-01/a.csv", "1"), written(top.path(), "2026-01-02/a.csv", "2")];
    std::fs::write(top.path().join("j/2026-01-02/notes.txt"), "mine").unwrap();
    let (count, forgotten) = deleted(top.path(), &old);
    assert_eq!((count, forgotten.len()), (2, 2));
    assert!(!top.path().join("j/2026-01-01").exists());
    assert_eq!(std::fs::read_dir(top.path().join("j/2026-01-02")).unwrap().count(), 1);
    // A file that is missing already is removed from the records, and not counted.
    assert_eq!(deleted(top.path(), &old), (0, forgotten));
}

#[test]
fn foreign_files_and_links_stay() {
    let top = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let old = ["changed.csv", "link.csv", "folder.csv", "away/a.csv"].map(|path| written(top.path(), path, "1"));
    let j = top.path().join("j");
    std::fs::write(j.join("changed.csv"), "2").unwrap();
    std::fs::write(elsewhere.path().join("a.csv"), "1").unwrap();
    std::fs::remove_file(j.join("link.csv")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("a.csv"), j.join("link.csv")).unwrap();
    std::fs::remove_file(j.join("folder.csv")).unwrap();
    std::fs::create_dir(j.join("folder.csv")).unwrap();
    std::fs::remove_dir_all(j.join("away")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), j.join("away")).unwrap();
    let (count, forgotten) = deleted(top.path(), &old);
    assert_eq!((count, forgotten.len()), (0, 4), "none is ours any more");
    assert_eq!(std::fs::read_to_string(j.join("changed.csv")).unwrap(), "2");
    assert_eq!(std::fs::read_to_string(elsewhere.path().join("a.csv")).unwrap(), "1");
    for left in ["link.csv", "folder.csv", "away"] {
        assert!(j.join(left).symlink_metadata().is_ok(), "{left}");
    }
}

#[test]
fn newest_file_stays_until_another_exists() {
    let file = |path: &str, newest| OutdatedFile {
        path: path.into(),
        source: "items".into(),
        sha256: String::new(),
        is_newest: newest,
    };
    let old = [file("j/1.csv", false), file("j/2.csv", true)];
    let going = |path: &str, standing: &[&str]| {
        let sheet = OutputFile {
            path: path.into(),
            name: "items".into(),
            title: String::new(),
            source: crate::export::RowSource::Kept,
            inputs: String::new(),
            version: None,
            force: false,
        };
        let to_go = files_to_delete(&old, "j", &[sheet], standing);
        to_go.into_iter().map(|file| file.path).collect::<Vec<_>>()
    };
    assert_eq!(going("3.csv", &["other"]), ["j/1.csv"], "the fetch has not finished");
    assert_eq!(going("3.csv", &["other", "items"]), ["j/1.csv", "j/2.csv"]);
    assert_eq!(going("2.csv", &["items"]), ["j/1.csv"]);
}
