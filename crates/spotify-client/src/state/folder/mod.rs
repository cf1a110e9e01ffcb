//! The state folder: where it is, who may read it, and what must not happen to it.

pub(in crate::state) mod copy_check;
pub(in crate::state) mod file_system;
pub(in crate::state) mod private_files;
mod state_dir;

pub use file_system::network_file_system;
pub use state_dir::{StateDir, StateDirSource};
