//! The program `git` and one bare repository of its own. Commands that reach a server use the
//! settings of the user, for proxies, keys and credentials. Commands that read fetched objects see
//! no settings.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use fs_err as fs;

use super::{
    entry::{Entry, EntryKind},
    error::GitError,
    revision::{Revision, shown_address},
    url,
};
use crate::net::host::HostEnvironment;

/// The protocols that are allowed. Those that run programs (`ext::`) are not.
const PROTOCOLS: &str = "file:git:http:https:ssh";

/// Variables of git about reaching servers. All others point to other repositories, or change
/// objects.
const KEPT: [&str; 4] = ["GIT_SSH", "GIT_SSL", "GIT_HTTP", "GIT_CONFIG_"];

/// Settings that overrule the user's.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "fetch.fsckObjects=true",
    // old histories have these, and they do no harm
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.badEmail=ignore",
    "fetch.fsck.missingEmail=ignore",
    "fetch.fsck.missingNameBeforeEmail=ignore",
    "fetch.fsck.missingSpaceBeforeEmail=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.missingTaggerEntry=ignore",
    "fetch.unpackLimit=1",
    "fetch.recurseSubmodules=false",
    "fetch.writeCommitGraph=false",
    "transfer.bundleURI=false",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// The answers of servers that give no commit by its id, or none without its history.
const REFUSALS: [&str; 4] =
    ["not our ref", "unadvertised object", "shallow capabilities", "find remote ref"];

/// Everything that fetching from git depends on.
pub(crate) struct Git<'a> {
    /// The variables for git: `PATH`, proxies, keys, settings of the user.
    pub environment: &'a HostEnvironment,
    /// `--offline`: only repositories in files.
    pub offline: bool,
    /// Says if the user has stopped it.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// A bare repository in a folder of scratch.
pub(super) struct Repository<'g> {
    git: &'g Git<'g>,
    folder: PathBuf,
}

impl<'g> Repository<'g> {
    /// An empty one, for ids of the same length.
    pub(super) fn create(git: &'g Git<'g>, folder: &Path, id: &str) -> Result<Self, GitError> {
        let made = Self { git, folder: folder.to_owned() };
        fs::create_dir(folder)?;
        let format = if id.len() == 64 { "sha256" } else { "sha1" };
        made.output(&["init", "--quiet", "--bare", "--template=", "--object-format", format])?;
        Ok(made)
    }

    /// Fetches a commit alone, or if the server does not give that, the branches and tags that may
    /// have it.
    pub(super) fn fetch(&self, wanted: &Revision) -> Result<(), GitError> {
        match self.bring(wanted, &["--depth=1"], &wanted.rev) {
            Err(GitError::Failed { text, .. }) if REFUSALS.iter().any(|r| text.contains(r)) => {
                self.bring(wanted, &[], &names(wanted))
            }
            other => other,
        }
    }

    /// Fetches a commit and all before it, without the files if the server can leave them out.
    pub(super) fn fetch_history(&self, wanted: &Revision) -> Result<(), GitError> {
        self.output(&["config", "remote.origin.url", &url::checked(&wanted.url)?])?;
        match self.bring(wanted, &["--filter=tree:0"], &wanted.rev) {
            Err(GitError::Failed { text, .. }) if REFUSALS.iter().any(|r| text.contains(r)) => {
                self.bring(wanted, &[], &names(wanted))
            }
            other => other,
        }
    }

    fn bring(&self, wanted: &Revision, options: &[&str], what: &str) -> Result<(), GitError> {
        let url = url::checked(&wanted.url)?;
        if self.git.offline && !url::is_local(&url) {
            let problem = "--offline was given".to_owned();
            return Err(GitError::Address { url: shown_address(&url).into_owned(), problem });
        }
        let mut command = self.command();
        for (name, value) in &self.git.environment.variables {
            if !name.starts_with("GIT_") || KEPT.iter().any(|kept| name.starts_with(kept)) {
                command.env(name, value);
            }
        }
        command.env("LC_ALL", "C").env_remove("LANGUAGE").env_remove("GIT_CONFIG_PARAMETERS");
        command.env("GIT_ALLOW_PROTOCOL", PROTOCOLS).env("GIT_TERMINAL_PROMPT", "0");
        command
            .env("GIT_ASKPASS", "")
            .env_remove("SSH_ASKPASS")
            .env("SSH_ASKPASS_REQUIRE", "never");
        command.args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]).args(options);
        let partial = options.iter().any(|option| option.starts_with("--filter"));
        command.args(["--", if partial { "origin" } else { &url }, what]);
        self.run(command, "fetch").map(drop).map_err(|error| match error {
            GitError::Failed { command, text } => {
                GitError::Failed { command, text: text.replace(&url, &shown_address(&url)) }
            }
            other => other,
        })
    }

    /// Runs a command that only reads this repository, and gives its output.
    pub(super) fn output(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let mut command = self.closed();
        command.args(args);
        self.run(command, args[0])
    }

    /// Starts a command that only reads this repository and answers line by line.
    pub(super) fn converse(&self, args: &[&str]) -> Result<Conversation, GitError> {
        let mut command = self.closed();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = start(&mut command)?;
        let (Some(asks), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(GitError::failed(args[0], "it has no pipes"));
        };
        Ok(Conversation { child, asks, answers: io::BufReader::with_capacity(1 << 16, answers) })
    }

    /// Drops the entries that are not to be exported: the attribute `export-ignore` of the tree's own
    /// `.gitattributes`, which git looks up.
    pub(super) fn leave_out(&self, tree: &str, entries: &mut Vec<Entry>) -> Result<(), GitError> {
        // attributes are read from an index, since older versions read no others in a bare repository
        self.output(&["read-tree", tree])?;
        let mut command = self.closed();
        command.args(["check-attr", "--cached", "--stdin", "-z", "export-ignore"]);
        let mut names = Vec::new();
        for entry in &*entries {
            names.extend_from_slice(&entry.name);
            if matches!(entry.kind, EntryKind::Directory | EntryKind::Submodule) {
                names.push(b'/');
            }
            names.push(0);
        }
        let told = self.run_with(command, "check-attr", Some(names))?;
        // a path, the attribute and its value, in the order of the paths
        let mut values = told.split(|byte| *byte == 0).skip(2).step_by(3);
        let mut outside: Option<Vec<u8>> = None;
        let mut short = false;
        entries.retain(|entry| {
            let Some(value) = values.next() else {
                short = true;
                return true;
            };
            if outside.as_ref().is_some_and(|folder| entry.name.starts_with(folder)) {
                return false;
            }
            if value == b"set" {
                outside = Some([&*entry.name, b"/"].concat());
                return false;
            }
            true
        });
        if short { Err(GitError::failed("check-attr", "its answer is incomplete")) } else { Ok(()) }
    }

    /// The bytes that were fetched.
    pub(super) fn size(&self) -> Result<u64, GitError> {
        let mut size = 0;
        for entry in fs::read_dir(self.folder.join("objects/pack"))? {
            size += entry?.metadata()?.len();
        }
        Ok(size)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        command.env_clear().current_dir(&self.folder).stdin(Stdio::null());
        command.env("GIT_DIR", &self.folder).env("GIT_NO_REPLACE_OBJECTS", "1");
        command.env("GIT_ATTR_NOSYSTEM", "1").env("LC_ALL", "C");
        if let Some(path) = self.git.environment.variable("PATH") {
            command.env("PATH", path);
        }
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command
    }

    /// A command that sees no settings but those above.
    fn closed(&self) -> Command {
        let mut command = self.command();
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "");
        command
    }

    fn run(&self, command: Command, name: &str) -> Result<Vec<u8>, GitError> {
        self.run_with(command, name, None)
    }

    /// Runs a command to its end, or until it is cancelled.
    fn run_with(
        &self,
        mut command: Command,
        name: &str,
        input: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, GitError> {
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = start(&mut command)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        thread::scope(|scope| {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // one that does not read ends with an error, which counts
                scope.spawn(move || stdin.write_all(&input));
            }
            let told = scope.spawn(|| all(stdout));
            let said = scope.spawn(|| all(stderr));
            let status = loop {
                if let Some(status) = child.try_wait()? {
                    break status;
                }
                if (self.git.cancelled)() {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(GitError::Cancelled);
                }
                thread::sleep(Duration::from_millis(2));
            };
            let told = told.join().unwrap_or_else(|_| Ok(Vec::new()))?;
            if status.success() {
                return Ok(told);
            }
            let said = said.join().unwrap_or_else(|_| Ok(Vec::new()))?;
            let text = String::from_utf8_lossy(&said).trim().to_owned();
            Err(GitError::failed(name, if text.is_empty() { status.to_string() } else { text }))
        })
    }
}

/// A running command that answers requests. Dropping this ends it.
pub(super) struct Conversation {
    child: Child,
    pub(super) asks: ChildStdin,
    pub(super) answers: io::BufReader<ChildStdout>,
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // it only reads, and may be in the middle of an answer
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(command: &mut Command) -> Result<Child, GitError> {
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => GitError::NoGit,
        _ => io::Error::new(error.kind(), format!("starting git: {error}")).into(),
    })
}

fn all(pipe: Option<impl io::Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes))?;
    Ok(bytes)
}

/// The names to fetch if a commit is not given by its id.
fn names(wanted: &Revision) -> String {
    match &wanted.name {
        Some(name) if !wanted.all_refs && name.starts_with("refs/") => name.clone(),
        Some(name) if !wanted.all_refs && name != "HEAD" => format!("refs/heads/{name}"),
        Some(name) if !wanted.all_refs => name.clone(),
        _ => "refs/*:refs/fetched/*".to_owned(),
    }
}
