//! Ctrl-C. The first one sets a flag, so that work ends in good order; a second one ends the process at
//! once.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering},
};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::build::sandbox::started;

/// True once the user has pressed Ctrl-C.
static FLAG: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The flag. From this call on, the first Ctrl-C sets it and a second one ends the process at once. Before,
/// the first one ends it.
static CANCELLED: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
    let flag = FLAG.clone();
    for signal in [SIGINT, SIGTERM].into_iter().filter(|signal| !started::was_ignored(*signal)) {
        // on an error, Ctrl-C ends the process at once, which is safe
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone());
        let _ = signal_hook::flag::register(signal, flag.clone());
    }
    flag
});

/// True once the user has pressed Ctrl-C.
pub(super) fn is_cancelled() -> bool {
    CANCELLED.load(Ordering::Relaxed)
}

/// The flag that Ctrl-C sets once builds or fetches check it.
pub(super) fn flag() -> Arc<AtomicBool> {
    FLAG.clone()
}

/// True if Ctrl-C was pressed. Unlike [`is_cancelled`], does not change the effect of Ctrl-C.
pub(super) fn is_interrupted() -> bool {
    FLAG.load(Ordering::Relaxed)
}

/// Clears the flag after an interruption was handled.
pub(super) fn forget() {
    CANCELLED.store(false, Ordering::Relaxed);
}
