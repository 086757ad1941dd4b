//! A terminal with somebody who types and reads.

use std::{
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::Space;

/// A command on a terminal of its own (by `script`).
pub struct Terminal {
    child: Child,
    said: Arc<Mutex<String>>,
    /// The end of the output that was looked at.
    seen: usize,
}

impl Terminal {
    /// Starts a line of shell commands.
    ///
    /// # Panics
    /// If there is no `script`.
    #[must_use]
    pub fn new(space: &Space, line: &str, variables: &[(&str, &str)]) -> Self {
        let mut command: Command = space.command_of("script");
        command.args(["-qefc", line, "/dev/null"]).env("TERM", "dumb");
        command.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("script, of util-linux");
        let mut out = child.stdout.take().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let shared = said.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut buffer) {
                *shared.lock().unwrap() += &String::from_utf8_lossy(&buffer[..count]);
            }
        });
        Self { child, said, seen: 0 }
    }

    /// Waits until a text is printed, and gives what came before it.
    ///
    /// # Panics
    /// If it does not come in two minutes.
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let said = self.said.lock().unwrap().clone();
            if let Some(at) = said[self.seen..].find(text) {
                let before = said[self.seen..][..at].to_owned();
                self.seen += at + text.len();
                return before;
            }
            assert!(Instant::now() < deadline, "'{text}' is missing: {}", &said[self.seen..]);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types something.
    ///
    /// # Panics
    /// If nobody reads it.
    pub fn write(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        input.flush().unwrap();
    }
}

impl Terminal {
    /// Waits for the end and gives the exit code.
    ///
    /// # Panics
    /// If it was killed.
    pub fn end(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
