//! Integration tests.
mod sandbox;
mod sandbox_catalog;
mod sandbox_faults;
mod sandbox_playlists;
mod sandbox_users;
