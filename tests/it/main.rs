//! Integration tests.
mod sandbox;
mod sandbox_catalog;
mod sandbox_faults;
mod sandbox_playlists;
mod sandbox_shapes;
mod sandbox_users;
