//! Starting programs. Tests run beside each other in one process, and a child that is forked and has not
//! executed its program yet has open what its parent has open then: a tree of another test's store, say, which
//! a collection has to leave alone while somebody has it open.

use std::{
    process::{Command, ExitStatus, Output, Stdio},
    sync::{PoisonError, RwLock},
};

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
