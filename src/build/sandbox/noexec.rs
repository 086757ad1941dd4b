//! Mounts on which nothing can be executed.

use std::path::{Path, PathBuf};

/// The mount that a place is on, if nothing on it can be executed.
#[must_use]
pub fn noexec_mount(place: &Path) -> Option<PathBuf> {
    use rustix::fs::{AtFlags, CWD, StatVfsMountFlags, StatxFlags, statvfs, statx};
    if !statvfs(place).ok()?.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return None;
    }
    // before Linux 5.8 mounts have no number, but most have a device of their own
    let mount = |place: &Path| {
        let found = statx(CWD, place, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
        Some((found.stx_mnt_id, found.stx_dev_major, found.stx_dev_minor))
    };
    let place = fs_err::canonicalize(place).unwrap_or_else(|_| place.to_owned());
    let own = mount(&place);
    let within = place.ancestors().take_while(|above| mount(above) == own);
    Some(within.last().unwrap_or(&place).to_owned())
}
