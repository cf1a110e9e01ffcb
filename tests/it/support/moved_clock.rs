//! A library that shows a process another time than the machine's.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The library that moves a process's clock, built by the compiler that the build needs anyhow.
pub fn clock() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("clock-{}.so", std::process::id()));
        let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = Command::new(cc)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(root.join("tests/fixtures/clock.c"))
            .status();
        assert!(built.unwrap().success());
        library
    })
}
