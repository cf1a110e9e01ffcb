//! A TOML file that people write, and everything that is wrong with it.
//!
//! Job files and the settings file are read into trees that know where each key and value stands,
//! and are checked by hand, so that *every* problem of a file is reported at once with line, column,
//! a caret and the nearest valid name. (`serde` stops at the first error, and the `config` crate
//! knows no positions.)
//!
//! The pieces: [`Document`] holds the text, [`ValueShape`] says what a value may look like, [`KeySpec`] is
//! one row of a table of keys, [`DocumentChecker`] walks a table of the file against such rows, and
//! [`Diagnostic`] is what comes out. The JSON Schemas and the tables of keys in the docs are written
//! from the same rows.

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
pub use diagnostic::{Diagnostic, DiagnosticSeverity};
pub use key_spec::KeySpec;
pub use nearest::{nearest, or_list};
pub use quote::{printable, printable_json, quote};
pub use render::DiagnosticRenderer;
pub use shape::{RuleViolation, TextRule, ValueFinding, ValueShape, texts};
pub use text::Document;
pub use value::{TomlTable, TomlValue, as_text, duration};
