//! The binary: parse, start logging, one call, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    cratedigger::cli::main(std::env::args_os()).into()
}
