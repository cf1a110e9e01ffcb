//! What a job author, a server or another local user may try. `docs/reliability.md` lists these tests.

pub mod input_files;
