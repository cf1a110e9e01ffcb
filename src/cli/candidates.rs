//! The words that complete an argument: names of jobs, users, playlists and streams.
//!
//! They come from the files of the project and from the store. Whatever cannot be read gives no words.

use std::collections::BTreeSet;

use clap_complete::CompletionCandidate;
use clap_complete::engine::ArgValueCandidates;

use crate::document::printable;
use crate::job::{self, JobUsers, LoadedJobs};
use crate::settings::{Project, SettingFlags, Settings};
use crate::store::{open_reader, playlist_titles};
use crate::stream;

pub(super) fn jobs() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let jobs = load_jobs().map(|(_, _, loaded)| loaded.jobs).unwrap_or_default();
        jobs.into_iter().map(|job| candidate(job.name, job.description.unwrap_or_default())).collect()
    })
}

pub(super) fn users() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let jobs = load_jobs().map(|(_, _, loaded)| loaded.jobs).unwrap_or_default();
        let names: BTreeSet<String> = jobs
            .into_iter()
            .flat_map(|job| match job.users {
                JobUsers::Named(names) => names,
                JobUsers::None | JobUsers::All(_) => Vec::new(),
            })
            .collect();
        names.into_iter().map(|name| candidate(name, String::new())).collect()
    })
}

pub(super) fn playlists() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let Some((project, settings, _)) = load_jobs() else { return Vec::new() };
        let titles = open_reader(&project.database(&settings)).ok().and_then(|store| playlist_titles(&store).ok());
        titles.unwrap_or_default().into_iter().map(|(id, title)| candidate(id, title)).collect()
    })
}

pub(super) fn streams() -> ArgValueCandidates {
    ArgValueCandidates::new(|| stream::all().map(|stream| candidate(stream.name, stream.about)).collect())
}

fn candidate(word: impl Into<String>, help: impl Into<String>) -> CompletionCandidate {
    let help = printable(&help.into());
    CompletionCandidate::new(word.into()).help((!help.is_empty()).then(|| help.into()))
}

/// The project on the command line that is completed, its settings and its jobs.
fn load_jobs() -> Option<(Project, Settings, LoadedJobs)> {
    let words: Vec<_> = std::env::args_os().collect();
    let folder = words.iter().enumerate().find_map(|(at, word)| match word.to_str()?.strip_prefix("--project")? {
        "" => words.get(at + 1)?.to_str().map(str::to_owned),
        rest => rest.strip_prefix('=').map(str::to_owned),
    });
    let project = Project::at(folder.unwrap_or_else(|| ".".to_owned()));
    let settings = Settings::load(&project, &SettingFlags::default()).ok()?;
    let loaded = job::load(&project, &settings, &[]);
    Some((project, settings, loaded))
}
