//! Runs of the binary that are disturbed at a chosen system call (`fault.c`): killed there, refused
//! with an error, given half of what they asked for; or recorded.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::{Ran, Space, child, compile};

/// Which system calls are counted. All but [`Class::Open`] and [`Class::Slow`] are about files of the
/// space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Those that change files.
    Change,
    /// Those that need space on the disk.
    Space,
    /// Those that reach the disk.
    Io,
    /// Those that open something.
    Open,
    /// Those that a signal may interrupt, on some file systems at least.
    Slow,
    /// Those that read or write more than one byte.
    Data,
    /// Those that give another name.
    Move,
}

/// The disturbance of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Count,
    /// The process is killed before it.
    Kill(u32),
    /// The process is killed after it; a write is done by half.
    Torn(u32),
    /// It gives this error.
    Fail(u32, i32),
    /// It and all that follow give this error.
    From(u32, i32),
    /// It reads or writes half.
    Short(u32),
}

/// A run that was disturbed.
pub struct Disturbed {
    /// How it ended; 137 for one that was killed.
    pub ran: Ran,
    /// How many calls of the class it made.
    pub calls: u32,
    /// The call that was disturbed, if it was reached.
    pub call: Option<String>,
}

impl Space {
    /// Runs the binary and disturbs it.
    pub fn disturbed(&self, args: &[&str], class: Class, action: Action) -> Disturbed {
        let (name, number, error) = match action {
            Action::Count => ("count", 0, 0),
            Action::Kill(n) => ("kill", n, 0),
            Action::Torn(n) => ("torn", n, 0),
            Action::Fail(n, error) => ("fail", n, error),
            Action::From(n, error) => ("from", n, error),
            Action::Short(n) => ("short", n, 0),
        };
        let (ran, report) = self.traced(args, class, name, number, error);
        let text = String::from_utf8(report).unwrap();
        let (calls, call) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
        let call = Some(call.to_owned()).filter(|call| !call.is_empty());
        Disturbed { ran, calls: calls.parse().unwrap(), call }
    }

    /// Runs the binary, which must succeed, and records how it changes the files of the space
    /// (`power` reads the record).
    pub fn recorded(&self, args: &[&str]) -> Vec<u8> {
        let (ran, report) = self.traced(args, Class::Change, "record", 0, 0);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        report
    }

    fn traced(
        &self,
        args: &[&str],
        class: Class,
        action: &str,
        number: u32,
        error: i32,
    ) -> (Ran, Vec<u8>) {
        // outside of what is traced
        let report = tempfile::NamedTempFile::new().unwrap();
        let plain = self.command();
        let mut command = Command::new(program());
        command.env_clear().stdin(Stdio::null()).current_dir(self.path("project"));
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // calls come in the same order in every run, as far as that is possible
        command.env("RAYON_NUM_THREADS", "1");
        let class = format!("{class:?}").to_lowercase();
        command.arg(self.path("")).arg(report.path()).args([&class, action]);
        command.arg(number.to_string()).arg(error.to_string());
        let output = child::output(command.arg(plain.get_program()).args(args)).unwrap();
        let ran = Ran::of(output);
        assert!(ran.code != -1 && ran.code != 99, "{args:?} hangs or cannot run: {}", ran.stderr);
        (ran, fs_err::read(report.path()).unwrap())
    }
}

/// The compiled `fault.c`.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    &PROGRAM.get_or_init(|| compile("fault.c", &["-O1"])).1
}
