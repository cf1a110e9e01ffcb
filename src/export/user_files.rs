//! Deletes the CSV files of a user, and the user's rows from files that several users share.
//!
//! Files are reached as an export reaches them: below the CSV folder, part by part, without following a link. A file
//! behind a link stays, and the caller learns of it, now and at each later purge until the file is gone.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::ExportError;
use super::folder::OutputFolder;
use super::jobs_without_file::forget_missing_files;
use super::kept_rows::copy_lines;
use super::name::check_name;
use super::outcome::ExportTarget;
#[cfg(feature = "lake")]
use super::parquet_purge;
#[cfg(feature = "lake")]
use super::render::RenderError;
use super::user_mentions::UserMentions;
use super::workbook::workbook_mentions;
use crate::settings::FileFormat;
use crate::store::RecordedFile;
use crate::store::purge::{
    PurgedUser, UserFileFate, files_of_user, forget_inputs, forget_left_file, is_rendered, left_files, note_left_file,
    record_dropped_rows,
};
use crate::store::{forget_files, recorded_files};

/// The column with the local name of the user, in every file of a fetch that reads for users.
pub(super) const USER_COLUMN: &str = "user";

/// What became of the files with rows of a user.
#[derive(Debug, Default)]
pub struct ClearedFiles {
    /// Files that were deleted.
    pub deleted: Vec<PathBuf>,
    /// Files without the rows of the user.
    pub shortened: Vec<PathBuf>,
    /// Files that were left as they are, and why.
    pub left: Vec<(PathBuf, String)>,
    /// Paths below the CSV folder that contain rows of the user unless an export renders them again.
    pub to_render: Vec<String>,
}

/// Deletes or shortens the files with rows of a user.
///
/// # Errors
/// If the store or a folder cannot be read or written.
pub fn clear_user_files(
    store: &Connection,
    target: &ExportTarget,
    user: &PurgedUser,
    mentions: &UserMentions,
) -> Result<ClearedFiles, ExportError> {
    let unreadable = |source| ExportError::Store { path: target.csv_dir.clone(), source };
    let mut cleared = ClearedFiles::default();
    if !target.csv_dir.is_dir() {
        return Ok(cleared);
    }
    let root = OutputFolder::root(&target.csv_dir, target.access)?;
    // A killed export may have published files that the store does not know yet.
    let mut jobs = root.names()?;
    jobs.extend(recorded_files(store, None).map_err(unreadable)?.into_iter().map(|file| file.job));
    jobs.sort();
    jobs.dedup();
    for job in &jobs {
        forget_missing_files(store, target, job)?;
    }
    for path in left_by_earlier_purges(store, target).map_err(unreadable)? {
        cleared.left.push((target.csv_dir.join(path), "an earlier purge left it; delete it by hand".to_owned()));
    }
    for (file, fate) in files_of_user(store, user).map_err(unreadable)? {
        let path = target.csv_dir.join(&file.path);
        match clear_file(store, &root, &file, fate, (user, mentions)) {
            Ok(FileResult::Deleted) => {
                forget_files(store, std::slice::from_ref(&file.path)).map_err(unreadable)?;
                cleared.deleted.push(path);
            }
            Ok(FileResult::Shortened) => cleared.shortened.push(path),
            Ok(FileResult::Unchanged) => {}
            Ok(FileResult::ToRender) => {
                // The overview is written by every command, also after a purge that was killed.
                if !file.is_of_all_jobs() {
                    note_left_file(store, &file.path).map_err(unreadable)?;
                }
                forget_inputs(store, &file.path).map_err(unreadable)?;
                cleared.to_render.push(file.path);
            }
            // An export does not write there, so what is there was not found to mention the user.
            Err(ExportError::NotAFile { .. } | ExportError::Name { .. }) if fate == UserFileFate::RenderIfMentioned => {
            }
            // Whether the file behind a link mentions the user is not known, since links are not followed.
            Err(error @ ExportError::Link { .. }) if fate == UserFileFate::RenderIfMentioned => {
                note_left_file(store, &file.path).map_err(unreadable)?;
                cleared.left.push((path, format!("{error}; it may mention this user")));
            }
            Err(error @ (ExportError::Link { .. } | ExportError::NotAFile { .. } | ExportError::Name { .. })) => {
                note_left_file(store, &file.path).map_err(unreadable)?;
                forget_files(store, std::slice::from_ref(&file.path)).map_err(unreadable)?;
                cleared.left.push((path, error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(cleared)
}

/// The files that earlier purges could not clear and that are still there. Forgets the others.
///
/// # Errors
/// If the store cannot be read or written.
pub fn left_by_earlier_purges(store: &Connection, target: &ExportTarget) -> rusqlite::Result<Vec<String>> {
    let mut left = Vec::new();
    for path in left_files(store)? {
        // Only its presence matters, so it may be behind a link.
        if is_rendered(store, &path)? || target.csv_dir.join(&path).symlink_metadata().is_err() {
            forget_left_file(store, &path)?;
        } else {
            left.push(path);
        }
    }
    Ok(left)
}

/// Deletes those of these files that are workbooks, and their records. A workbook that no job writes again cannot be shortened,
/// and its rows are also in other files.
///
/// # Errors
/// If the store or a folder cannot be read or written.
pub fn delete_workbooks(
    store: &Connection,
    target: &ExportTarget,
    paths: &[String],
) -> Result<Vec<PathBuf>, ExportError> {
    let workbooks = paths.iter().filter(|path| FileFormat::of_path(path) == FileFormat::Xlsx);
    let mut deleted = Vec::new();
    for path in workbooks {
        let Some((job, below)) = path.split_once('/') else { continue };
        let valid = check_name(job).and_then(|()| check_name(below));
        valid.map_err(|source| ExportError::Name { path: path.clone(), source })?;
        let root = OutputFolder::root(&target.csv_dir, target.access)?;
        delete_below(&root.existing_folder(job)?, below)?;
        let unreadable = |source| ExportError::Store { path: target.csv_dir.clone(), source };
        forget_files(store, std::slice::from_ref(path)).map_err(unreadable)?;
        deleted.push(target.csv_dir.join(path));
    }
    Ok(deleted)
}

enum FileResult {
    Deleted,
    Shortened,
    Unchanged,
    ToRender,
}

fn clear_file(
    store: &Connection,
    root: &OutputFolder,
    file: &RecordedFile,
    fate: UserFileFate,
    (user, mentions): (&PurgedUser, &UserMentions),
) -> Result<FileResult, ExportError> {
    let below = file.path_below_job();
    if file.is_of_all_jobs() {
        return Ok(FileResult::ToRender);
    }
    let valid = check_name(&file.job).and_then(|()| check_name(below));
    valid.map_err(|source| ExportError::Name { path: file.path.clone(), source })?;
    let folder = root.existing_folder(&file.job)?;
    match fate {
        UserFileFate::Delete => delete_below(&folder, below).map(|()| FileResult::Deleted),
        UserFileFate::Render => Ok(FileResult::ToRender),
        UserFileFate::RenderIfMentioned => match open_below(&folder, below)? {
            Some(opened) => {
                let unreadable = |source| ExportError::Write { path: folder.path_of(below), written: 0, source };
                let is_mentioned = is_mentioned(opened, file, mentions).map_err(unreadable)?;
                Ok(if is_mentioned { FileResult::ToRender } else { FileResult::Unchanged })
            }
            None => Ok(FileResult::Unchanged),
        },
        UserFileFate::DropRows => shorten_below(store, &folder, below, file, user),
    }
}

/// Whether a file mentions the user.
fn is_mentioned(opened: std::fs::File, file: &RecordedFile, mentions: &UserMentions) -> std::io::Result<bool> {
    let names = file.shows_a_query();
    match FileFormat::of_path(&file.path) {
        #[cfg(feature = "lake")]
        FileFormat::Parquet => parquet_purge::mentions(opened, |texts| mentions.are_in(texts, names)),
        // This program cannot read it.
        #[cfg(not(feature = "lake"))]
        FileFormat::Parquet => Ok(true),
        FileFormat::Xlsx => workbook_mentions(opened, |texts| mentions.are_in(texts, names)),
        FileFormat::Csv | FileFormat::JsonL | FileFormat::Html => mentions.are_in(opened, names),
    }
}

/// Whether `matches` is true of any texts in a workbook or Parquet file; `None` for files of other formats.
pub fn compressed_texts_match(
    path: &Path,
    file: std::fs::File,
    matches: impl FnMut(&[u8]) -> std::io::Result<bool>,
) -> Option<std::io::Result<bool>> {
    match FileFormat::of_path(path.to_str()?) {
        #[cfg(feature = "lake")]
        FileFormat::Parquet => Some(parquet_purge::mentions(file, matches)),
        FileFormat::Xlsx => Some(workbook_mentions(file, matches)),
        _ => None,
    }
}

fn open_below(folder: &OutputFolder, path: &str) -> Result<Option<std::fs::File>, ExportError> {
    match path.split_once('/') {
        None => folder.open(path),
        Some((first, rest)) => open_below(&folder.existing_folder(first)?, rest),
    }
}

/// Deletes a file and the folders that are empty afterwards.
fn delete_below(folder: &OutputFolder, path: &str) -> Result<(), ExportError> {
    let Some((first, rest)) = path.split_once('/') else {
        return if folder.find(path)?.is_some() { folder.delete(path) } else { Ok(()) };
    };
    delete_below(&folder.existing_folder(first)?, rest)?;
    folder.delete_if_empty(first);
    Ok(())
}

/// Writes a file again without the rows of a user.
fn shorten_below(
    store: &Connection,
    folder: &OutputFolder,
    path: &str,
    record: &RecordedFile,
    user: &PurgedUser,
) -> Result<FileResult, ExportError> {
    if let Some((first, rest)) = path.split_once('/') {
        return shorten_below(store, &folder.existing_folder(first)?, rest, record, user);
    }
    let Some(mut file) = folder.open(path)? else { return Ok(FileResult::Unchanged) };
    let mut draft = folder.draft(path)?;
    let kept = match FileFormat::of_path(path) {
        FileFormat::Csv | FileFormat::JsonL => copy_lines(&mut file, path, user, &mut draft),
        #[cfg(feature = "lake")]
        FileFormat::Parquet => {
            let copied = parquet_purge::copy_rows(file, USER_COLUMN, |name| user.is_recorded_as(name), &mut draft);
            copied.map_err(|error| match error {
                RenderError::Io(error) => error,
                other => std::io::Error::other(other.to_string()),
            })
        }
        #[cfg(not(feature = "lake"))]
        FileFormat::Parquet => Ok(None),
        FileFormat::Xlsx | FileFormat::Html => Ok(None),
    };
    let rows = match kept.map_err(|e| draft.failed(e))? {
        None => return Ok(FileResult::ToRender),
        Some((_, 0)) => return Ok(FileResult::Unchanged),
        Some((rows, _)) => rows,
    };
    if rows == 0 && record.shows_one_list() {
        // Its name is the title of a list that only this user had.
        drop(draft);
        return folder.delete(path).map(|()| FileResult::Deleted);
    }
    draft.flush().map_err(|e| draft.failed(e))?;
    let written = draft.written();
    // The record comes first: if the command is killed in between, the next one finds the rows again.
    draft.publish_with(|| {
        record_dropped_rows(store, &record.path, &written.sha256, written.bytes, rows)
            .map_err(|source| ExportError::Store { path: folder.path_of(path), source })
    })?;
    Ok(FileResult::Shortened)
}
