//! The files of the store and of the state folder, and the commands that maintain them.

pub mod changed_answers;
pub mod concurrent_readers;
mod feed;
mod imported_plays;
pub mod maintenance;
pub mod missing_store;
pub mod other_users;
mod replaced_states;
pub mod restored_projects;
pub mod retention;
pub mod state_folder;
pub mod verify;
pub mod verify_concurrent;
