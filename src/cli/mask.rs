//! The mask of modes of new files (umask(2)).

use std::sync::OnceLock;

use rustix::{fs::Mode, process::umask};

/// The mask that this process started with.
static MASK: OnceLock<Mode> = OnceLock::new();

/// Sets a mask that makes new files and folders private to this user. A mask that allows others to write
/// would let them change the store, and one that allows nothing would lock out clutch itself.
pub(super) fn set() {
    let mask = umask(Mode::RWXG | Mode::RWXO);
    let _ = MASK.set(mask);
    umask((mask & (Mode::RWXG | Mode::RWXO)) | Mode::WGRP | Mode::WOTH);
}

/// Restores the original mask before this process becomes another program.
pub(super) fn restore() {
    if let Some(mask) = MASK.get() {
        umask(*mask);
    }
}
