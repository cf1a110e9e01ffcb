//! No core files: the memory of this program contains tokens and the client secret.

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
