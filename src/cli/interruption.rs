//! Ctrl-C. The first one is noted, so that work ends in good order; a second one ends the process at
//! once.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering},
};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::build::sandbox::started;

/// Whether the user has stopped it.
static FLAG: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The same flag, from when it is first looked at: set by the first Ctrl-C; a second one ends the
/// process at once. Before, the first one does.
static CANCELLED: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
    let flag = FLAG.clone();
    for signal in [SIGINT, SIGTERM].into_iter().filter(|signal| !started::was_ignored(*signal)) {
        // an error here only means that Ctrl-C ends the process at once, which is safe
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone());
        let _ = signal_hook::flag::register(signal, flag.clone());
    }
    flag
});

/// Whether the user has stopped it.
pub(super) fn is_cancelled() -> bool {
    CANCELLED.load(Ordering::Relaxed)
}

/// What a Ctrl-C sets once something looks at it: builds and fetches do.
pub(super) fn flag() -> Arc<AtomicBool> {
    FLAG.clone()
}

/// Whether Ctrl-C was seen; as opposed to [`is_cancelled`], it ends the process at once until that is asked.
pub(super) fn is_interrupted() -> bool {
    FLAG.load(Ordering::Relaxed)
}

/// An interruption that was dealt with is none of the next build.
pub(super) fn forget() {
    CANCELLED.store(false, Ordering::Relaxed);
}
