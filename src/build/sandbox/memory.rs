//! Detects that the machine ran out of memory: then the kernel kills processes, and the build only shows that
//! one was killed.

use std::sync::OnceLock;

/// The number of processes that the kernel had killed for it when clutch began to run programs.
static BEFORE: OnceLock<u64> = OnceLock::new();

/// Begins to watch; further calls change nothing.
pub(super) fn watch() {
    BEFORE.get_or_init(ended);
}

/// True if the kernel has killed any process for lack of memory meanwhile.
fn ran_out() -> bool {
    BEFORE.get().is_some_and(|before| ended() > *before)
}

/// The words for an error, or `otherwise`.
pub(in crate::build) fn words(otherwise: &'static str) -> &'static str {
    match ran_out() {
        true => {
            "; meanwhile the kernel has killed processes for lack of memory: run fewer builds at once \
             (--jobs 1), use fewer processors (--cores), or bound builds with --max-memory"
        }
        false => otherwise,
    }
}

/// `oom_kill` of `/proc/vmstat` (Linux 4.13): since the machine started, in all control groups.
fn ended() -> u64 {
    let text = fs_err::read_to_string("/proc/vmstat").unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}
