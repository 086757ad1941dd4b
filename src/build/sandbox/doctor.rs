//! Checks of this machine, by trying.

use std::{
    io,
    os::fd::AsRawFd,
    path::Path,
    time::{Duration, Instant},
};

use super::{
    Request, Sandbox, SandboxError, Watch, confine,
    groups::{self, Controller},
    kernel::linux,
    noexec_mount,
    refusal::{Cause, causes},
    root,
    wire::Step,
};

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The subject of the check.
    pub subject: &'static str,
    /// Its health.
    pub state: Health,
    /// The finding.
    pub found: String,
    /// The remedy.
    pub remedies: Vec<String>,
}

/// The health of one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Good.
    Good,
    /// Something is slower or less strict than it could be.
    Limited,
    /// Something does not work.
    Bad,
}

fn finding(subject: &'static str, state: Health, found: impl Into<String>) -> Finding {
    Finding { subject, state, found: found.into(), remedies: Vec::new() }
}

impl Finding {
    fn remedy(mut self, text: impl Into<String>) -> Self {
        self.remedies.push(text.into());
        self
    }
}

/// The first Linux that has all the mount calls that are used (mount_setattr).
const LINUX: (u32, u32) = (5, 12);

/// Tries everything; `place` is the folder of the store, if there is one.
#[must_use]
pub fn examine(place: Option<&Path>) -> Vec<Finding> {
    let mut findings = vec![kernel()];
    findings.extend(sandbox());
    findings.extend([landlock(), memory(), processes(), overlay()]);
    findings.extend(place.map(view));
    findings.extend(place.map(store).unwrap_or_default());
    findings
}

/// The way in which programs see the store, and its limits.
fn view(place: &Path) -> Finding {
    let (subject, root) = ("programs that `run` and `shell` start", Path::new("/clutch"));
    if place == root {
        return finding(subject, Health::Good, "the store is where its paths say");
    }
    let found = "they see the store at /clutch in a mount namespace of their own";
    if rustix::process::geteuid().is_root() {
        return finding(subject, Health::Good, found);
    }
    let found = format!(
        "{found}, and in a user namespace: setuid programs such as sudo have no effect, and files of \
         root belong to 'nobody', which ssh refuses as \"Bad owner\" of its settings"
    );
    let user = rustix::process::geteuid().as_raw();
    finding(subject, Health::Limited, found).remedy(format!(
        "if that matters, keep the store at /clutch; as root: mkdir /clutch && chown {user} /clutch"
    ))
}

fn kernel() -> Finding {
    let (name, version) = (rustix::system::uname(), linux());
    let release = name.release().to_string_lossy();
    if version >= LINUX {
        return finding("kernel", Health::Good, format!("Linux {release}"));
    }
    finding("kernel", Health::Bad, format!("Linux {release} is too old for the sandbox"))
        .remedy(format!("use Linux {}.{} or newer", LINUX.0, LINUX.1))
}

/// The parts of a sandbox, each with the last step that belongs to it.
const PARTS: &[(&str, Step)] = &[
    ("user namespaces", Step::ControlGroup),
    ("network and other namespaces", Step::Loopback),
    ("mounts in a namespace", Step::Devices),
    ("pivot_root", Step::File),
    ("limits and privileges", Step::Landlock),
    ("system call filter", Step::Filter),
];

/// Makes a sandbox around a program that does not exist: if only that fails, everything else works.
fn sandbox() -> Vec<Finding> {
    let watch = Watch { output: &mut |_| {}, cancelled: &|| false };
    let sandbox = Sandbox::new();
    let nothing = Request::new("/nothing");
    let start = Instant::now();
    let first = sandbox.run(&nothing, watch);
    match first {
        Err(SandboxError::Execute { .. }) => {
            let time = warm(&sandbox, &nothing).unwrap_or_else(|| start.elapsed());
            let mut good: Vec<_> =
                PARTS.iter().map(|(part, _)| finding(part, Health::Good, "allowed")).collect();
            let time = format!("works ({:.1} ms)", time.as_secs_f64() * 1e3);
            good.push(finding("sandbox", Health::Good, time));
            good
        }
        Err(SandboxError::Refused(refusal)) => {
            let failed = PARTS.iter().position(|(_, last)| refusal.step() <= *last).unwrap_or(0);
            let mut findings: Vec<_> = PARTS[..failed]
                .iter()
                .map(|(part, _)| finding(part, Health::Good, "allowed"))
                .collect();
            let mut bad = finding(PARTS[failed].0, Health::Bad, refusal.to_string());
            bad.remedies = causes().into_iter().map(|Cause { remedy, .. }| remedy).collect();
            findings.push(bad);
            findings
        }
        Err(_) if !Path::new("/proc/self").exists() => {
            let found = "/proc is not mounted; every sandbox needs it";
            let bad = finding("sandbox", Health::Bad, found);
            vec![bad.remedy("as root: mount -t proc proc /proc")]
        }
        Err(error) => vec![finding("sandbox", Health::Bad, error.to_string())],
        Ok(_) => Vec::new(),
    }
}

/// The time that it takes when the helper is running.
fn warm(sandbox: &Sandbox, nothing: &Request) -> Option<Duration> {
    let one = || {
        let start = Instant::now();
        let watch = Watch { output: &mut |_| {}, cancelled: &|| false };
        sandbox.run(nothing, watch).is_err().then(|| start.elapsed())
    };
    (0..5).filter_map(|_| one()).min()
}

fn landlock() -> Finding {
    let version = super::landlock::version();
    if version > 0 {
        finding("landlock", Health::Good, format!("version {version}"))
    } else {
        finding("landlock", Health::Limited, "not available; the sandbox has one wall less")
            .remedy("boot with landlock in the 'lsm=' list of the kernel's command line")
    }
}

/// Checks `--max-memory`.
fn memory() -> Finding {
    let subject = "limit of memory";
    match groups::place(Controller::Memory) {
        Ok(place) => finding(
            subject,
            Health::Good,
            format!("--max-memory works (control groups, {})", place.told()),
        ),
        Err(reason) => {
            let found = format!("--max-memory cannot be given: {reason}");
            finding(subject, Health::Limited, found).remedy(DELEGATE)
        }
    }
}

/// Checks `--max-processes` and its default.
fn processes() -> Finding {
    let subject = "limit of processes";
    if !rustix::process::geteuid().is_root() {
        let found = format!("{} a build, or --max-processes", confine::PROCESSES);
        return finding(subject, Health::Good, found);
    }
    let always = linux() >= root::OWN_PID_MAX;
    let bound = match always {
        true => format!("{} a build", confine::PROCESSES),
        false => "none, since this is root and Linux is older than 6.14".to_owned(),
    };
    match groups::place(Controller::Pids) {
        Ok(place) => {
            let place = place.told();
            let found = format!("{bound}, or --max-processes (control groups, {place})");
            finding(subject, Health::Good, found)
        }
        Err(reason) => {
            let state = if always { Health::Good } else { Health::Limited };
            let found = format!("{bound}; --max-processes cannot be given: {reason}");
            finding(subject, state, found).remedy(DELEGATE)
        }
    }
}

const DELEGATE: &str = "run clutch as 'systemd-run --user --scope -p Delegate=yes clutch ...'";

fn overlay() -> Finding {
    let known = fs_err::read_to_string("/proc/filesystems").unwrap_or_default();
    match known.lines().any(|line| line.ends_with("\toverlay")) {
        true => finding("overlay", Health::Good, "available, though not needed"),
        false => finding("overlay", Health::Good, "not available, and not needed"),
    }
}

/// Checks the file system of the store.
fn store(place: &Path) -> Vec<Finding> {
    match try_store(place) {
        Ok(findings) => findings,
        Err(error) => vec![
            finding("store", Health::Bad, error.to_string())
                .remedy("give a folder that you may write with --store"),
        ],
    }
}

/// The type of an overlay file system (statfs(2)).
const OVERLAY: i64 = 0x794c_7630;

fn try_store(place: &Path) -> io::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let folder = tempfile::Builder::new().prefix("doctor-").tempdir_in(place)?;
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    fs_err::write(&one, vec![b'x'; 64 << 10])?;
    findings.push(match fs_err::hard_link(&one, &two) {
        Ok(()) => finding("hard links", Health::Good, "equal files of the store can share space"),
        Err(error) => finding("hard links", Health::Limited, format!("not possible: {error}")),
    });
    let copy = fs_err::File::create(folder.path().join("three"))?;
    let source = fs_err::File::open(&one)?;
    // SAFETY: FICLONE takes a descriptor of a file.
    let cloned = unsafe { libc::ioctl(copy.as_raw_fd(), libc::FICLONE, source.as_raw_fd()) } == 0;
    findings.push(match cloned {
        true => finding("reflinks", Health::Good, "copies share space"),
        false => finding("reflinks", Health::Good, "not possible here; copies take space"),
    });
    if rustix::fs::statfs(place)?.f_type == OVERLAY {
        let found = "an overlay, as of a container: what came with an image cannot be moved; gc and repairs \
                     remove it in its place, and the image keeps its size";
        findings.push(
            finding("file system of the store", Health::Limited, found)
                .remedy("keep the store on a volume if it is to be collected"),
        );
    }
    let status = rustix::fs::statvfs(place)?;
    if let Some(mount) = noexec_mount(place) {
        let mount = mount.display();
        let found = format!("'{mount}' is mounted 'noexec'");
        findings.push(finding("programs in the store", Health::Bad, found).remedy(format!(
            "as root: mount -o remount,exec {mount}; or give another folder with --store"
        )));
    }
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    let found = format!("{:.1} GB free", free as f64 / 1e9);
    findings.push(match free {
        0..2_000_000_000 => finding("space", Health::Limited, found)
            .remedy("free some, or give another folder with --store"),
        _ => finding("space", Health::Good, found),
    });
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_passes_the_tests_is_healthy() {
        let dir = tempfile::tempdir().unwrap();
        let findings = examine(Some(dir.path()));
        assert!(findings.iter().all(|f| f.state != Health::Bad), "{findings:#?}");
        assert!(findings.iter().any(|f| f.subject == "sandbox"), "{findings:#?}");
        let view = findings.iter().find(|f| f.subject.starts_with("programs that")).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        assert_eq!(view.state, if is_root { Health::Good } else { Health::Limited }, "{view:?}");
        let bad = examine(Some(Path::new("/no/such/place"))).pop().unwrap();
        assert_eq!((bad.subject, bad.state), ("store", Health::Bad));
    }

    #[test]
    fn every_step_belongs_to_a_part() {
        assert!(PARTS.is_sorted_by_key(|(_, last)| *last));
        assert!(PARTS.iter().all(|(_, last)| *last < Step::Exec));
    }
}
