//! Explains why a machine refuses sandboxes, with remedies.

use std::{fmt, io, path::Path};

use super::wire::Step;

/// A refusal with its causes and remedies.
#[derive(Debug)]
pub struct Refusal {
    /// The step that was refused.
    step: Step,
    /// The subject of the step, if it has one.
    on: String,
    /// The system's answer.
    source: io::Error,
    /// The settings that explain it, with the remedy of each.
    causes: Vec<Cause>,
}

/// A setting that prevents sandboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The setting.
    pub reason: String,
    /// The remedy.
    pub remedy: String,
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot make a sandbox: cannot {}", self.step.text())?;
        if !self.on.is_empty() {
            write!(f, " ({})", self.on)?;
        }
        write!(f, ": {}", self.source)?;
        for cause in &self.causes {
            write!(f, "; {} ({})", cause.reason, cause.remedy)?;
        }
        if self.causes.is_empty() {
            f.write_str("; 'clutch doctor' shows what this machine allows")?;
        }
        Ok(())
    }
}

impl Refusal {
    pub(super) fn new(step: Step, on: String, source: io::Error) -> Self {
        let causes = match source.raw_os_error() {
            Some(libc::EAGAIN) => vec![cause(
                "no further process may be started",
                "end others of this user, or raise its limit: `ulimit -u`",
            )],
            Some(libc::ENOSPC) if step <= Step::Namespaces => vec![cause(
                "the limit on namespaces is reached",
                "end other sandboxes and containers, or as root raise the sysctls user.max_*_namespaces",
            )],
            _ => causes(),
        };
        Self { step, on, source, causes }
    }

    pub(super) fn step(&self) -> Step {
        self.step
    }
}

fn cause(reason: impl Into<String>, remedy: impl Into<String>) -> Cause {
    Cause { reason: reason.into(), remedy: remedy.into() }
}

/// True if the root of this process is not that of its mount namespace: then no mount lies there, unless the
/// folder happens to be one.
fn is_in_chroot() -> bool {
    let mounts = fs_err::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    !mounts.is_empty() && mounts.lines().all(|line| line.split(' ').nth(4) != Some("/"))
}

/// Looks for the settings that are known to refuse namespaces.
pub(super) fn causes() -> Vec<Cause> {
    let read = |path: &str| fs_err::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let is = |path: &str, value: &str| read(path).as_deref() == Some(value);
    let mut causes = Vec::new();
    for limit in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let name = format!("user.max_{limit}_namespaces");
        if is(&format!("/proc/sys/{}", name.replace('.', "/")), "0") {
            let reason = format!("the sysctl {name} is 0");
            causes.push(cause(reason, format!("as root: sysctl {name}=65536")));
        }
    }
    if !rustix::process::geteuid().is_root() {
        if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
            causes.push(cause(
                "the sysctl kernel.unprivileged_userns_clone is 0",
                "as root: sysctl kernel.unprivileged_userns_clone=1",
            ));
        }
        if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
            causes.push(cause(
                "AppArmor restricts user namespaces",
                "as root: add an AppArmor profile with 'userns,' for clutch, \
                 or sysctl kernel.apparmor_restrict_unprivileged_userns=0",
            ));
        }
    }
    if causes.is_empty() && is_in_chroot() {
        causes.push(cause(
            "this process is in a chroot, where the kernel makes no namespaces",
            "enter the folder with a mount namespace: bwrap --dev-bind DIR / clutch ..., or \
             systemd-nspawn -D DIR",
        ));
    }
    // The settings above are the better explanation.
    if causes.is_empty() {
        let container =
            ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists());
        let filtered = read("/proc/self/status")
            .is_some_and(|s| s.lines().any(|l| l.starts_with("Seccomp:") && !l.ends_with('0')));
        let reason = match (container, filtered) {
            (true, _) => "this is a container",
            (false, true) => "a system call filter is in force",
            (false, false) => return causes,
        };
        causes.push(cause(
            reason,
            "allow namespaces in the container: docker run --security-opt seccomp=unconfined \
             --security-opt apparmor=unconfined --security-opt systempaths=unconfined",
        ));
    }
    causes
}
