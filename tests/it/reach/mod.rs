//! Rows in other databases and lakes. Tests that start real servers are ignored here and run by `make check-reach`. Where no
//! server is installed they say so and check nothing.

#[cfg(feature = "lake")]
mod azure_container;
#[cfg(feature = "lake")]
mod clouds;
#[cfg(feature = "lake")]
mod lake;
#[cfg(feature = "lake")]
mod lake_clouds;
#[cfg(feature = "lake")]
mod lake_faults;
#[cfg(feature = "lake")]
mod lake_reader;
mod postgres;
mod proxy;
mod push;
mod push_faults;
mod push_kills;
mod singer;
mod singer_files;
