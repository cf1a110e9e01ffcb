//! Integration tests.
mod answering;
mod api;
mod api_faults;
mod gate;
mod ledger;
mod made_up_time;
mod retry;
mod state_folder;
