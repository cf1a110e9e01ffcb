//! The text below the options of `--help`.

use super::exit::ExitStatus;

/// The table of exit codes.
pub(super) fn exit_codes() -> String {
    let mut out = String::from("Exit codes:\n");
    let mut exits = ExitStatus::BY_PRECEDENCE;
    exits.sort_by_key(|e| e.code());
    for exit in exits {
        out.push_str(&format!("  {:>2}  {}\n", exit.code(), exit.meaning()));
    }
    out
}
