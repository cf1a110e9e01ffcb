//! Integration tests.
#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

mod answering;
mod api;
mod api_faults;
mod check;
mod commands;
mod docs;
mod gate;
mod grants;
mod grants_import;
mod grants_processes;
mod grants_sign_in;
mod grants_store;
mod init;
mod ledger;
mod made_up_time;
mod project;
mod retry;
mod run_exits;
mod run_faults;
mod run_playlists;
mod run_resume;
mod run_streams;
mod run_users;
mod sandbox;
mod sandbox_catalog;
mod sandbox_faults;
mod sandbox_playlists;
mod sandbox_shapes;
mod sandbox_users;
mod schema;
mod settings;
mod state_folder;
mod troubleshooting;
mod world;
