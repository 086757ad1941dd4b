//! Control groups: bounds on what all processes of one run use together, if this machine lets this
//! user make them. Both versions of the interface are known (cgroup-v2.rst and cgroup-v1/ in the
//! kernel's documentation). A bound that was asked for and cannot be set is an error.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rustix::fs::{Access, access};

use super::{GroupError, Limits, SandboxError};

/// Names of groups begin with this; the number of the process that made them follows.
const PREFIX: &str = "clutch-";

/// Groups are made by one thread at a time: the first may have to move this process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The resources that can be bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    Memory,
    Pids,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A folder in which groups can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    folder: PathBuf,
    version: Version,
}

/// The files of `/proc/self` with the groups of this process.
struct Own {
    groups: String,
    mounts: String,
}

impl Controller {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
        }
    }
}

/// The place in which groups that bound this can be made. It is looked for once: the first group may
/// move this process into one of its own, which is no place for others.
///
/// # Errors
/// If there is none.
pub(super) fn place(controller: Controller) -> Result<Place, GroupError> {
    static FOUND: OnceLock<[Result<Place, GroupError>; 2]> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let read = |file: &str| {
            fs_err::read_to_string(file).map_err(|error| GroupError::Unreadable(Arc::new(error)))
        };
        let own = || -> Result<Own, GroupError> {
            Ok(Own { groups: read("/proc/self/cgroup")?, mounts: read("/proc/self/mountinfo")? })
        };
        let own = own();
        [Controller::Memory, Controller::Pids].map(|c| own.as_ref().map_err(Clone::clone)?.place(c))
    });
    found[controller as usize].clone()
}

/// True if the memory of a run can be limited here.
///
/// # Errors
/// If it cannot, the reason.
pub fn can_limit_memory() -> Result<(), GroupError> {
    place(Controller::Memory).map(drop)
}

impl Place {
    /// A description of the place.
    pub(super) fn told(&self) -> String {
        let version = if self.version == Version::One { 1 } else { 2 };
        format!("version {version}, in '{}'", self.folder.display())
    }
}

impl Own {
    fn place(&self, controller: Controller) -> Result<Place, GroupError> {
        let name = controller.name();
        let has = |list: &str, separator| list.split(separator).any(|word| word == name);
        if let Some(folder) = self.folder(Version::Two, "") {
            let read = |file: &str| fs_err::read_to_string(folder.join(file)).unwrap_or_default();
            if has(read("cgroup.controllers").trim(), ' ') {
                return usable(&folder, name);
            }
        }
        let folder = self.folder(Version::One, name).ok_or(GroupError::NoController(name))?;
        match access(&folder, Access::WRITE_OK) {
            Ok(()) => Ok(Place { folder, version: Version::One }),
            Err(_) => Err(GroupError::NotOwn(folder)),
        }
    }

    /// The folder of this process's own group, in the hierarchy that has that controller.
    fn folder(&self, version: Version, controller: &str) -> Option<PathBuf> {
        let group = self.groups.lines().find_map(|line| {
            let mut words = line.splitn(3, ':').skip(1);
            let (controllers, path) = (words.next()?, words.next()?);
            let is_it = match version {
                Version::Two => controllers.is_empty() && line.starts_with("0::"),
                Version::One => controllers.split(',').any(|c| c == controller),
            };
            is_it.then_some(path)
        })?;
        self.mounts.lines().find_map(|line| {
            let (front, back) = line.split_once(" - ")?;
            let mut front = front.split(' ').skip(3);
            let (root, place) = (front.next()?, front.next()?);
            let mut back = back.split(' ');
            let (kind, _, options) = (back.next()?, back.next()?, back.next()?);
            let is_it = match version {
                Version::Two => kind == "cgroup2",
                Version::One => kind == "cgroup" && options.split(',').any(|o| o == controller),
            };
            let below = Path::new(group).strip_prefix(root).ok()?;
            is_it.then(|| Path::new(place).join(below).components().collect())
        })
    }
}

/// True if groups with that controller can be made in a folder of version 2: it has to be given to this
/// user, and no process but this one may be in it, since only leaves of the tree hold processes.
fn usable(folder: &Path, controller: &str) -> Result<Place, GroupError> {
    let files = [".", "cgroup.procs", "cgroup.subtree_control"];
    if files.iter().any(|file| access(folder.join(file), Access::WRITE_OK).is_err()) {
        return Err(GroupError::NotOwn(folder.to_owned()));
    }
    let read = |file: &str| fs_err::read_to_string(folder.join(file)).unwrap_or_default();
    let is_given = read("cgroup.subtree_control").split_whitespace().any(|c| c == controller);
    // the root of all groups is the only one without this file, and may hold processes
    let is_root = !folder.join("cgroup.type").exists();
    let own = std::process::id().to_string();
    if is_given || is_root || read("cgroup.procs").lines().all(|process| process == own) {
        return Ok(Place { folder: folder.to_owned(), version: Version::Two });
    }
    Err(GroupError::NotAlone(folder.to_owned()))
}

/// The groups of one run. They are removed when this is dropped.
pub(super) struct Group {
    memory: Option<(Place, u64)>,
    pids: Option<(Place, u64)>,
}

impl Group {
    /// Makes the groups that the limits need; `None` if they need none.
    ///
    /// # Errors
    /// If a needed group cannot be made.
    pub(super) fn make(limits: &Limits) -> Result<Option<Self>, SandboxError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // the number of processes has a limit of another kind, which does not bind root
        let most = limits.processes.filter(|_| rustix::process::geteuid().is_root());
        let most = most.map(|most| (Controller::Pids, most));
        let wanted = limits.memory.map(|most| (Controller::Memory, most)).into_iter().chain(most);
        let mut group = Self { memory: None, pids: None };
        let name =
            format!("{PREFIX}{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        for (controller, most) in wanted {
            let made = {
                let _lock = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
                place(controller).and_then(|parent| {
                    make(&parent, &name, controller, most).map_err(|error| GroupError::Refused {
                        error: Arc::new(error),
                        parent: parent.told(),
                    })
                })
            };
            let what = controller.name();
            let made = made.map_err(|reason| SandboxError::Unlimited { what, reason })?;
            match controller {
                Controller::Memory => group.memory = Some((made, most)),
                Controller::Pids => group.pids = Some((made, most)),
            }
        }
        Ok((group.memory.is_some() || group.pids.is_some()).then_some(group))
    }

    /// The files that take the number of a process that is to be bounded.
    pub(super) fn entries(&self) -> Vec<PathBuf> {
        let mut entries: Vec<PathBuf> =
            self.places().map(|place| place.folder.join("cgroup.procs")).collect();
        entries.dedup();
        entries
    }

    /// The bound on memory, if the kernel has ended a process because of it.
    pub(super) fn out_of_memory(&self) -> Option<u64> {
        let (place, most) = self.memory.as_ref()?;
        let file = match place.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        (counted(&place.folder.join(file), "oom_kill") > 0).then_some(*most)
    }

    /// The bound on processes, if one more was wanted.
    pub(super) fn out_of_processes(&self) -> Option<u64> {
        let (place, most) = self.pids.as_ref()?;
        (counted(&place.folder.join("pids.events"), "max") > 0).then_some(*most)
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        self.memory.iter().chain(&self.pids).map(|(place, _)| place)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for place in self.places() {
            // its last processes may still be exiting; the next clutch removes leftovers
            for _ in 0..50 {
                match fs_err::remove_dir(&place.folder) {
                    Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    _ => break,
                }
            }
        }
    }
}

/// The number behind a word that begins a line.
fn counted(file: &Path, word: &str) -> u64 {
    let text = fs_err::read_to_string(file).unwrap_or_default();
    let number = |line: &str| line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(number).unwrap_or(0)
}

/// Makes one group with one bound. Two controllers of version 2 have one folder.
fn make(parent: &Place, name: &str, controller: Controller, most: u64) -> io::Result<Place> {
    if parent.version == Version::Two {
        enable(&parent.folder, controller)?;
    }
    let folder = parent.folder.join(name);
    match fs_err::create_dir(&folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && parent.version == Version::Two => {}
        other => {
            other?;
            sweep(&parent.folder);
        }
    }
    let place = Place { folder, version: parent.version };
    let write = |file: &str, value: u64| {
        let file = place.folder.join(file);
        fs_err::OpenOptions::new().write(true).open(&file).and_then(|mut file| {
            use std::io::Write as _;
            file.write_all(value.to_string().as_bytes())
        })
    };
    // bound swap, too; not every kernel counts it
    let bound = match (controller, parent.version) {
        (Controller::Pids, _) => write("pids.max", most),
        (Controller::Memory, Version::Two) => {
            write("memory.max", most).map(|()| drop(write("memory.swap.max", 0)))
        }
        (Controller::Memory, Version::One) => write("memory.limit_in_bytes", most)
            .map(|()| drop(write("memory.memsw.limit_in_bytes", most))),
    };
    if let Err(error) = bound {
        let _ = fs_err::remove_dir(&place.folder);
        return Err(error);
    }
    Ok(place)
}

/// Gives a controller to the groups below a folder of version 2.
fn enable(folder: &Path, controller: Controller) -> io::Result<()> {
    let control = folder.join("cgroup.subtree_control");
    let given = fs_err::read_to_string(&control)?;
    if given.split_whitespace().any(|c| c == controller.name()) {
        return Ok(());
    }
    let give = || fs_err::write(&control, format!("+{}", controller.name()));
    match give() {
        Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {
            // this process must not be in a group that has others below it
            let own = folder.join(format!("{PREFIX}{}", std::process::id()));
            fs_err::create_dir_all(&own)?;
            fs_err::write(own.join("cgroup.procs"), std::process::id().to_string())?;
            give()
        }
        other => other,
    }
}

/// Removes groups of processes that are gone.
fn sweep(folder: &Path) {
    let Ok(entries) = fs_err::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .map(|rest| rest.split_once('-').map_or(rest, |(process, _)| process).to_owned());
        if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            // one that still holds processes cannot be removed
            let _ = fs_err::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        25 1 0:21 / /sys/fs/cgroup ro - tmpfs tmpfs rw\n\
        30 25 0:30 / /sys/fs/cgroup/memory rw,relatime shared:5 - cgroup cgroup rw,memory\n\
        31 25 0:31 /docker/1 /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
        32 25 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_own_group_is_found_in_every_hierarchy() {
        let groups = "9:memory:/a/b\n8:pids,misc:/docker/1/c\n1:name=systemd:/\n0::/user/x\n";
        let own = Own { groups: groups.to_owned(), mounts: MOUNTS.to_owned() };
        let folder = |version, name| own.folder(version, name).map(|f| f.display().to_string());
        assert_eq!(folder(Version::One, "memory").unwrap(), "/sys/fs/cgroup/memory/a/b");
        assert_eq!(folder(Version::One, "pids").unwrap(), "/sys/fs/cgroup/pids/c");
        assert_eq!(folder(Version::Two, "").unwrap(), "/sys/fs/cgroup/unified/user/x");
        assert_eq!(folder(Version::One, "cpu"), None);
    }

    /// A folder that looks like a group of version 2.
    fn group(controllers: &str, given: &str, processes: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("cgroup.controllers", controllers),
            ("cgroup.subtree_control", given),
            ("cgroup.procs", processes),
            ("cgroup.type", "domain"),
        ] {
            fs_err::write(dir.path().join(file), text).unwrap();
        }
        dir
    }

    fn place_in(dir: &Path, controller: Controller) -> Result<Place, GroupError> {
        let mounts = format!("1 2 0:3 / {} rw - cgroup2 cgroup2 rw\n", dir.display());
        Own { groups: "0::/\n".to_owned(), mounts }.place(controller)
    }

    #[test]
    fn a_group_of_version_2_is_usable_where_it_is_given_to_this_process_alone() {
        let own = std::process::id().to_string();
        let found = |controllers: &str, given: &str, processes: &str| {
            place_in(group(controllers, given, processes).path(), Controller::Memory)
        };
        assert!(found("cpu memory pids", "", &own).is_ok());
        assert!(found("cpu memory pids", "memory pids", "1\n2\n").is_ok());
        let error =
            found("cpu memory pids", "pids", &format!("1\n{own}\n")).unwrap_err().to_string();
        assert!(error.contains("other processes are in the group"), "{error}");
        let error = found("cpu pids", "", &own).unwrap_err().to_string();
        assert!(error.contains("no controller 'memory'"), "{error}");
    }

    #[test]
    fn counters_are_read_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("memory.events");
        fs_err::write(&file, "low 0\noom 3\noom_kill 2\noom_group_kill 1\n").unwrap();
        assert_eq!((counted(&file, "oom_kill"), counted(&file, "high")), (2, 0));
        assert_eq!(counted(&dir.path().join("none"), "oom_kill"), 0);
    }
}
