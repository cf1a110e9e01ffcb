//! What holds for the whole process: no core files, since the memory of this program contains tokens and the client secret,
//! and no files that every user may write.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Forbids core files, and on Linux other programs of the same user to look into the memory.
pub(super) fn forbid_core_files() {
    // A sandbox may forbid to change limits. systemd's unit sets the same limit, and the second step does not depend on it.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Takes the right of the group and of others to write from all new files and folders, whatever the umask. Where the output
/// gives it to a group, the mode is set explicitly.
pub(super) fn forbid_open_files() {
    use rustix::fs::Mode;
    use rustix::process::umask;
    let narrow = Mode::WGRP | Mode::WOTH;
    // There is no other way to read the umask, and no other thread yet.
    let given = umask(narrow | Mode::RWXO);
    umask(given | narrow);
}
