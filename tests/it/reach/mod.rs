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
mod lake_environment;
#[cfg(feature = "lake")]
mod lake_faults;
#[cfg(feature = "lake")]
mod lake_reader;
mod other_stores;
mod postgres;
mod proxy;
mod push;
mod push_faults;
mod push_kills;
mod singer;
mod singer_files;

/// Compares the rows of a table here and in a target, in any order, and returns how many there are.
#[track_caller]
fn assert_same_rows<T: Ord + std::fmt::Debug>(table: &str, mut expected: Vec<T>, mut found: Vec<T>) -> usize {
    expected.sort();
    found.sort();
    let differs = expected.iter().zip(&found).find(|(here, there)| here != there);
    assert_eq!((found.len(), differs), (expected.len(), None), "{table}: here, there");
    expected.len()
}
