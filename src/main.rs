//! The `clutch` command. All of its code is in [`clutch::cli`].

use std::process::ExitCode;

/// The evaluator's arena and the many small paths of a build ask for memory in bursts.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // before anything else: this program is also the process that sets up sandboxes and views
    if let Err(error) = clutch::build::sandbox::init_if_helper() {
        return clutch::cli::refused(error);
    }
    clutch::cli::main()
}
