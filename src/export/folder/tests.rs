use super::*;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;

const OPEN: FileAccess = FileAccess::from_mode(0o644);

fn write(folder: &OutputFolder, name: &str, bytes: &[u8]) -> Result<bool, ExportError> {
    let mut draft = folder.draft(name)?;
    draft.write_all(bytes).map_err(|e| draft.failed(e))?;
    draft.publish()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_and_folders_have_their_modes() {
    let top = tempfile::tempdir().unwrap();
    for (mode_of_file, mode_of_folder) in [(0o644, 0o755), (0o640, 0o750), (0o600, 0o700), (0o664, 0o775)] {
        let csv = top.path().join(format!("{mode_of_file:o}"));
        let folder = OutputFolder::root(&csv, FileAccess::from_mode(mode_of_file)).unwrap().enter("job").unwrap();
        assert!(write(&folder, "a.csv", b"a").unwrap());
        assert_eq!(mode(&csv), mode_of_folder);
        assert_eq!(mode(&csv.join("job")), mode_of_folder);
        assert_eq!(mode(&csv.join("job/a.csv")), mode_of_file);
    }
}

#[test]
fn unchanged_file_is_not_written() {
    let top = tempfile::tempdir().unwrap();
    let folder = OutputFolder::root(top.path(), OPEN).unwrap();
    assert!(write(&folder, "a.csv", b"one").unwrap());
    let inode = std::fs::metadata(top.path().join("a.csv")).unwrap().ino();
    assert!(!write(&folder, "a.csv", b"one").unwrap());
    assert_eq!(std::fs::metadata(top.path().join("a.csv")).unwrap().ino(), inode);
    assert!(write(&folder, "a.csv", b"two").unwrap());
    assert_eq!(std::fs::read(top.path().join("a.csv")).unwrap(), b"two");
    assert_eq!(std::fs::read_dir(top.path()).unwrap().count(), 1, "a temporary file was left");
}

#[test]
fn no_link_is_followed() {
    let (top, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("a.csv"), "theirs").unwrap();
    let folder = OutputFolder::root(top.path(), OPEN).unwrap();
    symlink(outside.path(), top.path().join("job")).unwrap();
    assert!(matches!(folder.enter("job"), Err(ExportError::Link { .. })));
    symlink(outside.path().join("a.csv"), top.path().join("a.csv")).unwrap();
    assert!(matches!(write(&folder, "a.csv", b"ours"), Err(ExportError::Link { .. })));
    assert!(matches!(folder.read("a.csv"), Err(ExportError::Link { .. })));
    assert_eq!(std::fs::read(outside.path().join("a.csv")).unwrap(), b"theirs");
    let linked = top.path().join("linked");
    symlink(outside.path(), &linked).unwrap();
    assert!(OutputFolder::root(&linked, OPEN).is_ok(), "where the CSV folder itself is, is the operator's choice");
}

#[test]
fn only_stray_temporary_files_are_swept() {
    let top = tempfile::tempdir().unwrap();
    let folder = OutputFolder::root(top.path(), OPEN).unwrap();
    let stray = top.path().join(".cratedigger-1-0.tmp");
    std::fs::write(&stray, "half").unwrap();
    std::fs::write(top.path().join("mine.tmp"), "mine").unwrap();
    let mut living = folder.draft("a.csv").unwrap();
    living.write_all(b"whole").unwrap();
    folder.sweep().unwrap();
    assert!(!stray.exists());
    assert!(top.path().join("mine.tmp").exists());
    assert!(living.publish().unwrap());
}

#[test]
fn folder_in_place_of_a_file_is_named() {
    let top = tempfile::tempdir().unwrap();
    std::fs::create_dir(top.path().join("a.csv")).unwrap();
    let folder = OutputFolder::root(top.path(), OPEN).unwrap();
    let error = write(&folder, "a.csv", b"x").unwrap_err();
    assert!(error.is_storage());
    assert!(error.to_string().contains("a.csv"), "{error}");
}
