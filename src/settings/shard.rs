//! A part of the users, when several processes share the work.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64;

/// The largest number of shards.
const MAX_SHARDS: u64 = 1_000;

/// One of several parts, such as `3/16`: the third of sixteen. Each name belongs to exactly one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    number: u64,
    count: u64,
}

impl Shard {
    /// Whether a name belongs to this shard. This must never change: the rows of a user are in the store of one shard.
    pub fn contains(self, name: &str) -> bool {
        xxh3_64(name.as_bytes()) % self.count + 1 == self.number
    }

    /// The shards, of any number of shards, that have a file or folder of this name next to that of the project.
    ///
    /// # Errors
    /// If the folder around it exists and cannot be read.
    pub fn all_beside(path: &Path) -> io::Result<Vec<Shard>> {
        let around = match path.parent() {
            Some(around) if around != Path::new("") => around,
            _ => Path::new("."),
        };
        let entries = match std::fs::read_dir(around) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut shards = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let shard = name.to_str().and_then(Shard::of_folder);
            let shard = shard.filter(|shard| name.to_str() == Some(&shard.folder_name()));
            shards.extend(shard.filter(|shard| shard.place(path).exists()));
        }
        shards.sort_by_key(|shard| (shard.count, shard.number));
        Ok(shards)
    }

    /// The place of a file or folder of this shard: in a folder of its own next to the others.
    pub(super) fn place(self, path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default();
        path.parent().unwrap_or(Path::new("")).join(self.folder_name()).join(name)
    }

    /// The shard with a folder of this name.
    fn of_folder(name: &str) -> Option<Shard> {
        let (number, count) = name.strip_prefix("shard-")?.split_once("-of-")?;
        format!("{number}/{count}").parse().ok()
    }

    /// How many shards there are.
    pub fn count(self) -> u64 {
        self.count
    }

    /// The name of its folders, which also tells its rows apart in a target.
    pub fn folder_name(self) -> String {
        format!("shard-{}-of-{}", self.number, self.count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parse =
            |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten();
        let numbers = text.split_once('/').and_then(|(number, count)| Some((parse(number)?, parse(count)?)));
        match numbers {
            Some((number, count)) if (1..=count).contains(&number) && count <= MAX_SHARDS => {
                Ok(Shard { number, count })
            }
            _ => Err(format!(
                "write the number of the shard and how many there are, such as 1/16 to 16/16 (at most {MAX_SHARDS})"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_in_one_shard() {
        let shards: Vec<Shard> = (1..=7).map(|n| format!("{n}/7").parse().unwrap()).collect();
        let mut sizes = [0; 7];
        for n in 0..7_000 {
            let name = format!("user-{n}");
            let of: Vec<usize> = (0..7).filter(|at| shards[*at].contains(&name)).collect();
            assert_eq!(of.len(), 1, "{name}");
            sizes[of[0]] += 1;
        }
        assert!(sizes.iter().all(|size| (800..1_200).contains(size)), "{sizes:?}");
    }

    #[test]
    fn shard_of_a_name_never_changes() {
        let shards = ["home", "studio", "user-1", "ü"]
            .map(|name| (1..=16).find(|n| format!("{n}/16").parse::<Shard>().unwrap().contains(name)).unwrap());
        assert_eq!(shards, SHARDS_OF_NAMES);
    }

    const SHARDS_OF_NAMES: [u64; 4] = [11, 13, 10, 15];

    #[test]
    fn number_of_a_shard_is_checked() {
        for wrong in ["", "3", "0/4", "5/4", "1/0", "1/1001", "+1/4", "1/ 4", "a/b", "1/4/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
        assert_eq!("4/4".parse::<Shard>().unwrap().to_string(), "4/4");
    }
}
