//! The README is right: its commands run, its sessions show the real output, its job file is
//! valid, its list of commands is that of `--help`, and its links work.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::project::{Project, stderr, stdout};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The fenced code blocks of a file that follow a mark, without their indentation.
fn marked(file: &str, mark: &str) -> Vec<String> {
    let (text, mark) = (std::fs::read_to_string(root().join(file)).unwrap(), format!("<!-- {mark} -->\n"));
    let blocks = text.split(&mark).skip(1).map(|rest| {
        let indent = rest.len() - rest.trim_start().len();
        let lines = rest.lines().skip(1).map(|line| line.get(indent.min(line.len())..).unwrap_or(""));
        lines.take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect::<String>()
    });
    blocks.collect()
}

/// Runs shell commands as a user would type them, with the program on the path.
fn shell(project: &Project, script: &str) -> std::process::Output {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_cratedigger"));
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", program.parent().unwrap().display());
    let mut command = Command::new("sh");
    command.arg("-euc").arg(script).current_dir(project.root());
    command.env_clear().env("PATH", path).env("HOME", project.root()).output().unwrap()
}

/// A text without the parts that change from day to day: digits, days of a month, summer time and widths.
fn lasting(text: &str) -> Vec<String> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
    let line = |line: &str| {
        let line: String = line.replace("CEST", "CET").chars().map(digits).collect();
        let mut words: Vec<&str> = line.split_whitespace().collect();
        // `7 Dec` and `30 Nov` are the same.
        for n in 1..words.len() {
            if MONTHS.contains(&words[n]) && ["0", "00"].contains(&words[n - 1]) {
                (words[n - 1], words[n]) = ("DAY", "MONTH");
            }
        }
        words.join(" ")
    };
    text.lines().filter(|l| !l.contains(" INFO ")).map(line).filter(|l| !l.is_empty()).collect()
}

#[test]
fn readme_commands_run() {
    let (project, blocks) = (Project::new(), marked("README.md", "run"));
    assert!(blocks.len() >= 2, "the marks are missing");
    for block in blocks {
        let output = shell(&project, &block);
        assert!(output.status.success(), "{block}{}", stderr(&output));
    }
}

#[test]
fn readme_sessions_are_current() {
    let sessions = marked("README.md", "session");
    assert_eq!(sessions.len(), 2);
    for session in sessions {
        let project = Project::new();
        assert!(shell(&project, "cratedigger -q init").status.success());
        let mut real = String::new();
        for part in session.split("$ ").skip(1) {
            let (command, shown) = part.split_once('\n').unwrap();
            let output = shell(&project, &format!("{{ {command}; }} 2>&1"));
            assert!(output.status.success(), "{command}");
            let said: String = stdout(&output).split_inclusive('\n').filter(|l| !l.contains(" INFO ")).collect();
            real.push_str(&format!("$ {command}\n{said}"));
            let differs = lasting(&said).into_iter().zip(lasting(shown)).find(|(said, shown)| said != shown);
            if std::env::var_os("UPDATE_DOCS").is_none() {
                assert_eq!(differs, None, "`{command}` says / README.md shows; UPDATE_DOCS=1 writes it again");
                assert_eq!(lasting(&said).len(), lasting(shown).len(), "left: lines of `{command}`, right: README.md");
            }
        }
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(root().join("README.md"), readme().replace(&session, &real)).unwrap();
        }
    }
}

#[test]
fn readme_job_is_valid() {
    let project = Project::with_job(&marked("README.md", "job").concat());
    project.write("jobs/artists.csv", "id\n4Z8W4fKeB5YxbbsqsVdVSj\n");
    let (code, said) = project.check();
    assert_eq!(code, 0, "{said}");
}

#[test]
fn readme_lists_the_commands_of_the_help() {
    let help = stdout(&Project::new().run(&["--help"]));
    let groups = help.split_once("\nStart:\n").unwrap().1.split_once("\nOptions:\n").unwrap().0;
    // Further lines of a command are indented more.
    let commands = groups.lines().filter_map(|l| l.strip_prefix("  ").filter(|l| !l.starts_with(' ')));
    let listed: Vec<&str> = commands.filter_map(|l| l.split_whitespace().next()).collect();
    assert!(listed.len() > 20, "{help}");
    let text = readme();
    let table = text.split_once("## Commands\n").unwrap().1.split_once("\n\n`").unwrap().0;
    let written: Vec<&str> = table.lines().filter_map(|l| l.strip_prefix("| `")?.split([' ', '`']).next()).collect();
    assert_eq!(written, listed, "left: README.md");
}

#[test]
fn sandbox_page_is_current() {
    let script = marked("docs/sandbox.md", "run").concat();
    let output = shell(&Project::new(), &script);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), 3, "{}", stdout(&output));
    let faults = marked("docs/sandbox.md", "faults").concat();
    let faults: Vec<spotify_sandbox::Fault> =
        faults.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect();
    let code = std::fs::read_to_string(root().join("crates/spotify-sandbox/src/faults/action.rs")).unwrap();
    let code = code.split("impl FaultAction").next().unwrap().replace('_', "");
    for name in faults.iter().map(|fault| fault.action.name().replace('_', "")) {
        assert!(code.to_lowercase().contains(&format!("\n    {name}")), "{name}");
    }
    let actions: std::collections::BTreeSet<String> = faults.iter().map(|fault| fault.action.name()).collect();
    assert_eq!(
        actions.len(),
        code.lines().filter(|l| l.starts_with("    ") && l.as_bytes()[4].is_ascii_uppercase()).count()
    );
}

#[tokio::test]
async fn sandbox_page_ids_exist() {
    let sandbox = spotify_sandbox::start(spotify_sandbox::SandboxOptions::default()).await.unwrap();
    let ids = sandbox.catalog().ids().to_string();
    let known = std::fs::read_to_string(root().join("crates/spotify-sandbox/src/catalog/fixtures.rs")).unwrap();
    let page = std::fs::read_to_string(root().join("docs/sandbox.md")).unwrap();
    for id in page.split('`').skip(1).step_by(2).filter(|text| text.len() == 22 && text.contains("Sandbox")) {
        assert!(ids.contains(id) || known.contains(id), "{id}");
    }
    for line in marked("docs/sandbox.md", "edits").concat().lines() {
        sandbox.catalog().edit(serde_json::from_str(line).unwrap()).unwrap();
    }
}

/// The Markdown files of a folder, as paths from the root of the repository.
fn markdown_files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name()));
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

#[test]
fn relative_links_exist() {
    let mut files: Vec<PathBuf> =
        markdown_files("").into_iter().chain(markdown_files("docs")).chain(markdown_files("docs/design")).collect();
    files.extend(["crates/spotify-client/README.md".into(), "crates/spotify-sandbox/README.md".into()]);
    for file in files {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, _) = link.split_once('#').unwrap_or((link, ""));
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let target = root().join(&file).parent().unwrap().join(path);
            assert!(target.exists(), "{}: {link}", file.display());
        }
    }
}
