//! Rows in other databases. These tests start real servers, so they are ignored here and run by `make check-reach`. Where no
//! server is installed they say so and check nothing.

mod postgres;
mod proxy;
mod push;
mod push_faults;
