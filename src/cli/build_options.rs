//! The options of every command that builds.

use std::collections::BTreeSet;

use super::{
    context::Context,
    expression::EndOfSection,
    quantity::{number, seconds, size},
};
use crate::build::{Options, queue::Jobs, sandbox::Limits};

/// The build options.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Build options")]
pub(super) struct BuildArguments {
    /// Number of parallel builds (default: the number of processors).
    #[arg(short, long, value_name = "N", value_parser = number::<usize>)]
    jobs: Option<usize>,
    /// Number of processors that each build can use (default: 0, which means all). N parallel builds
    /// can use N times as many, so lower it together with --jobs.
    #[arg(long, value_name = "N", value_parser = number::<usize>, default_value_t = 0,
        hide_default_value = true)]
    cores: usize,
    /// Continue with other builds after a failure (default if $CI is set).
    #[arg(short, long, overrides_with = "no_keep_going")]
    keep_going: bool,
    /// Start no new builds after a failure (default unless $CI is set).
    #[arg(long, overrides_with = "keep_going")]
    no_keep_going: bool,
    /// Keep the working folder of a failed build and print its path.
    #[arg(long)]
    keep_failed: bool,
    /// Stop a build that takes longer than this.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<u64>,
    /// Stop a build that prints nothing for this long.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    max_silent_time: Option<u64>,
    /// Stop a build that prints more than SIZE; 0 means no limit.
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "512M")]
    max_log_size: u64,
    /// Stop a build that uses more than SIZE of disk space.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_disk: Option<u64>,
    /// Stop a build that creates more than N files and folders.
    #[arg(long, value_name = "N", value_parser = number::<u64>)]
    max_files: Option<u64>,
    /// Stop a build that uses more than SIZE of memory; requires control groups.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_memory: Option<u64>,
    /// Limit a build to N processes and threads (default: 8192); as root, requires control groups.
    #[arg(long, value_name = "N", value_parser = number::<u64>)]
    max_processes: Option<u64>,
    #[command(flatten)]
    end: EndOfSection,
}

/// True in continuous integration, where a run should show all failures.
fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false"))
}

impl BuildArguments {
    /// The options as values.
    pub(super) fn options(&self, context: &Context) -> Options {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let duration = |n: Option<u64>| n.map(std::time::Duration::from_secs);
        Options {
            jobs: Jobs { builds: self.jobs.unwrap_or(processors).max(1), fetches: 8 },
            keep_going: self.keep_going || (is_ci() && !self.no_keep_going),
            cores: if self.cores == 0 { processors } else { self.cores },
            limits: Limits {
                wall: duration(self.timeout),
                silence: duration(self.max_silent_time),
                log_bytes: Some(self.max_log_size).filter(|&most| most > 0),
                disk: self.max_disk,
                files: self.max_files,
                memory: self.max_memory,
                processes: self.max_processes,
                ..Limits::default()
            },
            keep_failed: self.keep_failed,
            system: context.session.settings.system().to_owned(),
            damaged: BTreeSet::new(),
        }
    }
}
