//! Renders diagnostics for people: a message, the line of the file, a caret and a hint.

use std::collections::HashMap;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::diagnostic::{Diagnostic, DiagnosticSeverity};
use super::quote::{controls_terminal, mask, printable};

/// Renders diagnostics as text.
pub struct DiagnosticRenderer {
    renderer: Renderer,
}

impl DiagnosticRenderer {
    /// A renderer with or without colours (not on a terminal, `NO_COLOR`).
    pub fn new(colour: bool) -> DiagnosticRenderer {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        DiagnosticRenderer { renderer: renderer.term_width(120) }
    }

    /// Renders all diagnostics, sorted by file and line, with an empty line after each.
    pub fn render(&self, problems: &[Diagnostic]) -> String {
        let mut sorted: Vec<&Diagnostic> = problems.iter().collect();
        sorted.sort_by_key(|p| (&p.file, p.line, p.column));
        let mut masked = HashMap::new();
        let mut out = String::new();
        for problem in sorted {
            if let Some((document, _)) = &problem.source {
                masked.entry(&document.file).or_insert_with(|| visible(&document.text));
            }
            let text = problem.source.as_ref().and_then(|(d, _)| masked.get(&d.file));
            out.push_str(&self.render_one(problem, text.map(String::as_str)));
            out.push_str("\n\n");
        }
        out
    }

    fn render_one(&self, problem: &Diagnostic, text: Option<&str>) -> String {
        let level = match problem.severity {
            DiagnosticSeverity::Error => Level::ERROR,
            DiagnosticSeverity::Warning => Level::WARNING,
        };
        let message = printable(&problem.message);
        let group = Group::with_title(level.primary_title(&message));
        let mut group = match (&problem.source, text) {
            (Some((document, span)), Some(text)) => {
                let span = within(span, text);
                let mut mark = AnnotationKind::Primary.span(span);
                if let Some(label) = &problem.label {
                    mark = mark.label(printable(label));
                }
                group.element(Snippet::source(text).path(printable(&document.file)).annotation(mark))
            }
            _ => group.element(match problem.line {
                Some(line) => Origin::path(printable(&problem.file)).line(line),
                None => Origin::path(printable(&problem.file)),
            }),
        };
        if let Some(hint) = &problem.hint {
            let hint = printable(hint);
            group = group.element(Level::HELP.with_name("hint").message(hint));
        }
        self.renderer.render(&[group])
    }
}

/// The text of a file for messages: secrets are masked, and characters that control a terminal are replaced by others
/// with as many bytes, so that every character keeps its position.
fn visible(text: &str) -> String {
    let shown = |c: char| match c.len_utf8() {
        _ if matches!(c, '\n' | '\r' | '\t') || !controls_terminal(c) => c,
        1 => '?',
        2 => '\u{bf}',
        _ => char::REPLACEMENT_CHARACTER,
    };
    mask(text).chars().map(shown).collect()
}

/// A span that is within the text, on character boundaries and within one line.
fn within(span: &std::ops::Range<usize>, text: &str) -> std::ops::Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let mut end = span.end.clamp(start, line_end.max(start));
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}
