//! Starting programs. Tests run beside each other in one process, and a child that is forked and has not
//! executed its program yet has open what its parent has open then: a tree of another test's store, say, which
//! a collection has to leave alone while somebody has it open.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{PoisonError, RwLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::{Ran, Space};

/// How long something may take that takes moments.
const PATIENCE: Duration = Duration::from_secs(60);

/// Held with others from a fork until the program is executed.
static STARTING: RwLock<()> = RwLock::new(());

/// Runs a program that reads nothing, and gives what it wrote.
pub fn output(command: &mut Command) -> std::io::Result<Output> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = {
        let _starting = STARTING.read().unwrap_or_else(PoisonError::into_inner);
        command.spawn()?
    };
    child.wait_with_output()
}

/// Runs a program that reads and writes what this process does.
pub fn status(command: &mut Command) -> std::io::Result<ExitStatus> {
    let child = {
        let _starting = STARTING.read().unwrap_or_else(PoisonError::into_inner);
        command.spawn()
    };
    child?.wait()
}

/// Waits until no child has open any more what this thread has closed.
pub fn settle() {
    drop(STARTING.write().unwrap_or_else(PoisonError::into_inner));
}

/// A command that runs; what it says on standard error is read all the time.
pub struct Running {
    /// Its process.
    pub child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// Starts the binary with these arguments.
    #[must_use]
    pub fn start(space: &Space, args: &[&str]) -> Self {
        let mut command = space.command();
        command.args(args).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| drop(send.send(line)));
        });
        Self { child, lines }
    }

    /// Waits until it says something.
    pub fn says(&self, wanted: &str) {
        let mut said = String::new();
        while !said.contains(wanted) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => said += &format!("{line}\n"),
                Err(_) => panic!("'{wanted}' is not said: {said}"),
            }
        }
    }

    /// Waits for its end, and gives what else it has said.
    #[must_use]
    pub fn end(mut self, place: &str) -> Ran {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > end => panic!("it hangs: {place}"),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let stderr = self.lines.iter().collect::<Vec<_>>().join("\n");
        Ran { code: status.code().unwrap_or(-1), stdout: String::new(), stderr }
    }
}
