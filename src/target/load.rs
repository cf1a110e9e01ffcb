//! The target files of a project.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::address::ServerAddress;
use super::lake_address::LakeAddress;
use super::{LakePlace, OnDelete, PostgresPlace, Target, TargetPlace, keys};
use crate::document::{
    Diagnostic, Document, DocumentChecker, TableValues, duration, limit_problems, nearest, or_list, quote, texts,
};
use crate::settings::{Project, Shard};
use crate::store::FEED_TABLES;

/// More files than this are a mistake.
const MAX_TARGETS: usize = 100;

/// The targets of a project and everything that is wrong with their files.
#[derive(Debug, Default)]
pub struct LoadedTargets {
    /// The valid targets, sorted by name.
    pub targets: Vec<Target>,
    /// The names of the others.
    pub broken: Vec<String>,
    pub problems: Vec<Diagnostic>,
}

impl LoadedTargets {
    /// Whether a target cannot be used or was not found.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Diagnostic::is_error)
    }
}

/// Reads the named targets of a project, or all if no name is given. A project without the folder has none. The rows of a
/// shard are those of a store of its own.
pub fn load(project: &Project, shard: Option<Shard>, names: &[String]) -> LoadedTargets {
    let mut loaded = LoadedTargets::default();
    let shown = project.display_path(&project.targets_dir);
    let files = match list_files(&project.targets_dir) {
        Ok(files) => files,
        Err(error) => {
            loaded.problems.push(Diagnostic::for_file(&shown, format!("failed to read the folder: {error}")));
            return loaded;
        }
    };
    if files.len() > MAX_TARGETS {
        let message = format!("contains {} target files; at most {MAX_TARGETS} are allowed", files.len());
        loaded.problems.push(Diagnostic::for_file(&shown, message));
        return loaded;
    }
    for path in choose(files, names, &mut loaded.problems) {
        let (name, shown) = (target_name(&path), project.display_path(&path));
        let file = path.file_name().map_or(path.as_path(), Path::new);
        let (target, problems) = match Document::read_beneath(&project.targets_dir, file, &shown) {
            Ok(document) => read_target(&document, &name, project, shard),
            Err(problem) => (None, vec![*problem]),
        };
        match target {
            Some(target) => loaded.targets.push(target),
            None => loaded.broken.push(name),
        }
        loaded.problems.extend(limit_problems(&shown, problems));
    }
    loaded.problems.extend(same_places(&loaded.targets));
    loaded
}

/// The folders of this machine that are lakes of a project.
pub fn lake_folders(project: &Project, shard: Option<Shard>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for target in load(project, shard, &[]).targets {
        if let TargetPlace::Lake(LakePlace { address: LakeAddress::Folder(folder), .. }) = &target.place {
            // The lake of one store is in that of all.
            folders.extend(target.store.as_ref().and(folder.parent()).map(Path::to_path_buf));
            folders.push(folder.clone());
        }
    }
    folders
}

/// Two targets that would write the same rows.
fn same_places(targets: &[Target]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (place, target) in targets.iter().enumerate() {
        if let Some(other) = targets[..place].iter().find(|other| is_same_place(other, target)) {
            let (what, keys) = match target.place {
                TargetPlace::Postgres(_) => ("schema", "`schema` or `store`"),
                TargetPlace::Lake(_) => ("place", "`url` or `store`"),
            };
            let message = format!("pushes to the same {what} as {}", other.file);
            problems.push(Diagnostic::for_file(&target.file, message).with_hint(format!("set another {keys}")));
        }
    }
    problems
}

fn is_same_place(one: &Target, other: &Target) -> bool {
    match (&one.place, &other.place) {
        (TargetPlace::Postgres(a), TargetPlace::Postgres(b)) => {
            (&a.address.host, a.address.port, &a.address.database, &a.schema, &one.store)
                == (&b.address.host, b.address.port, &b.address.database, &b.schema, &other.store)
        }
        (TargetPlace::Lake(a), TargetPlace::Lake(b)) => a.address == b.address,
        _ => false,
    }
}

fn list_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(['.', '#']));
        if path.extension().is_some_and(|e| e == "toml") && !is_hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn choose(files: Vec<PathBuf>, names: &[String], problems: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    if names.is_empty() {
        return files;
    }
    let known: Vec<String> = files.iter().map(|path| target_name(path)).collect();
    let mut chosen: Vec<PathBuf> = Vec::new();
    for name in names {
        // `targets/x.toml`, as a shell completes it, means target x.
        let wanted = Path::new(name).file_name().map_or(name.clone(), |n| n.to_string_lossy().into_owned());
        let wanted = wanted.strip_suffix(".toml").unwrap_or(&wanted);
        match known.iter().position(|known| known == wanted) {
            Some(place) if chosen.contains(&files[place]) => {}
            Some(place) => chosen.push(files[place].clone()),
            None => {
                let near = nearest(wanted, known.iter().map(String::as_str));
                let problem = Diagnostic::for_file("targets", format!("there is no target named {}", quote(wanted)));
                problems.push(problem.with_hint(match near.as_slice() {
                    [] if known.is_empty() => "the folder contains no target files; see docs/reach.md".to_owned(),
                    [] => format!("the targets are {}", known.join(", ")),
                    near => format!("did you mean {}?", or_list(near)),
                }));
            }
        }
    }
    chosen
}

fn target_name(path: &Path) -> String {
    path.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned())
}

fn read_target(
    document: &Arc<Document>,
    name: &str,
    project: &Project,
    shard: Option<Shard>,
) -> (Option<Target>, Vec<Diagnostic>) {
    let (table, broken) = document.parse();
    let mut checker = DocumentChecker::new(document);
    checker.problems = broken;
    let is_whole = checker.problems.is_empty();
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        let message = format!(
            "a target has the name of its file, and {} has other signs than letters, digits, `_`, `-` and `.`",
            quote(name)
        );
        checker.problems.push(Diagnostic::for_file(&document.file, message).with_hint("rename the file"));
    }
    let values = checker.check_table(&table, "", keys::TARGET);
    if is_whole && values.entry("url").is_none() {
        let problem = Diagnostic::for_file(&document.file, "the target has no `url`");
        checker.problems.push(problem.with_hint(
            "add url = \"postgres://USER@HOST/DATABASE\", url = \"s3://BUCKET/PREFIX\" or url = \"FOLDER\"",
        ));
    }
    report_keys_of_other_kind(&mut checker, &values);
    report_folder_of_others(&mut checker, &values, project);
    let mut tables: Vec<&'static str> = Vec::new();
    for (table, span) in values.get("tables").map(texts).unwrap_or_default() {
        match FEED_TABLES.iter().find(|known| **known == table) {
            Some(known) if !tables.contains(known) => tables.push(known),
            _ => drop(checker.report(span, "tables", format!("{} is named twice", quote(table)))),
        }
    }
    if tables.is_empty() {
        tables = FEED_TABLES.to_vec();
    }
    let store = store_name(values.text("store"), shard);
    let place = values.text("url").and_then(|url| read_place(url, &values, project, store.as_deref()));
    let is_usable = !checker.problems.iter().any(Diagnostic::is_error);
    let target = place.filter(|_| is_usable).map(|place| Target {
        name: name.to_owned(),
        file: document.file.clone(),
        place,
        tables,
        store,
        after_run: values.text("after") != Some("never"),
    });
    (target, checker.problems)
}

/// The name of the store in the target. Each shard has a store of its own.
fn store_name(name: Option<&str>, shard: Option<Shard>) -> Option<String> {
    let Some(shard) = shard else { return name.map(str::to_owned) };
    Some(name.map_or_else(|| shard.folder_name(), |name| format!("{name}-{}", shard.folder_name())))
}

fn read_place(url: &str, values: &TableValues<'_, '_>, project: &Project, store: Option<&str>) -> Option<TargetPlace> {
    if keys::is_database(url) {
        let on_delete = OnDelete::ALL.into_iter().find(|v| values.text("on_delete") == Some(v.as_str()));
        return Some(TargetPlace::Postgres(PostgresPlace {
            address: ServerAddress::parse(url).ok()?.beneath(&project.root),
            schema: values.text("schema").unwrap_or("spotify").to_owned(),
            on_delete: on_delete.unwrap_or(OnDelete::Delete),
        }));
    }
    let days = |number: u64| Duration::from_secs(number * 86_400);
    let time = |key: &str, usual: Duration| values.text(key).and_then(duration).unwrap_or(usual);
    Some(TargetPlace::Lake(LakePlace {
        address: LakeAddress::parse(url).ok()?.beneath(&project.root, store),
        full_every: time("full_every", days(90)),
        keep: time("keep", days(7)),
    }))
}

/// A lake in a folder of the project that has other files.
fn report_folder_of_others(checker: &mut DocumentChecker<'_>, values: &TableValues<'_, '_>, project: &Project) {
    let (Some(entry), Some(url)) = (values.entry("url"), values.text("url")) else { return };
    let Ok(address) = LakeAddress::parse(url) else { return };
    let LakeAddress::Folder(lake) = address.beneath(&project.root, None) else { return };
    let root = plain_path(&project.root);
    let config = project.config_file.parent().unwrap_or(&project.root);
    let own = ["state", "output/csv", "output/cratedigger.db"].map(|name| project.root.join(name));
    let others = [&project.jobs_dir, &project.targets_dir].map(Clone::clone).into_iter().chain([config.to_owned()]);
    let others = others.chain(own).map(|other| plain_path(&other)).filter(|other| *other != root);
    let lake = plain_path(&lake);
    if others.into_iter().any(|other| lake.starts_with(other)) {
        let message = format!("{} is a folder of the project that has other files", quote(url));
        checker.report(entry.at.clone(), "url", message).hint =
            Some("name a folder of its own, such as \"lake\"".to_owned());
    }
}

/// A path from the root, without `..`. Links are not resolved.
fn plain_path(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// Keys that have no meaning at the address.
fn report_keys_of_other_kind(checker: &mut DocumentChecker<'_>, values: &TableValues<'_, '_>) {
    let Some(url) = values.text("url") else { return };
    let (others, is, of) = match keys::is_database(url) {
        true => (keys::ONLY_LAKE, "a database", "of lakes: a folder, s3://, gs:// or az://"),
        false => (keys::ONLY_POSTGRES, "a lake", "of databases: postgres://"),
    };
    for key in others {
        if let Some(entry) = values.entry(key) {
            let message = format!("`{key}` is a key {of}");
            checker.report(entry.at.clone(), key, message).hint = Some(format!("remove it: the `url` is that of {is}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> (LoadedTargets, String) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("targets")).unwrap();
        std::fs::write(folder.path().join("targets/w.toml"), text).unwrap();
        let loaded = load(&Project::at(folder.path()), None, &[]);
        let problems = crate::document::DiagnosticRenderer::new(false).render(&loaded.problems);
        (loaded, problems)
    }

    #[test]
    fn lake_has_a_folder_of_its_own() {
        for used in ["jobs", "./targets/x", "config", "state", "output/csv/x", "output/cratedigger.db", "lake/../jobs"]
        {
            let (loaded, problems) = load_text(&format!("url = \"{used}\"\n"));
            assert_eq!(loaded.broken, ["w"], "{used}");
            assert!(problems.contains("is a folder of the project that has other files"), "{used}: {problems}");
        }
        for free in ["lake", "output/lake", "jobs2", "../jobs", "output"] {
            assert_eq!(load_text(&format!("url = \"{free}\"\n")).1, "", "{free}");
        }
    }

    #[test]
    fn target_has_its_defaults() {
        let (loaded, problems) = load_text("url = \"postgres://db.example.com/music\"\n");
        assert_eq!(problems, "");
        let target = &loaded.targets[0];
        assert_eq!((&*target.name, target.tables.len()), ("w", FEED_TABLES.len()));
        assert!(target.after_run && target.store.is_none());
        let TargetPlace::Postgres(place) = &target.place else { panic!("{target:?}") };
        assert_eq!((&*place.schema, place.on_delete), ("spotify", OnDelete::Delete));

        let (loaded, problems) = load_text("url = \"s3://bucket/lake\"\nkeep = \"1d\"\n");
        assert_eq!(problems, "");
        let TargetPlace::Lake(place) = &loaded.targets[0].place else { panic!("{loaded:?}") };
        assert_eq!((place.full_every.as_secs(), place.keep.as_secs()), (90 * 86_400, 86_400));
    }

    #[test]
    fn keys_fit_the_kind_of_target() {
        let (_, of_lake) = load_text("url = \"lake\"\nschema = \"x\"\non_delete = \"mark\"\n");
        for part in ["targets/w.toml:2", "`schema` is a key of databases", "`on_delete` is a key of databases"] {
            assert!(of_lake.contains(part), "{part}: {of_lake}");
        }
        let (_, of_database) = load_text("url = \"postgres://db/music\"\nfull_every = \"9d\"\nkeep = \"x\"\n");
        for part in ["`full_every` is a key of lakes", "the `url` is that of a database", "invalid length of time `x`"]
        {
            assert!(of_database.contains(part), "{part}: {of_database}");
        }
    }

    #[test]
    fn credentials_of_a_bucket_are_not_shown() {
        let (_, problems) = load_text("url = \"s3://key-id:wJalrXUtnFEMI@bucket/lake\"\n");
        assert!(problems.contains("the address contains credentials"), "{problems}");
        assert!(!problems.contains("wJalr"), "{problems}");
    }

    #[test]
    fn every_problem_of_a_file_is_reported_at_its_place() {
        let (loaded, problems) = load_text(
            "url = \"postgres://me:hunter2@db/music\"\nschma = \"x\"\ntables = [\"track\", \"albums\", \"albums\"]\nafter = 1\n",
        );
        assert!(loaded.targets.is_empty() && loaded.broken == ["w"]);
        for part in ["contains a password", "did you mean `schema`?", "unknown name `track`", "targets/w.toml:4"] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}
