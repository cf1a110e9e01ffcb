//! Disks that are really full, and limits for the size of files.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::report::TortureReport;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::trial::{Trial, copy_folder, files_below, with_app};
use crate::world::ended;

/// The storage exit code.
const STORAGE_EXIT: i32 = 74;

/// Size of the small disk in bytes: enough to start.
const DISK_BYTES: usize = 48 << 20;

/// A small file system that is mounted at the output folder of a project.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Moves the output folder of a trial to a small disk; `None` if the user may not mount one.
    fn mount_for(trial: &Trial) -> Option<SmallDisk> {
        let (root, at) = (trial.project.root(), trial.project.root().join("output"));
        let aside = root.join("aside");
        std::fs::create_dir_all(&at).unwrap();
        std::fs::rename(&at, &aside).unwrap();
        std::fs::create_dir(&at).unwrap();
        let disk = mount(&["-t", "tmpfs", "-o", &format!("size={DISK_BYTES}"), "none"], &at)
            .then(|| SmallDisk { at: at.clone() });
        copy_folder(&aside, &at);
        std::fs::remove_dir_all(&aside).unwrap();
        disk
    }

    /// Fills the disk except for a number of bytes.
    fn fill_leaving(&self, free: usize) {
        let mut ballast = std::fs::File::create(self.ballast()).unwrap();
        let mut written = 0;
        while let Ok(n) = ballast.write(&[0; 1 << 16]) {
            written += n;
        }
        ballast.set_len(written.saturating_sub(free) as u64).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.at).status());
    }
}

fn mount(args: &[&str], at: &Path) -> bool {
    let done = Command::new("mount").args(args).arg(at).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

/// Fills the disk during a command, so that it has less space than it needs, and then frees the space again.
pub fn full_disk(scenario: &Scenario, times: usize, rng: &mut Rng, report: &mut TortureReport) {
    let row = format!("full disk, {}", scenario.name);
    let (used, needed) = sizes(scenario);
    for n in 0..times {
        let started = Instant::now();
        let free = rng.below(needed - used);
        let trial = scenario.new_trial();
        let Some(disk) = SmallDisk::mount_for(&trial) else {
            println!("{row}: skipped, because only root may mount a small disk");
            return;
        };
        scenario.world.new_calls();
        let mut command = trial.command(&scenario.command);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // A run checks the free space before its first call, so the disk is filled after it.
        if !scenario.requests.is_empty() {
            scenario.world.wait_for_calls(1 + rng.below(scenario.requests.len() / 2));
        }
        disk.fill_leaving(free);
        let ran = ended(child);
        let end = match ran.code {
            0 => Ok(()),
            STORAGE_EXIT if ["full", "No space", "no room"].iter().any(|word| ran.stderr.contains(word)) => Ok(()),
            code => Err(format!("it ends with {code}:\n{}", ran.stderr)),
        };
        disk.free();
        let end = end.and_then(|()| scenario.check_after_fault(&trial));
        report.record(&row, started, ran.code == STORAGE_EXIT, &format!("disk {n} with {free} bytes left"), end);
    }
}

/// Runs a command with a limit for the size of every file. Reaching it sends a signal, or returns an error if the
/// signal is ignored.
pub fn file_size_limit(scenario: &Scenario, times: usize, rng: &mut Rng, report: &mut TortureReport) {
    let (_, needed) = sizes(scenario);
    for n in 0..times {
        let ignored = n % 2 == 0;
        let row = format!("file-size limit{}, {}", if ignored { ", signal ignored" } else { "" }, scenario.name);
        let started = Instant::now();
        let bytes = rng.below(needed);
        let trial = scenario.new_trial();
        let trap = if ignored { "trap '' XFSZ;" } else { "" };
        let script = format!("ulimit -c 0; {trap} exec prlimit --fsize={bytes} \"$@\"");
        let mut command = with_app(Command::new("sh"));
        command.env("HOME", trial.project.root()).current_dir(trial.project.root());
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_cratedigger")]).args(&scenario.command);
        let output = command.output().unwrap();
        let end = match output.status.code() {
            None if !ignored => Ok(()),
            Some(0 | STORAGE_EXIT) => Ok(()),
            code => Err(format!("it ends with {code:?}:\n{}", String::from_utf8_lossy(&output.stderr))),
        };
        let end = end.and_then(|()| scenario.check_after_fault(&trial));
        report.record(&row, started, output.status.code() != Some(0), &format!("limit {n} of {bytes} bytes"), end);
    }
}

/// The bytes of the output folder before and after the command.
fn sizes(scenario: &Scenario) -> (usize, usize) {
    let trial = scenario.new_trial();
    let size = |trial: &Trial| -> u64 {
        let files = files_below(&trial.project.root().join("output"));
        files.iter().map(|file| std::fs::metadata(file).unwrap().len().next_multiple_of(4096)).sum()
    };
    let used = size(&trial);
    trial.run(&scenario.command);
    (usize::try_from(used).unwrap(), usize::try_from(size(&trial).max(used + 8192)).unwrap())
}
