//! Delivers a message by running the operator's command.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::message::AlertMessage;
use crate::child_environment;

/// Runs a program with the message on its standard input and in `CRATEDIGGER_*` variables. After `timeout`
/// the program and its children are killed.
///
/// # Errors
/// Why the program failed, in one line.
pub(super) async fn run_hook(command: &[String], message: &AlertMessage, timeout: Duration) -> Result<(), String> {
    let [program, args @ ..] = command else { return Ok(()) };
    let mut child = Command::new(program);
    child
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A separate process group, so that its children can be killed with it.
        .process_group(0)
        .kill_on_drop(true)
        .env_clear()
        .envs(child_environment::passed_on())
        .env("CRATEDIGGER_EVENT", message.event.as_str())
        .env("CRATEDIGGER_JOB", &message.job)
        .env("CRATEDIGGER_TEXT", &message.text)
        .env("CRATEDIGGER_RUN", message.run.map(|run| run.to_string()).unwrap_or_default())
        .env("CRATEDIGGER_EXIT_CODE", message.exit_code.map(|code| code.to_string()).unwrap_or_default());
    let mut child = child.spawn().map_err(|e| format!("failed to start {program}: {e}"))?;
    let group = ProcessGroup(child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw));
    let text = message.to_text();
    let whole = async {
        if let Some(mut input) = child.stdin.take() {
            // The program need not read its input.
            let _ = input.write_all(text.as_bytes()).await;
        }
        child.wait().await
    };
    match tokio::time::timeout(timeout, whole).await {
        Ok(ended) => {
            group.release();
            match ended {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("{program} exited with {status}")),
                Err(e) => Err(format!("failed to wait for {program}: {e}")),
            }
        }
        Err(_) => {
            drop(group);
            let _ = child.wait().await;
            Err(format!("{program} took longer than {} s and was killed", timeout.as_secs()))
        }
    }
}

/// Kills a program and its children when dropped.
struct ProcessGroup(Option<rustix::process::Pid>);

impl ProcessGroup {
    /// The program has ended, and another process may soon have its number.
    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}
