//! Faults, wrong clocks and arbitrary input, and the rules for the code itself.

pub mod api_faults;
pub mod arbitrary_input;
mod arbitrary_job_files;
pub mod architecture;
mod disk_faults;
pub mod documented_tests;
pub mod faults_table;
pub mod memory;
pub mod wire_faults;
pub mod wrong_clock;
