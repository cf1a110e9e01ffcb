//! Disks that are full for real, and files that may not grow.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::dice::Dice;
use crate::scene::Scene;
use crate::table::Table;
use crate::trial::{Trial, copy_folder, files_below, with_app};

/// The storage exit code.
const STORAGE: i32 = 74;

/// A small file system in place of a project's output folder.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Puts a trial's output onto a disk of so many bytes; `None` where only root may.
    fn under(trial: &Trial, bytes: usize) -> Option<SmallDisk> {
        let (root, at) = (trial.project.root(), trial.project.root().join("output"));
        let aside = root.join("aside");
        std::fs::create_dir_all(&at).unwrap();
        std::fs::rename(&at, &aside).unwrap();
        std::fs::create_dir(&at).unwrap();
        let disk =
            mount(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "none"], &at).then(|| SmallDisk { at: at.clone() });
        copy_folder(&aside, &at);
        std::fs::remove_dir_all(&aside).unwrap();
        disk
    }

    fn grow(&self) {
        assert!(mount(&["-o", "remount,size=64m"], &self.at), "the disk does not grow");
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

/// Runs a scene on disks of so many sizes between what it has and what it needs; then they grow.
pub fn full_disk(scene: &Scene, times: usize, dice: &mut Dice, table: &mut Table) {
    let row = format!("full disk, {}", scene.name);
    let (has, needs) = sizes(scene);
    for n in 0..times {
        let began = Instant::now();
        let bytes = has + dice.below(needs - has) + 8192;
        let trial = scene.trial();
        let Some(disk) = SmallDisk::under(&trial, bytes) else {
            println!("{row}: skipped, only root may mount a small disk");
            return;
        };
        let ran = trial.run(&scene.struck);
        let end = match ran.code {
            0 => Ok(()),
            STORAGE if ran.stderr.contains("full") || ran.stderr.contains("No space") => Ok(()),
            code => Err(format!("it ends with {code}:\n{}", ran.stderr)),
        };
        disk.grow();
        let end = end.and_then(|()| scene.judge(&trial));
        table.note(&row, began, ran.code == STORAGE, &format!("disk {n} of {bytes} bytes"), end);
    }
}

/// Runs a scene with a limit to the size of every file; reaching it is a signal, or an error to those who
/// ignore that.
pub fn file_size_limit(scene: &Scene, times: usize, dice: &mut Dice, table: &mut Table) {
    let (_, needs) = sizes(scene);
    for n in 0..times {
        let ignored = n % 2 == 0;
        let row = format!("file-size limit{}, {}", if ignored { ", signal ignored" } else { "" }, scene.name);
        let began = Instant::now();
        let bytes = dice.below(needs);
        let trial = scene.trial();
        let trap = if ignored { "trap '' XFSZ;" } else { "" };
        let script = format!("ulimit -c 0; {trap} exec prlimit --fsize={bytes} \"$@\"");
        let mut command = with_app(Command::new("sh"));
        command.env("HOME", trial.project.root()).current_dir(trial.project.root());
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_cratedigger")]).args(&scene.struck);
        let output = command.output().unwrap();
        let end = match output.status.code() {
            None if !ignored => Ok(()),
            Some(0 | STORAGE) => Ok(()),
            code => Err(format!("it ends with {code:?}:\n{}", String::from_utf8_lossy(&output.stderr))),
        };
        let end = end.and_then(|()| scene.judge(&trial));
        table.note(&row, began, output.status.code() != Some(0), &format!("limit {n} of {bytes} bytes"), end);
    }
}

/// Bytes of the output folder before and after.
fn sizes(scene: &Scene) -> (usize, usize) {
    let trial = scene.trial();
    let size = |trial: &Trial| -> u64 {
        let files = files_below(&trial.project.root().join("output"));
        files.iter().map(|file| std::fs::metadata(file).unwrap().len().next_multiple_of(4096)).sum()
    };
    let has = size(&trial);
    trial.run(&scene.struck);
    (usize::try_from(has).unwrap(), usize::try_from(size(&trial).max(has + 8192)).unwrap())
}
