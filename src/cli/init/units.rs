//! `init --systemd`: writes the units of `contrib/systemd/` with the paths of this machine.
//!
//! The files there are complete units for `/srv/spotify` and `/usr/local/bin`. Only the paths are replaced.
//! If a path is inside a home folder, which the service's sandbox hides, the sandbox lets it in. A test
//! renders the original files.

use std::path::{Path, PathBuf};

/// The state folder of the units, and so the value of `state.dir`.
pub const STATE_DIR: &str = "/var/lib/cratedigger";

/// The name and text of each file.
const TEMPLATES: &[(&str, &str)] = &[
    ("cratedigger.service", include_str!("../../../contrib/systemd/cratedigger.service")),
    ("cratedigger.timer", include_str!("../../../contrib/systemd/cratedigger.timer")),
    ("cratedigger-schedule.service", include_str!("../../../contrib/systemd/cratedigger-schedule.service")),
    ("cratedigger-failed@.service", include_str!("../../../contrib/systemd/cratedigger-failed@.service")),
    ("install.sh", include_str!("../../../contrib/systemd/install.sh")),
];

const PROGRAM: &str = "/usr/local/bin/cratedigger";
const PROJECT: &str = "/srv/spotify";
const OUTPUT: &str = "/srv/spotify/output";

/// The folders that `ProtectHome=` hides.
const HOMES: &[&str] = &["/home", "/root", "/run/user"];

/// The absolute paths in the units.
#[derive(Debug)]
pub struct UnitPaths {
    pub program: PathBuf,
    pub project: PathBuf,
    /// The output folders, none inside another.
    pub outputs: Vec<PathBuf>,
}

impl UnitPaths {
    /// A path that a unit file cannot contain.
    pub fn unsupported_path(&self) -> Option<&Path> {
        let fits = |path: &&Path| path.to_str().is_some_and(|text| !text.contains(char::is_control));
        self.all().find(|path| !fits(path))
    }

    /// Whether any path is inside a home folder.
    pub fn is_in_home(&self) -> bool {
        self.all().any(in_a_home)
    }

    fn all(&self) -> impl Iterator<Item = &Path> {
        [&self.program, &self.project].into_iter().chain(&self.outputs).map(PathBuf::as_path)
    }
}

/// The names and texts of the files.
pub fn render(place: &UnitPaths) -> Vec<(&'static str, String)> {
    let text = |(name, text): &(&'static str, &str)| {
        let lines = text.lines().map(|line| render_line(line, place)).collect::<Vec<_>>().join("\n");
        (*name, lines + "\n")
    };
    TEMPLATES.iter().map(text).collect()
}

fn render_line(line: &str, place: &UnitPaths) -> String {
    let outputs = |quote: fn(&Path) -> String, at_home: Option<bool>| -> Vec<String> {
        place.outputs.iter().filter(|p| at_home.is_none_or(|home| in_a_home(p) == home)).map(|p| quote(p)).collect()
    };
    if let Some(arguments) = line.strip_prefix(&format!("ExecStart={PROGRAM} --project {PROJECT}")) {
        let program = escape_for_unit(&place.program, "%");
        return format!("ExecStart={program} --project {}{arguments}", escape_for_unit(&place.project, "%$"));
    }
    if line == format!("ReadWritePaths={OUTPUT}") {
        let of = |key: &str, home: bool| {
            let paths = outputs(|path| escape_for_unit(path, "%"), Some(home));
            (!paths.is_empty()).then(|| format!("{key}={}", paths.join(" ")))
        };
        let lines = [of("ReadWritePaths", false), of("BindPaths", true)];
        return lines.into_iter().flatten().collect::<Vec<_>>().join("\n");
    }
    if line == "ProtectHome=yes" && place.is_in_home() {
        let shown = [&place.project, &place.program].into_iter().filter(|path| in_a_home(path));
        let shown: Vec<String> = shown.map(|path| escape_for_unit(path, "%")).collect();
        let shown = if shown.is_empty() { String::new() } else { format!("\nBindReadOnlyPaths={}", shown.join(" ")) };
        return format!("# Hide home folders, except what this service needs.\nProtectHome=tmpfs{shown}");
    }
    match line {
        "project=/srv/spotify" => format!("project={}", quote_for_shell(&place.project)),
        "program=/usr/local/bin/cratedigger" => format!("program={}", quote_for_shell(&place.program)),
        "set -- /srv/spotify/output" => format!("set -- {}", outputs(quote_for_shell, None).join(" ")),
        _ => line.to_owned(),
    }
}

fn in_a_home(path: &Path) -> bool {
    HOMES.iter().any(|home| path.starts_with(home))
}

/// A path as a unit file writes it. `special` lists the characters that need doubling there: `%`
/// (specifiers) and `$` (variables). A colon, which separates the sides of a bind mount, is safe in quotes.
fn escape_for_unit(path: &Path, special: &str) -> String {
    let mut out = String::new();
    for c in path.to_string_lossy().chars() {
        match c {
            '%' | '$' if special.contains(c) => out.extend([c, c]),
            '\\' | '"' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    let plain = out.chars().all(|c| c.is_alphanumeric() || "/._-+@%$=,~".contains(c));
    if plain { out } else { format!("\"{out}\"") }
}

fn quote_for_shell(path: &Path) -> String {
    crate::document::shell_word(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(program: &str, project: &str, outputs: &[&str]) -> String {
        let place = UnitPaths {
            program: program.into(),
            project: project.into(),
            outputs: outputs.iter().map(PathBuf::from).collect(),
        };
        render(&place).remove(0).1
    }

    #[test]
    fn with_the_paths_of_contrib_it_is_contrib() {
        let place = UnitPaths { program: PROGRAM.into(), project: PROJECT.into(), outputs: vec![OUTPUT.into()] };
        assert!(render(&place).iter().zip(TEMPLATES).all(|((_, text), (_, kept))| text == kept));
    }

    #[test]
    fn only_the_project_of_a_home_is_accessible() {
        let text = service("/home/anna/.local/bin/cratedigger", "/home/anna/my music", &["/home/anna/my music/output"]);
        assert!(text.contains(
            "\nProtectHome=tmpfs\nBindReadOnlyPaths=\"/home/anna/my music\" /home/anna/.local/bin/cratedigger\n"
        ));
        assert!(text.contains("\nBindPaths=\"/home/anna/my music/output\"\n"));
        assert!(!text.contains("ReadWritePaths"), "{text}");
        let text = service(PROGRAM, PROJECT, &["/home/anna/csv", "/srv/store"]);
        assert!(
            text.contains("\nProtectHome=tmpfs\nPrivateTmp")
                && text.contains("\nReadWritePaths=/srv/store\nBindPaths=/home/anna/csv\n")
        );
    }

    #[test]
    fn special_characters_of_systemd_are_escaped() {
        let text = service("/opt/50%/cratedigger", "/srv/a$b \"c\" 5%", &["/srv/x%y"]);
        assert!(
            text.contains("ExecStart=/opt/50%%/cratedigger --project \"/srv/a$$b \\\"c\\\" 5%%\" run --due\n"),
            "{text}"
        );
        assert!(text.contains("ReadWritePaths=/srv/x%%y\n"));
        assert!(
            UnitPaths { program: "/a\nb".into(), project: "/".into(), outputs: Vec::new() }
                .unsupported_path()
                .is_some()
        );
    }

    #[test]
    fn installer_takes_any_path_literally() {
        assert_eq!(quote_for_shell(Path::new("/srv/it's $x")), "'/srv/it'\\''s $x'");
    }
}
