//! The settings file, read separately so that an error names file, line, column and key.

use super::keys::SECTIONS;
use super::layers::SettingOrigins;
use super::origin::SettingOrigin;
use super::project::Project;
use crate::document::{Diagnostic, Document, DocumentChecker, limit_problems, nearest, or_list, printable};

/// The settings from the file.
pub(super) struct FileLayer {
    /// The text of the file, valid for the next layer if there are no problems.
    pub text: String,
    /// The settings of the file that are valid on their own, as TOML.
    pub valid_parts: String,
    /// The settings in the file, with their lines.
    pub origins: SettingOrigins,
    /// Everything that is wrong with the file.
    pub problems: Vec<Diagnostic>,
}

/// Reads `config/cratedigger.toml`. A missing file counts as empty.
pub(super) fn read(project: &Project) -> FileLayer {
    let mut layer = FileLayer {
        text: String::new(),
        valid_parts: String::new(),
        origins: SettingOrigins::new(),
        problems: Vec::new(),
    };
    match std::fs::symlink_metadata(&project.config_file) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return layer,
        _ => {}
    }
    let shown = project.display_path(&project.config_file);
    let document = match Document::read(&project.config_file, &shown) {
        Ok(document) => document,
        Err(problem) => {
            layer.problems.push(*problem);
            return layer;
        }
    };
    let (table, broken) = document.parse();
    let mut checker = DocumentChecker::new(&document);
    checker.problems = broken;
    for (name, value) in &table {
        let written = name.get_ref().as_ref();
        let Some(section) = SECTIONS.iter().find(|s| s.name == written) else {
            let names: Vec<&str> = SECTIONS.iter().map(|s| s.name).collect();
            let near = nearest(written, names.iter().copied());
            let hint = match near.as_slice() {
                [] => section_of(written).unwrap_or_else(|| format!("sections: {}", names.join(", "))),
                near => format!("did you mean {}?", or_list(near)),
            };
            let shown = printable(written);
            checker.report(name.span(), &shown, format!("unknown section `{shown}`")).hint = Some(hint);
            continue;
        };
        let Some(inner) = value.get_ref().as_table() else {
            checker.report(value.span(), section.name, format!("`{}` is a section, not a key", section.name)).hint =
                Some(format!("write [{}] on a line of its own", section.name));
            continue;
        };
        let values = checker.check_table(inner, section.name, section.keys);
        layer.valid_parts.push_str(&format!("[{}]\n", section.name));
        for entry in values.iter() {
            let written = document.text.get(entry.value.span()).unwrap_or_default();
            let line = format!("{} = {written}\n", entry.key.name);
            if entry.right && line.parse::<toml::Table>().is_ok() {
                layer.valid_parts.push_str(&line);
            }
            let (line, _) = document.line_and_column(entry.at.start);
            let origin = SettingOrigin::File { file: shown.clone(), line };
            layer.origins.insert(format!("{}.{}", section.name, entry.key.name), origin);
        }
    }
    layer.problems = limit_problems(&shown, checker.problems);
    layer.text.clone_from(&document.text);
    layer
}

/// A hint for a setting that is written outside its section.
fn section_of(written: &str) -> Option<String> {
    let section = SECTIONS.iter().find(|s| s.keys.iter().any(|k| k.name == written))?;
    Some(format!("`{written}` belongs under [{}]", section.name))
}
