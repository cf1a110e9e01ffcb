//! States in color, on a terminal that wants it. `NO_COLOR` switches all colors off.
//!
//! A text is laid out and made safe for a terminal before it is colored. Until then, marks without a width surround the
//! words of a state.

use std::io::IsTerminal;

/// Surround a state. They take no column of a terminal.
const START: char = '\u{2063}';
const END: char = '\u{2064}';

const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";

/// The states with a color.
const COLORS: [(&str, &str); 10] = [
    ("complete", GREEN),
    ("ok", GREEN),
    ("fits", GREEN),
    ("partial", YELLOW),
    ("deferred", YELLOW),
    ("never run", YELLOW),
    ("running", YELLOW),
    ("failed", RED),
    ("broken file", RED),
    ("not usable", RED),
];

/// Whether texts for this stream have colors.
pub(super) fn is_wanted(stream: &impl IsTerminal) -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && stream.is_terminal()
}

/// Marks a state for [`color_states`], if it has a color.
pub(super) fn mark_state(state: &str) -> String {
    let has_color = COLORS.iter().any(|(known, _)| *known == state);
    if has_color { format!("{START}{state}{END}") } else { state.to_owned() }
}

/// Gives the marked states their color, or removes the marks.
pub(super) fn color_states(text: &str, is_colored: bool) -> String {
    let mut out = text.to_owned();
    for (state, color) in COLORS {
        let shown = if is_colored { format!("\u{1b}[{color}m{state}\u{1b}[0m") } else { state.to_owned() };
        out = out.replace(&mark_state(state), &shown);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_states_are_colored() {
        let text = format!("a  {}\nfailed  {}\n", mark_state("failed"), mark_state("new"));
        assert_eq!(color_states(&text, true), "a  \u{1b}[31mfailed\u{1b}[0m\nfailed  new\n");
        assert_eq!(color_states(&text, false), "a  failed\nfailed  new\n");
    }
}
