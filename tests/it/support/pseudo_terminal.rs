//! A program in a terminal of its own: what it shows is read as it appears, and keys are typed.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::world::HUNG;

pub const ENTER: &str = "\r";
pub const DOWN: &str = "\u{1b}[B";
pub const CTRL_C: &str = "\u{3}";

pub struct PseudoTerminal {
    child: Child,
    keyboard: File,
    /// Keeps the terminal open after the child has ended.
    screen: File,
    shown: Arc<Mutex<String>>,
    /// How much of the text was waited for.
    seen: usize,
}

impl PseudoTerminal {
    /// Starts a command in a new terminal that is 80 columns wide.
    pub fn start(command: &Command) -> PseudoTerminal {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let path = ptsname(&controller, Vec::new()).unwrap();
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path.as_bytes()));
        let open = || OpenOptions::new().read(true).write(true).custom_flags_noctty().open(path).unwrap();
        let screen = open();
        tcsetwinsize(&screen, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        // Keys such as Ctrl-C reach a program only through the terminal that controls its session.
        let mut in_session = Command::new("setsid");
        in_session.arg("--ctty").arg(command.get_program()).args(command.get_args()).env_clear();
        in_session.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        in_session.env("TERM", "xterm").env("PATH", std::env::var_os("PATH").unwrap_or_default());
        in_session.current_dir(command.get_current_dir().unwrap());
        in_session.stdin(Stdio::from(open())).stdout(Stdio::from(open())).stderr(Stdio::from(open()));
        let child = in_session.spawn().unwrap();
        let keyboard = File::from(controller);
        let mut reader = keyboard.try_clone().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let showing = Arc::clone(&shown);
        std::thread::spawn(move || {
            let (mut pending, mut part) = (Vec::new(), [0; 4096]);
            while let Ok(size @ 1..) = reader.read(&mut part) {
                pending.extend_from_slice(&part[..size]);
                *showing.lock().unwrap() = String::from_utf8_lossy(&pending).into_owned();
            }
        });
        PseudoTerminal { child, keyboard, screen, shown, seen: 0 }
    }

    /// Waits for a text after the last one that was waited for.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> &mut PseudoTerminal {
        let began = Instant::now();
        loop {
            let shown = self.shown();
            if let Some(at) = shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return self;
            }
            assert!(began.elapsed() < HUNG, "{text:?} is not shown:\n{}", &shown[self.seen..]);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn press(&mut self, keys: &str) -> &mut PseudoTerminal {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Types a line once the terminal hides what is typed.
    pub fn type_hidden(&mut self, line: &str) -> &mut PseudoTerminal {
        let began = Instant::now();
        while self.echoes() {
            assert!(began.elapsed() < HUNG, "the terminal shows what is typed");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.press(&format!("{line}{ENTER}"))
    }

    /// Whether the terminal shows what is typed.
    pub fn echoes(&self) -> bool {
        tcgetattr(&self.screen).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// All that was shown so far.
    pub fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    /// Waits for the end of the program, and returns its exit code.
    pub fn exit_code(&mut self) -> i32 {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(began.elapsed() < HUNG, "the program does not end:\n{}", self.shown());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

trait WithoutControl {
    fn custom_flags_noctty(&mut self) -> &mut OpenOptions;
}

impl WithoutControl for OpenOptions {
    /// The terminal must not become that of the tests.
    fn custom_flags_noctty(&mut self) -> &mut OpenOptions {
        use std::os::unix::fs::OpenOptionsExt as _;
        self.custom_flags(rustix::fs::OFlags::NOCTTY.bits() as i32)
    }
}

impl Drop for PseudoTerminal {
    fn drop(&mut self) {
        // It has usually ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
