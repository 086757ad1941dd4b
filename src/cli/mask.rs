//! The mask of modes of new files (umask(2)).

use std::sync::OnceLock;

use rustix::{fs::Mode, process::umask};

/// The mask of modes that this process was started with.
static MASK: OnceLock<Mode> = OnceLock::new();

/// Has new files and folders belong to this user alone: with a mask that lets others write, they could change the
/// store, and with one that lets nobody, not even clutch could use it.
pub(super) fn set() {
    let mask = umask(Mode::RWXG | Mode::RWXO);
    let _ = MASK.set(mask);
    umask((mask & (Mode::RWXG | Mode::RWXO)) | Mode::WGRP | Mode::WOTH);
}

/// Has the program that this process becomes start with the mask that this process was started with.
pub(super) fn restore() {
    if let Some(mask) = MASK.get() {
        umask(*mask);
    }
}
