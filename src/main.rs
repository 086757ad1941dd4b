//! Starts the command line, unless this process is the sandbox's helper.

fn main() {
    clutch::build::sandbox::init_if_helper();
}
