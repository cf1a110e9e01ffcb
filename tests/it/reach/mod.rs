//! Rows in other databases. Tests that start real servers are ignored here and run by `make check-reach`. Where no server is
//! installed they say so and check nothing.

mod postgres;
mod proxy;
mod push;
mod push_faults;
mod singer;
mod singer_files;
