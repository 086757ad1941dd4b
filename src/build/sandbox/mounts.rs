//! Binds and small file systems, from which a root is built. Every host path is opened before
//! the root changes and every path inside is made after it, so a link in a tree that was bound in
//! cannot lead to the host.

use std::{
    ffi::OsStr,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, mkdir, open, openat, readlinkat, symlink},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags,
        MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
        mount_change, move_mount, open_tree,
    },
};

use super::{
    kernel::{Fail, last_errno},
    wire::{Failure, Step},
};
use crate::files::FOLDER;

/// The devices of the host that show inside.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// Something of the host, opened, and where it will show.
pub(super) struct Source {
    inside: PathBuf,
    content: Content,
}

enum Content {
    Tree {
        mount: OwnedFd,
        directory: bool,
    },
    /// Links cannot be bound; they are made again.
    Link(PathBuf),
}

/// The devices, opened; they show at the same place below the working directory.
pub(super) fn devices() -> Result<Vec<Source>, Failure> {
    DEVICES
        .iter()
        .map(|name| {
            let path = Path::new("/dev").join(name);
            let mount = tree(CWD, &path)?;
            // A device of a read-only mount can be written to, but not changed.
            let set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
            set_attributes(&mount, c"", set, &path)?;
            let inside = Path::new("dev").join(name);
            Ok(Source { inside, content: Content::Tree { mount, directory: false } })
        })
        .collect()
}

/// The host's files, while they are still there.
pub(super) struct Host {
    /// A folder, opened, in which no link is followed.
    place: Option<(PathBuf, OwnedFd)>,
    /// The folder in it that was opened last.
    last: Option<(PathBuf, OwnedFd)>,
}

/// The flags for opening a folder on the way: it need not be listable.
const ON_THE_WAY: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Host {
    /// `place` is the working directory of this process. It need not be found by its path, since that may lead
    /// through folders that only root may enter.
    pub(super) fn new(place: Option<&Path>) -> Result<Self, Failure> {
        let open = |path: &Path| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = open(".", flags, Mode::empty()).fail(Step::OpenSource, path)?;
            Ok((path.to_owned(), opened))
        };
        Ok(Self { place: place.map(open).transpose()?, last: None })
    }

    /// A copy of the mounts at a path.
    pub(super) fn tree(&mut self, path: &Path) -> Result<OwnedFd, Failure> {
        let Some((folder, name)) = self.above(path)? else { return tree(CWD, path) };
        tree(folder, name).map_err(|failure| Failure { on: path.display().to_string(), ..failure })
    }

    /// Opens a folder to list it; no link is followed to it.
    pub(super) fn folder(&mut self, path: &Path) -> Result<OwnedFd, Failure> {
        let opened = match self.above(path)? {
            Some((folder, name)) => openat(folder, name, FOLDER, Mode::empty()),
            None => open(path, FOLDER, Mode::empty()),
        };
        opened.fail(Step::OpenSource, path)
    }

    /// The folder of a path that is in `place`, opened without following a link in it, and the path's last
    /// part.
    fn above<'p>(&mut self, path: &'p Path) -> Result<Option<(&OwnedFd, &'p Path)>, Failure> {
        let Some((place, opened)) = &self.place else { return Ok(None) };
        let Ok(below) = path.strip_prefix(place) else { return Ok(None) };
        let (Some(parent), Some(name)) = (below.parent(), below.file_name()) else {
            return Ok(None);
        };
        if self.last.as_ref().is_none_or(|(last, _)| last != parent) {
            let mut folder = openat(opened, ".", ON_THE_WAY, Mode::empty());
            for part in parent {
                folder = folder.and_then(|folder| openat(folder, part, ON_THE_WAY, Mode::empty()));
            }
            self.last = Some((parent.to_owned(), folder.fail(Step::OpenSource, path)?));
        }
        Ok(self.last.as_ref().map(|(_, folder)| (folder, Path::new(name))))
    }
}

impl Source {
    /// Refuses to show this below a link, which a root tree can have in any place but those that are the
    /// sandbox's own: it might lead to what process 1 has open.
    pub(super) fn check_place(&self, own: &[&str]) -> Result<(), Failure> {
        let mut parts = self.inside.iter().skip(1).peekable();
        if parts.peek().is_none_or(|first| own.iter().any(|own| *first == *own)) {
            return Ok(());
        }
        let mut folder =
            open("/", ON_THE_WAY, Mode::empty()).fail(Step::OpenSource, &self.inside)?;
        while let Some(part) = parts.next()
            && parts.peek().is_some()
        {
            folder = match openat(&folder, part, ON_THE_WAY, Mode::empty()) {
                Err(Errno::NOENT) => return Ok(()),
                other => other.fail(Step::File, &self.inside)?,
            };
        }
        Ok(())
    }
}

/// Takes what was opened of the host. It keeps its mounts' attributes if `writable` does not say.
pub(super) fn source(
    mount: OwnedFd,
    host: &Path,
    inside: PathBuf,
    writable: Option<bool>,
) -> Result<Source, Failure> {
    let kind = FileType::from_raw_mode(fstat(&mount).fail(Step::OpenSource, host)?.st_mode);
    if kind == FileType::Symlink {
        let target = readlinkat(&mount, "", Vec::new()).fail(Step::OpenSource, host)?;
        let target = PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes()));
        return Ok(Source { inside, content: Content::Link(target) });
    }
    if let Some(writable) = writable {
        let set = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        let set = if writable { set } else { set | libc::MOUNT_ATTR_RDONLY };
        set_attributes(&mount, c"", set, host)?;
    }
    Ok(Source { inside, content: Content::Tree { mount, directory: kind == FileType::Directory } })
}

/// A copy of the mounts below a path, attached nowhere.
pub(super) fn tree(folder: impl AsFd, path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    open_tree(folder, path, flags).fail(Step::OpenSource, path)
}

/// Adds attributes to a mount and those below it (mount_setattr, Linux 5.12). What the host mounts there later
/// does not show.
pub(super) fn set_attributes(
    at: impl AsFd,
    path: &std::ffi::CStr,
    set: u64,
    on: impl AsRef<OsStr>,
) -> Result<(), Failure> {
    let propagation = libc::MS_PRIVATE;
    change(at, path, &libc::mount_attr { attr_set: set, attr_clr: 0, propagation, userns_fd: 0 })
        .fail(Step::Bind, on)
}

/// Has the users of a mount that was copied, and those below it, mapped as in that user namespace (Linux 5.12,
/// where the file system can do that).
pub(super) fn map_users(mount: &OwnedFd, namespace: &OwnedFd) -> Result<(), Errno> {
    let namespace = namespace.as_raw_fd() as u64;
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: namespace,
    };
    change(mount, c"", &attributes)
}

fn change(
    at: impl AsFd,
    path: &std::ffi::CStr,
    attributes: &libc::mount_attr,
) -> Result<(), Errno> {
    let mut flags = 0x8000; // AT_RECURSIVE
    if path.is_empty() {
        flags |= libc::AT_EMPTY_PATH;
    }
    // SAFETY: `path` ends with a null byte, `attributes` has the size that is passed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
            std::ptr::from_ref(attributes),
            size_of::<libc::mount_attr>(),
        )
    };
    if done < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Lets what the host mounts and unmounts from now on happen in this mount namespace, too, and nothing the other
/// way round. Copies that stay as they were would keep what was unmounted busy.
pub(super) fn follow_host() -> Result<(), Failure> {
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)
        .fail(Step::Propagation, "/")
}

/// Makes the one mount at `path` read-only, not those below it.
pub(super) fn set_read_only(path: &str) -> Result<(), Failure> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID;
    rustix::mount::mount_remount(path, flags, c"").fail(Step::RootFs, path)
}

pub(super) fn tmpfs(mode: &str) -> Result<OwnedFd, Failure> {
    let step = |r| Fail::fail(r, Step::RootFs, "tmpfs");
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).fail(Step::RootFs, "tmpfs")?;
    let (key, value) = mode.split_once('=').unwrap_or((mode, ""));
    step(fsconfig_set_string(&fs, key, value))?;
    step(fsconfig_create(&fs))?;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NOSUID)
        .fail(Step::RootFs, "tmpfs")
}

/// Attaches a source at its place, which is made first.
pub(super) fn show(source: Source) -> Result<(), Failure> {
    let inside = source.inside;
    match source.content {
        Content::Link(target) => match symlink(&target, &inside) {
            Err(Errno::NOENT) => {
                parents(&inside)?;
                symlink(&target, &inside).fail(Step::File, &inside)
            }
            other => other.fail(Step::File, &inside),
        },
        Content::Tree { mount, directory } => {
            match place(&inside, directory) {
                Err(Errno::NOENT) => {
                    parents(&inside)?;
                    place(&inside, directory)
                }
                other => other,
            }
            .fail(Step::File, &inside)?;
            move_mount(&mount, "", CWD, &inside, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
                .fail(Step::Bind, &inside)
        }
    }
}

fn place(inside: &Path, directory: bool) -> rustix::io::Result<()> {
    let made = if directory {
        mkdir(inside, Mode::from_raw_mode(0o755))
    } else {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        open(inside, flags, Mode::from_raw_mode(0o644)).map(drop)
    };
    match made {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

pub(super) fn directory(path: impl AsRef<Path>, mode: u32) -> Result<(), Failure> {
    let path = path.as_ref();
    match mkdir(path, Mode::from_raw_mode(mode)) {
        Err(Errno::EXIST) => Ok(()),
        other => other.fail(Step::File, path),
    }
}

fn parents(path: &Path) -> Result<(), Failure> {
    let ancestors: Vec<_> =
        path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()).collect();
    ancestors.into_iter().rev().try_for_each(|parent| directory(parent, 0o755))
}
