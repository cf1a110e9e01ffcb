//! What a job author, an editor of the settings, a server or another local user may try. `docs/reliability.md` lists these
//! tests.

pub mod archives;
pub mod boundaries;
#[cfg(feature = "lake")]
pub mod bucket_redirects;
pub mod children;
pub mod foreign_restores;
pub mod grant_servers;
pub mod input_files;
pub mod odd_job_files;
pub mod open_projects;
pub mod queries;
pub mod random_input;
pub mod supply_chain;
