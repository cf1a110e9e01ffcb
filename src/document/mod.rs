//! TOML files that people write, and diagnostics about everything that is wrong with them.
//!
//! Job files and the settings file are parsed into trees that keep the position of each key and value,
//! and are checked by hand, so that *every* problem of a file is reported at once with its line, column,
//! a caret and the nearest valid name. (`serde` stops at the first error, and the `config` crate
//! reports no positions.)
//!
//! The parts: [`Document`] holds the text, [`ValueShape`] describes valid values, [`KeySpec`] is
//! one entry of a table of keys, [`DocumentChecker`] checks a table of the file against such entries, and
//! [`Diagnostic`] describes one problem. The JSON Schemas and the tables of keys in the docs are generated
//! from the same entries.

mod checker;
mod diagnostic;
mod key_spec;
mod nearest;
mod quote;
mod render;
mod shape;
mod text;
mod value;

pub use checker::{DocumentChecker, KeyEntry, TableValues};
pub use diagnostic::{Diagnostic, DiagnosticSeverity, limit_problems};
pub use key_spec::KeySpec;
pub use nearest::{nearest, or_list};
pub use quote::{printable, printable_json, quote, shell_word, shorten, terminal_safe};
pub use render::DiagnosticRenderer;
pub use shape::{RuleViolation, TextRule, ValueFinding, ValueShape, texts};
pub use text::Document;
pub use value::{TomlTable, TomlValue, as_text, duration};
