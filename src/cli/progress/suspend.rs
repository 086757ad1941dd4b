//! Ctrl-Z while something is drawn. It has to be gone before the shell prints below it, and to be drawn
//! elsewhere afterwards; so the signal waits for the one who draws, who does that ten times a second.
//! While nothing is drawn the signal stops the process as it always does.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use signal_hook::{consts::SIGTSTP, flag, low_level::emulate_default_handler};

struct Flags {
    /// Nothing is drawn.
    idle: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
}

static FLAGS: LazyLock<Flags> = LazyLock::new(|| {
    let flags = Flags { idle: Arc::new(AtomicBool::new(true)), asked: Arc::default() };
    // without them Ctrl-Z stops the process where it is, which only looks bad
    let _ = flag::register_conditional_default(SIGTSTP, flags.idle.clone());
    let _ = flag::register(SIGTSTP, flags.asked.clone());
    flags
});

/// From now on [`asked`] is called often.
pub(super) fn hold() {
    FLAGS.asked.store(false, SeqCst);
    FLAGS.idle.store(false, SeqCst);
}

/// Whether somebody has pressed Ctrl-Z; then what is drawn is to be removed before [`stop`].
pub(super) fn asked() -> bool {
    FLAGS.asked.swap(false, SeqCst)
}

/// Stops the process; comes back when it goes on.
pub(super) fn stop() {
    let _ = emulate_default_handler(SIGTSTP);
}

/// Nothing is drawn any more.
pub(super) fn release() {
    FLAGS.idle.store(true, SeqCst);
    if asked() {
        stop();
    }
}
