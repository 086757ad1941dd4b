//! The signals that were ignored or blocked when this program was started. Rust's runtime ignores SIGPIPE
//! before `main`, and clutch handles others. A program that replaces clutch, or is started for its user, gets
//! the signals as they were.

use std::{
    os::unix::process::CommandExt as _,
    process::Command,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// One bit a signal, as `/proc/self/status` has them.
static IGNORED: AtomicU64 = AtomicU64::new(0);
static BLOCKED: AtomicU64 = AtomicU64::new(0);

const SIGNALS: std::ops::RangeInclusive<i32> = 1..=64;

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Runs before the runtime begins.
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD: extern "C" fn() = {
    extern "C" fn record() {
        // SAFETY: these only look; all zeros are a valid action and set.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigprocmask(libc::SIG_SETMASK, std::ptr::null(), &raw mut set);
            for signal in SIGNALS {
                let mut action: libc::sigaction = std::mem::zeroed();
                // the C library keeps some signals to itself
                let known = libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0;
                if known && action.sa_sigaction == libc::SIG_IGN {
                    IGNORED.fetch_or(bit(signal), Relaxed);
                }
                if libc::sigismember(&raw const set, signal) == 1 {
                    BLOCKED.fetch_or(bit(signal), Relaxed);
                }
            }
        }
    }
    record
};

/// True if this program was started with that signal ignored: then its user does not want it to end by it.
#[must_use]
pub fn was_ignored(signal: i32) -> bool {
    IGNORED.load(Relaxed) & bit(signal) != 0
}

/// Restores the signals. Nothing of this program that relies on a handler works afterwards.
pub fn restore() {
    let (ignored, blocked) = (IGNORED.load(Relaxed), BLOCKED.load(Relaxed));
    // SAFETY: these calls may be made between fork and exec; no handler of ours is installed by them, and all
    // zeros are a valid set.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in SIGNALS {
            let action = if ignored & bit(signal) != 0 { libc::SIG_IGN } else { libc::SIG_DFL };
            libc::signal(signal, action);
            if blocked & bit(signal) != 0 {
                libc::sigaddset(&raw mut set, signal);
            }
        }
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}

/// Has a program start with signals as they were, not as this one has them.
pub fn exec_as_started(command: &mut Command) {
    let restore = || {
        restore();
        Ok(())
    };
    // SAFETY: `restore` does nothing but calls that are allowed there.
    unsafe { command.pre_exec(restore) };
}
