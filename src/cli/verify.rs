//! `verify`: the store and the CSVs against what was recorded, offline. It mends nothing unless asked.
//!
//! It ends with 74 if anything differs: what a reader opens then is not what a run has written. Files
//! that an export was killed over, and people's own files that are no CSVs, are no difference.

use serde_json::json;

use super::args::Verify;
use super::export::write_again;
use super::print::count;
use super::workshop::{Workshop, must_exist, storage};
use super::{Context, Exit, Failure, OrExit, print};
use crate::document::printable;
use crate::export::{FileFinding, FilesReport, Matter, verify_files};
use crate::scheduler::Past;
use crate::settings::Settings;
use crate::store::{StoreReport, forget_files, open_reader, open_writer, recorded_files, state_of_run, verify_store};

/// Compares, and says what differs.
pub fn run(args: &Verify, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let database = context.project.database(&settings);
    must_exist(&database)?;
    let store = verify_store(&database).map_err(storage)?;
    let mut files = files(context, &settings)?;
    let mut rewritten = Vec::new();
    if args.rewrite_csv && files.findings.iter().any(may_be_written_again) {
        if store.findings.is_empty() {
            rewritten = rewrite(context, &files)?;
            files = self::files(context, &settings)?;
        } else {
            context.say("the CSVs were not written again: the store that they come from is not sound");
        }
    }
    let differs = !store.findings.is_empty() || files.findings.iter().any(is_a_difference);
    if context.json {
        let value = json!({
            "sound": !differs, "database": database, "store": store, "files": files, "rewritten": rewritten,
        });
        print::json(&value).or_exit(Exit::Storage)?;
    } else {
        let shown = shown(context, &settings, &store, &files, &rewritten);
        if differs || !context.quiet {
            print::stdout(&shown).or_exit(Exit::Storage)?;
        }
        hints(context, &store, &files, args);
    }
    Ok(if differs { Exit::Storage } else { Exit::Complete })
}

fn files(context: &Context, settings: &Settings) -> Result<FilesReport, Failure> {
    let conn = open_reader(&context.project.database(settings)).map_err(storage)?;
    let recorded = recorded_files(&conn, None).or_exit(Exit::Storage)?;
    let csv_dir = context.project.csv_dir(settings);
    let state_of = |run| state_of_run(&conn, run).ok().flatten();
    verify_files(&csv_dir, &recorded, &state_of)
        .map_err(|e| Failure::new(Exit::Storage, e).with_hint(format!("see whether {} can be read", csv_dir.display())))
}

fn is_a_difference(finding: &FileFinding) -> bool {
    !matches!(finding.matter, Matter::Behind | Matter::Leftover)
}

fn may_be_written_again(finding: &FileFinding) -> bool {
    matches!(finding.matter, Matter::Missing | Matter::Changed)
}

/// Writes the files of the jobs with a missing or changed one again, and names those that were written.
fn rewrite(context: &Context, report: &FilesReport) -> Result<Vec<String>, Failure> {
    let workshop = Workshop::open(context)?;
    let loaded = context.jobs(&workshop.settings, &[]);
    let past = Past::read(&workshop.database()).map_err(storage)?;
    let files = workshop.files()?;
    let mut written = Vec::new();
    for job in &loaded.jobs {
        let of_job = report.findings.iter().filter(|f| f.job == job.name && may_be_written_again(f));
        let paths: Vec<String> = of_job.map(|f| format!("{}/{}", f.job, f.path)).collect();
        if paths.is_empty() {
            continue;
        }
        // What is on record would be taken for unchanged by its size alone.
        let conn = open_writer(&workshop.database(), files.access).map_err(storage)?;
        forget_files(&conn, &paths).or_exit(Exit::Storage)?;
        drop(conn);
        let Some(done) = write_again(&workshop, &files, job, &past)? else { continue };
        for failed in done.failed {
            context.tell(&Failure::new(Exit::Usage, failed));
        }
        written.extend(done.files.into_iter().filter(|file| file.outcome == "written").map(|file| file.path));
    }
    Ok(written)
}

fn shown(
    context: &Context,
    settings: &Settings,
    store: &StoreReport,
    files: &FilesReport,
    rewritten: &[String],
) -> String {
    let mut out = String::new();
    let sound = |n: usize| if n == 0 { "sound".to_owned() } else { format!("{n} differ") };
    out.push_str(&format!(
        "store  {}: {}; {}, {}, {}\n",
        context.project.database(settings).display(),
        sound(store.findings.len()),
        count(store.lists, "list"),
        count(store.histories, "playlist history"),
        count(store.runs, "run")
    ));
    for finding in &store.findings {
        out.push_str(&format!("  {:<11} {}\n", finding.check, printable(&finding.detail)));
    }
    if store.waiting_pages > 0 {
        out.push_str(&format!(
            "  note: {} of a run wait to reach their tables, which that run does, or the next one if it was killed\n",
            count(store.waiting_pages, "page")
        ));
    }
    let csv_dir = context.project.csv_dir(settings);
    let differ = files.findings.iter().filter(|f| is_a_difference(f)).count();
    out.push_str(&format!(
        "files  {}: {}; {} described by {}\n",
        csv_dir.display(),
        sound(differ),
        count(files.files, "file"),
        count(files.packages, "data package")
    ));
    for finding in &files.findings {
        let word = match finding.matter {
            Matter::Missing => "missing",
            Matter::Changed => "changed",
            Matter::Stray => "stray",
            Matter::Unreadable => "unreadable",
            Matter::Behind | Matter::Leftover => "note",
        };
        let path = csv_dir.join(&finding.job).join(&finding.path);
        out.push_str(&format!("  {word:<11} {}: {}\n", printable(&path.display().to_string()), finding.detail));
    }
    for path in rewritten {
        out.push_str(&format!("  written     {}\n", printable(path)));
    }
    out
}

/// What to type, for what was found.
fn hints(context: &Context, store: &StoreReport, files: &FilesReport, args: &Verify) {
    if !store.findings.is_empty() {
        context.say("hint: keep this file, put a backup in its place, and report what was found");
    }
    if files.findings.iter().any(may_be_written_again) {
        context.say(if args.rewrite_csv {
            "hint: what still differs is of earlier days or of jobs that are gone; nothing writes it again: delete it, \
             and the next export no longer describes it"
        } else {
            "hint: `cratedigger verify --rewrite-csv` writes missing and changed CSVs again, from the store"
        });
    }
    if files.findings.iter().any(|f| f.matter == Matter::Stray) {
        context.say("hint: a stray CSV was not written by any run on record; move it away");
    }
    if files.findings.iter().any(|f| f.matter == Matter::Unreadable) {
        context.say("hint: a link or a folder in the place of a file is never written through: move it away, then `cratedigger export`");
    }
}
