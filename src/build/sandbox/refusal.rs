//! Why a machine refuses sandboxes, and what its owner can do.

use std::{fmt, io, path::Path};

use super::wire::Step;

/// A refusal, with what was found to be its reason and the remedy.
#[derive(Debug)]
pub struct Refusal {
    /// The step that was refused.
    step: Step,
    /// What it was about, where that says more.
    on: String,
    /// The system's answer.
    source: io::Error,
    /// The settings that explain it, with the remedy of each.
    causes: Vec<Cause>,
}

/// A setting that stands against sandboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What was found.
    pub reason: String,
    /// What to do about it.
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
        Self { step, on, source, causes: causes() }
    }

    pub(super) fn step(&self) -> Step {
        self.step
    }
}

/// Looks for the settings that are known to refuse namespaces.
pub(super) fn causes() -> Vec<Cause> {
    let read = |path: &str| fs_err::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let mut causes = Vec::new();
    let mut add = |reason: &str, remedy: &str| {
        causes.push(Cause { reason: reason.to_owned(), remedy: remedy.to_owned() });
    };
    for limit in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        if read(&format!("/proc/sys/user/max_{limit}_namespaces")).as_deref() == Some("0") {
            add(
                &format!("the sysctl user.max_{limit}_namespaces is 0"),
                &format!("as root: sysctl user.max_{limit}_namespaces=65536"),
            );
        }
    }
    let root = rustix::process::geteuid().is_root();
    if !root && read("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        add(
            "the sysctl kernel.unprivileged_userns_clone is 0",
            "as root: sysctl kernel.unprivileged_userns_clone=1",
        );
    }
    if !root
        && read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1")
    {
        add(
            "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1)",
            "as root: add an AppArmor profile with 'userns,' for clutch, \
             or sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        );
    }
    let filtered = read("/proc/self/status")
        .is_some_and(|s| s.lines().any(|l| l.starts_with("Seccomp:") && !l.ends_with('0')));
    let container = Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists();
    if container || filtered {
        add(
            if container { "this is a container" } else { "a system call filter is in force" },
            "allow namespaces in the container: docker run --security-opt seccomp=unconfined \
             --security-opt apparmor=unconfined --security-opt systempaths=unconfined",
        );
    }
    causes
}
