//! Starts the command line, unless this process was started for the sandbox.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Err(error) = clutch::build::sandbox::init_if_helper() {
        anstream::eprintln!("error: {error}");
        return ExitCode::from(4);
    }
    ExitCode::SUCCESS
}
