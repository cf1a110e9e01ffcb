//! Opens files that people write: never waits for a FIFO or a device, and never reads more than a limit.
//!
//! Files that a job names, and the job files themselves, are opened beneath the jobs folder. Everything below it is
//! opened part by part, relative to its parent, so a link that is created between two steps is not followed either.
//! A link is followed only if its target is also beneath the folder: Kubernetes mounts the files of a ConfigMap as
//! such links. (openat2 would do it in one call, but only on newer Linux. cap-std would be a second library for files.)

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Links in one path; Linux has the same limit.
const MAX_LINKS: usize = 40;

/// Why a file is not read. Each message continues a sentence that starts with the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum InputFileError {
    /// The system refuses it.
    #[error("cannot be read ({0})")]
    Io(#[from] io::Error),
    /// Reading it could take forever or change something.
    #[error("is {0} and not a file")]
    NotAFile(&'static str),
    /// It is larger than any file that a person needs here.
    #[error("is larger than {0} bytes, which is the limit")]
    TooLarge(u64),
    /// A link in its path points to a place outside of the folder.
    #[error("leads out of its folder through a link")]
    LeadsOut,
    /// A part of its path is a link, where none is followed.
    #[error("is behind a link")]
    BehindLink,
}

impl InputFileError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, InputFileError::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// The same as an I/O error, for callers that report only those.
    pub fn into_io(self) -> io::Error {
        match self {
            InputFileError::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidInput, format!("it {other}")),
        }
    }
}

impl From<Errno> for InputFileError {
    fn from(error: Errno) -> InputFileError {
        InputFileError::Io(error.into())
    }
}

/// The kind of file at a path, if opening it may wait or have an effect: a pipe, a socket or a device.
pub fn special_at(path: &Path) -> Option<&'static str> {
    let kind = std::fs::metadata(path).ok()?.file_type();
    special_kind(kind).filter(|_| !kind.is_dir())
}

/// Opens a file of the operator for reading. Links are followed.
///
/// # Errors
/// If it cannot be opened or is not a regular file.
pub fn open_file(path: &Path) -> Result<File, InputFileError> {
    // Opening a device can already have an effect, so its type is checked before and after.
    if let Some(kind) = special_kind(std::fs::metadata(path)?.file_type()) {
        return Err(InputFileError::NotAFile(kind));
    }
    regular(rustix::fs::open(path, READ, Mode::empty())?)
}

/// Opens the file `name` beneath `folder` for reading. The folder itself may be a link.
///
/// # Errors
/// If it cannot be opened, is not a regular file, or is outside of the folder.
pub fn open_beneath(folder: &Path, name: &Path) -> Result<File, InputFileError> {
    let mut folders = vec![rustix::fs::open(folder, FOLDER, Mode::empty())?];
    let mut parts = Vec::new();
    push_parts(&mut parts, name)?;
    let mut links = 0;
    while let Some(part) = parts.pop() {
        if part == ".." {
            folders.pop();
        }
        let Some(here) = folders.last() else { return Err(InputFileError::LeadsOut) };
        if part == ".." {
            continue;
        }
        let stat = rustix::fs::statat(here, &part, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = rustix::fs::readlinkat(here, &part, Vec::new())?;
                push_parts(&mut parts, Path::new(&OsString::from_vec(target.into_bytes())))?;
            }
            _ if parts.is_empty() => return open_in(here, &part),
            _ => {
                let inside = rustix::fs::openat(here, &part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
                folders.push(inside);
            }
        }
    }
    Err(InputFileError::NotAFile("a folder"))
}

/// Opens the file at a path beneath `folder` for reading, without following a link.
///
/// # Errors
/// If it cannot be opened, is not a regular file, or is behind a link.
pub fn open_without_links(folder: &Path, path: &Path) -> Result<File, InputFileError> {
    let name = path.file_name().ok_or(InputFileError::NotAFile("a folder"))?;
    open_in(enter_without_links(folder, path.parent().unwrap_or(Path::new("")))?, name)
}

/// Lists a folder beneath `folder` without following a link: names and types.
///
/// # Errors
/// If it cannot be read, or is behind a link.
pub fn list_without_links(folder: &Path, path: &Path) -> Result<Vec<(OsString, FileType)>, InputFileError> {
    let entered = enter_without_links(folder, path)?;
    let here = rustix::fs::openat(&entered, ".", READ | OFlags::DIRECTORY, Mode::empty())?;
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(&here)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not list types.
            FileType::Unknown => match rustix::fs::statat(&here, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                stat => FileType::from_raw_mode(stat?.st_mode),
            },
            kind => kind,
        };
        entries.push((name.to_owned(), kind));
    }
    Ok(entries)
}

fn enter_without_links(folder: &Path, path: &Path) -> Result<OwnedFd, InputFileError> {
    let mut here = rustix::fs::open(folder, FOLDER, Mode::empty())?;
    for part in path.components() {
        let Component::Normal(part) = part else { return Err(InputFileError::LeadsOut) };
        here = match rustix::fs::openat(&here, part, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(inside) => inside,
            Err(Errno::LOOP | Errno::NOTDIR) if is_link(&here, part) => return Err(InputFileError::BehindLink),
            Err(error) => return Err(error.into()),
        };
    }
    Ok(here)
}

fn is_link(folder: &OwnedFd, name: &OsStr) -> bool {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// Opens the file `name` directly in an open folder for reading, without following a link.
///
/// # Errors
/// If it cannot be opened or is not a regular file.
pub fn open_in(folder: impl AsFd, name: &OsStr) -> Result<File, InputFileError> {
    let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Some("a folder"),
        FileType::Fifo => Some("a named pipe"),
        FileType::Socket => Some("a socket"),
        FileType::Symlink => Some("a link"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        _ => None,
    };
    if let Some(kind) = kind {
        return Err(InputFileError::NotAFile(kind));
    }
    regular(rustix::fs::openat(&folder, name, READ | OFlags::NOFOLLOW, Mode::empty())?)
}

/// Reads a whole file of at most `most_bytes` bytes. The limit holds whatever size the system reports.
///
/// # Errors
/// If it cannot be read or is larger.
pub fn read_limited(file: &File, most_bytes: u64) -> Result<Vec<u8>, InputFileError> {
    let mut bytes = Vec::new();
    file.take(most_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most_bytes { Err(InputFileError::TooLarge(most_bytes)) } else { Ok(bytes) }
}

/// Opens and reads a file of the operator, as [`open_file`] and [`read_limited`] do.
///
/// # Errors
/// As theirs.
pub fn read_file(path: &Path, most_bytes: u64) -> Result<Vec<u8>, InputFileError> {
    read_limited(&open_file(path)?, most_bytes)
}

/// Opens and reads a text file of the operator.
///
/// # Errors
/// As [`read_file`], and if it is not UTF-8.
pub fn read_text_file(path: &Path, most_bytes: u64) -> Result<String, InputFileError> {
    let bytes = read_file(path, most_bytes)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8").into())
}

/// `NONBLOCK` so that opening a FIFO does not wait for its other end.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
/// A folder on the way to a file. On Linux it need not be readable, only searchable.
#[cfg(target_os = "linux")]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Adds the parts of a relative path to those that are still to be opened. The last one is next.
fn push_parts(parts: &mut Vec<OsString>, path: &Path) -> Result<(), InputFileError> {
    let at = parts.len();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(_) | Component::ParentDir => parts.push(part.as_os_str().to_owned()),
            Component::RootDir | Component::Prefix(_) => return Err(InputFileError::LeadsOut),
        }
    }
    parts[at..].reverse();
    Ok(())
}

fn regular(fd: OwnedFd) -> Result<File, InputFileError> {
    let file = File::from(fd);
    match special_kind(file.metadata()?.file_type()) {
        Some(kind) => Err(InputFileError::NotAFile(kind)),
        None => Ok(file),
    }
}

/// What something is, if it is not a regular file.
fn special_kind(kind: std::fs::FileType) -> Option<&'static str> {
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a named pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_files_beneath_the_folder_are_opened() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        std::fs::create_dir_all(at("jobs/..data/deep")).unwrap();
        std::fs::write(at("secret"), "outside").unwrap();
        std::fs::write(at("jobs/a.csv"), "a").unwrap();
        std::fs::write(at("jobs/..data/b.csv"), "b").unwrap();
        let links = [
            ("jobs/inside.csv", "..data/b.csv"),
            ("jobs/back.csv", "..data/deep/../../a.csv"),
            ("jobs/out.csv", "../secret"),
            ("jobs/absolute.csv", "/etc/passwd"),
            ("jobs/folder", ".."),
            ("jobs/..data/deep/far.csv", "../../../secret"),
            ("jobs/loop.csv", "loop.csv"),
        ];
        for (link, target) in links {
            symlink(target, at(link)).unwrap();
        }
        symlink(at("jobs"), at("linked")).unwrap();
        let _socket = UnixListener::bind(at("jobs/socket")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("jobs/pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let read = |folder: &str, name: &str| {
            open_beneath(&at(folder), Path::new(name))
                .and_then(|file| read_limited(&file, 100))
                .map(|bytes| String::from_utf8(bytes).unwrap())
                .map_err(|error| error.to_string())
        };
        for (name, text) in
            [("a.csv", "a"), ("./a.csv", "a"), ("inside.csv", "b"), ("back.csv", "a"), ("..data/b.csv", "b")]
        {
            assert_eq!(read("jobs", name).as_deref(), Ok(text), "{name}");
            assert_eq!(read("linked", name).as_deref(), Ok(text), "{name}");
        }
        let outside = "leads out of its folder through a link";
        for (name, why) in [
            ("out.csv", outside),
            ("absolute.csv", outside),
            ("/etc/passwd", outside),
            ("../secret", outside),
            ("folder/secret", outside),
            ("..data/deep/far.csv", outside),
            ("a.csv/b", "cannot be read (Not a directory (os error 20))"),
            ("..data", "is a folder and not a file"),
            (".", "is a folder and not a file"),
            ("pipe", "is a named pipe and not a file"),
            ("socket", "is a socket and not a file"),
        ] {
            assert_eq!(read("jobs", name), Err(why.to_owned()), "{name}");
        }
        assert!(read("jobs", "loop.csv").unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn no_link_is_followed_where_none_may_be() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        std::fs::create_dir_all(at("csv/job/deep")).unwrap();
        std::fs::write(at("csv/job/deep/a.csv"), "a").unwrap();
        symlink("a.csv", at("csv/job/deep/link.csv")).unwrap();
        symlink("job", at("csv/linked")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("csv/job/pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let open = |path: &str| {
            let file = open_without_links(&at("csv"), Path::new(path));
            file.map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(open("job/deep/a.csv"), Ok(()));
        for (path, why) in [
            ("job/deep/link.csv", "is a link and not a file"),
            ("linked/deep/a.csv", "is behind a link"),
            ("job/../job/deep/a.csv", "leads out of its folder through a link"),
            ("job/pipe", "is a named pipe and not a file"),
            ("job/deep", "is a folder and not a file"),
            ("", "is a folder and not a file"),
        ] {
            assert_eq!(open(path), Err(why.to_owned()), "{path}");
        }
        let list = |path: &str| list_without_links(&at("csv"), Path::new(path)).map_err(|error| error.to_string());
        assert_eq!(list("job/deep").unwrap().len(), 2);
        assert_eq!(list("linked/deep"), Err("is behind a link".to_owned()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn folders_need_not_be_readable() {
        use std::os::unix::fs::PermissionsExt;

        let top = tempfile::tempdir().unwrap();
        let inside = top.path().join("a");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("b.csv"), "b").unwrap();
        for folder in [top.path(), &inside] {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o311)).unwrap();
        }
        let path = top.path().to_owned();
        let read = std::thread::spawn(move || {
            // Root may read every folder, so this thread becomes another user; one that is not root stays itself.
            let _ = rustix::thread::set_thread_res_uid(
                rustix::thread::Uid::from_raw(65_534),
                rustix::thread::Uid::from_raw(65_534),
                rustix::thread::Uid::from_raw(65_534),
            );
            assert!(std::fs::read_dir(&path).is_err());
            open_beneath(&path, Path::new("a/b.csv")).map(drop)
        });
        read.join().unwrap().unwrap();
        std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(top.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn reading_ends_at_the_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [b'x'; 11]).unwrap();
        assert_eq!(read_file(file.path(), 11).unwrap().len(), 11);
        assert!(matches!(read_file(file.path(), 10), Err(InputFileError::TooLarge(10))));
        assert!(matches!(open_file(Path::new("/dev/zero")), Err(InputFileError::NotAFile("a device"))));
    }
}
