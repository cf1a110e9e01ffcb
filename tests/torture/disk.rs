//! Disks that are full for real, and files that may not grow.

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

/// Bytes of a small disk: room enough to begin.
const DISK_BYTES: usize = 48 << 20;

/// A small file system in place of a project's output folder.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Puts a trial's output onto a disk of its own; `None` where only root may.
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

    /// Leaves so many bytes free.
    fn fill_leaving(&self, room: usize) {
        let mut ballast = std::fs::File::create(self.ballast()).unwrap();
        let mut written = 0;
        while let Ok(n) = ballast.write(&[0; 1 << 16]) {
            written += n;
        }
        ballast.set_len(written.saturating_sub(room) as u64).unwrap();
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

/// Runs a scene while its disk fills up, which leaves it less than it needs; then there is room again.
pub fn full_disk(scene: &Scenario, times: usize, dice: &mut Rng, table: &mut TortureReport) {
    let row = format!("full disk, {}", scene.name);
    let (has, needs) = sizes(scene);
    for n in 0..times {
        let began = Instant::now();
        let room = dice.below(needs - has);
        let trial = scene.new_trial();
        let Some(disk) = SmallDisk::mount_for(&trial) else {
            println!("{row}: skipped, only root may mount a small disk");
            return;
        };
        scene.world.new_calls();
        let mut command = trial.command(&scene.command);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // A disk that is full at the start is seen before the first call.
        if !scene.requests.is_empty() {
            scene.world.wait_for_calls(1 + dice.below(scene.requests.len() / 2));
        }
        disk.fill_leaving(room);
        let ran = ended(child);
        let end = match ran.code {
            0 => Ok(()),
            STORAGE_EXIT if ["full", "No space", "no room"].iter().any(|word| ran.stderr.contains(word)) => Ok(()),
            code => Err(format!("it ends with {code}:\n{}", ran.stderr)),
        };
        disk.free();
        let end = end.and_then(|()| scene.check_after_fault(&trial));
        table.record(&row, began, ran.code == STORAGE_EXIT, &format!("disk {n} with {room} bytes left"), end);
    }
}

/// Runs a scene with a limit to the size of every file; reaching it is a signal, or an error to those who
/// ignore that.
pub fn file_size_limit(scene: &Scenario, times: usize, dice: &mut Rng, table: &mut TortureReport) {
    let (_, needs) = sizes(scene);
    for n in 0..times {
        let ignored = n % 2 == 0;
        let row = format!("file-size limit{}, {}", if ignored { ", signal ignored" } else { "" }, scene.name);
        let began = Instant::now();
        let bytes = dice.below(needs);
        let trial = scene.new_trial();
        let trap = if ignored { "trap '' XFSZ;" } else { "" };
        let script = format!("ulimit -c 0; {trap} exec prlimit --fsize={bytes} \"$@\"");
        let mut command = with_app(Command::new("sh"));
        command.env("HOME", trial.project.root()).current_dir(trial.project.root());
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_cratedigger")]).args(&scene.command);
        let output = command.output().unwrap();
        let end = match output.status.code() {
            None if !ignored => Ok(()),
            Some(0 | STORAGE_EXIT) => Ok(()),
            code => Err(format!("it ends with {code:?}:\n{}", String::from_utf8_lossy(&output.stderr))),
        };
        let end = end.and_then(|()| scene.check_after_fault(&trial));
        table.record(&row, began, output.status.code() != Some(0), &format!("limit {n} of {bytes} bytes"), end);
    }
}

/// Bytes of the output folder before and after.
fn sizes(scene: &Scenario) -> (usize, usize) {
    let trial = scene.new_trial();
    let size = |trial: &Trial| -> u64 {
        let files = files_below(&trial.project.root().join("output"));
        files.iter().map(|file| std::fs::metadata(file).unwrap().len().next_multiple_of(4096)).sum()
    };
    let has = size(&trial);
    trial.run(&scene.command);
    (usize::try_from(has).unwrap(), usize::try_from(size(&trial).max(has + 8192)).unwrap())
}
