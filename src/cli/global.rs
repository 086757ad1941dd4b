//! The options of every command.

use std::path::PathBuf;

use clap::ArgAction;

/// Options of every command.
#[derive(clap::Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Use the store in DIR (default: $CLUTCH_STORE, else /clutch if it is writable, else
    /// $XDG_DATA_HOME/clutch).
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) store: Option<PathBuf>,
    /// Evaluate for SYSTEM, such as `aarch64-linux` (default: the system of this machine).
    #[arg(long, value_name = "SYSTEM", global = true)]
    pub(super) system: Option<String>,
    /// Do not access the network.
    #[arg(long, global = true)]
    pub(super) offline: bool,
    /// Set the address of a package index, such as `pypi=ADDRESS`; can be repeated.
    #[arg(long, value_name = "NAME=ADDRESS", global = true)]
    pub(super) index: Vec<String>,
    /// Print results and errors as JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Write progress events to FILE, one JSON object per line; `-` is standard error.
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) events: Option<PathBuf>,
    /// Show build output.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// Print only results and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Show the full trace of an evaluation error.
    #[arg(long, global = true)]
    pub(super) show_trace: bool,
}
