//! Names inside a workbook, which Excel compares without regard to case.

use std::collections::HashSet;

/// Most characters of the name of a sheet.
const SHEET_CHARACTERS: usize = 31;

/// Gives names that were not given before.
#[derive(Default)]
pub(super) struct UniqueNames(HashSet<String>);

impl UniqueNames {
    /// The name, or the name with a number if it is taken. It has at most this many characters.
    pub(super) fn take(&mut self, name: &str, most: usize) -> String {
        let mut number = 1;
        loop {
            let end = if number == 1 { String::new() } else { format!("_{number}") };
            let stem: String = name.chars().take(most - end.len()).collect();
            let unique = format!("{stem}{end}");
            if self.0.insert(unique.to_lowercase()) {
                return unique;
            }
            number += 1;
        }
    }
}

/// The name of the sheet for a fetch or file: without the characters that no sheet may have in its name.
pub(super) fn sheet_name(names: &mut UniqueNames, wanted: &str) -> String {
    let plain: String = wanted.chars().filter(|c| !"[]:*?/\\'".contains(*c)).collect();
    let plain = match plain.trim() {
        "" => "rows",
        // Excel keeps this name for itself.
        "history" | "History" => "history_",
        other => other,
    };
    names.take(plain, SHEET_CHARACTERS)
}

/// The name of the table in a sheet: letters, digits and `_`, and nothing that could be the address of a cell.
pub(super) fn table_name(sheet: &str) -> String {
    let plain: String = sheet.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let letters = plain.chars().take_while(char::is_ascii_alphabetic).count();
    let starts_well = plain.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_address = letters <= 3 && plain[letters..].chars().all(|c| c.is_ascii_digit())
        || plain.to_ascii_lowercase().starts_with(['r', 'c'])
            && plain[1..].chars().all(|c| c.is_ascii_digit() || c == 'c' || c == 'C');
    if starts_well && !is_address { plain } else { format!("_{plain}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheets_have_different_names_of_31_characters() {
        let mut names = UniqueNames::default();
        names.take("about", SHEET_CHARACTERS);
        let long = "a_fetch_whose_name_is_longer_than_a_sheet";
        let given: Vec<String> = ["About", "tracks", "Tracks", long, long, "a/b?", "''", "history"]
            .map(|name| sheet_name(&mut names, name))
            .to_vec();
        assert_eq!(
            given,
            [
                "About_2",
                "tracks",
                "Tracks_2",
                "a_fetch_whose_name_is_longer_th",
                "a_fetch_whose_name_is_longer__2",
                "ab",
                "rows",
                "history_"
            ]
        );
    }

    #[test]
    fn tables_are_no_addresses_of_cells() {
        for (sheet, table) in [
            ("tracks", "tracks"),
            ("new-releases 2", "new_releases_2"),
            ("a1", "_a1"),
            ("abc123", "_abc123"),
            ("abcd123", "abcd123"),
            ("r", "_r"),
            ("R1C1", "_R1C1"),
            ("r2d2", "r2d2"),
            ("2026", "_2026"),
            ("x_", "x_"),
        ] {
            assert_eq!(table_name(sheet), table, "{sheet}");
        }
    }
}
