//! Ctrl-Z during drawing. The lines must be removed before the shell prints, and drawn again afterwards. So
//! the signal only sets a flag, which the drawing thread checks ten times per second. While nothing is
//! drawn, the signal stops the process as usual.

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
    // without the handlers Ctrl-Z stops the process at once, which only looks bad
    let _ = flag::register_conditional_default(SIGTSTP, flags.idle.clone());
    let _ = flag::register(SIGTSTP, flags.asked.clone());
    flags
});

/// Starts handling Ctrl-Z. [`asked`] must then be called often.
pub(super) fn hold() {
    FLAGS.asked.store(false, SeqCst);
    FLAGS.idle.store(false, SeqCst);
}

/// True if the user pressed Ctrl-Z. Remove the drawn lines before [`stop`].
pub(super) fn asked() -> bool {
    FLAGS.asked.swap(false, SeqCst)
}

/// Stops the process; returns when it continues.
pub(super) fn stop() {
    let _ = emulate_default_handler(SIGTSTP);
}

/// Stops handling Ctrl-Z.
pub(super) fn release() {
    FLAGS.idle.store(true, SeqCst);
    if asked() {
        stop();
    }
}
