//! The limit and the measured use of an evaluation.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use clutch_expr::{
    eval::{Interpreter, Stats},
    limit::Limit,
};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

/// The measured use of one evaluation.
pub(crate) struct Measured {
    /// Counts and times.
    pub stats: Stats,
    /// Elapsed time.
    pub total: Duration,
    /// Processor time.
    pub cpu: Duration,
    /// The profile as folded stacks; empty unless profiling is enabled.
    pub profile: Vec<u8>,
}

impl Measured {
    /// The use of an interpreter since its start. Call this on its own thread.
    pub(super) fn of(it: &Interpreter<'_>, started: Instant, profiled: bool) -> Self {
        let mut profile = Vec::new();
        if profiled {
            // writing to a vector cannot fail
            let _ = it.write_profile(&mut profile);
        }
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        let cpu = Duration::try_from(cpu).unwrap_or_default();
        Self { stats: it.stats(), total: started.elapsed(), cpu, profile }
    }
}

/// The memory limit of an evaluation: `most` bytes, or three quarters of the available memory.
pub(super) fn limit(most: Option<u64>) -> Limit {
    let bytes = most.or_else(|| Some(memory()? / 4 * 3));
    // the process uses more address space than memory, and the allocator fails at the limit: keep a
    // distance
    let space = getrlimit(Resource::As).current.map(|space| space / 3);
    let bytes = bytes.into_iter().chain(space).min();
    let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
    bytes.map_or_else(Limit::default, Limit::new)
}

/// The memory of this machine or control group, in bytes.
fn memory() -> Option<u64> {
    let machine = rustix::system::sysinfo();
    #[allow(clippy::useless_conversion, reason = "the width depends on the platform")]
    let machine = u64::from(machine.totalram).checked_mul(u64::from(machine.mem_unit));
    let groups = fs_err::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let most = Path::new(group).ancestors().filter_map(|group| {
        let file = Path::new("/sys/fs/cgroup").join(group).join("memory.max");
        fs_err::read_to_string(file).ok()?.trim().parse().ok()
    });
    machine.into_iter().chain(most).min()
}
