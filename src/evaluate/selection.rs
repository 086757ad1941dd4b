//! Selects the entries of a folder to copy as a source: all except `.git`, files that git ignores, and a
//! clutch store. A path that is named itself is copied even if git ignores it. The user's own patterns
//! (`core.excludesFile`) do not count, so that a project is the same source for every user.

use std::{
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::{ignore::Patterns, project, tracked::Tracked};
use crate::{
    limits,
    regular::{self, Link},
};

/// Selects the entries of one tree.
pub(super) struct Selection {
    /// The tree's root, by its real path.
    root: PathBuf,
    /// The store, by its names: never copied.
    hidden: Vec<PathBuf>,
    /// The repositories around the current entry, the outermost first. A nested repository has rules of its
    /// own.
    repositories: Vec<Repository>,
    /// The patterns of the folders down to the last entry's folder.
    levels: Vec<Level>,
    /// These folders, relative to the root.
    folders: Vec<Folder>,
}

struct Repository {
    root: PathBuf,
    /// The index, read on demand when an entry is ignored.
    tracked: Option<Tracked>,
}

/// The patterns of a `.gitignore`, and the length of its folder's path in the repository with the slash.
struct Level {
    patterns: Patterns,
    skip: usize,
}

struct Folder {
    path: PathBuf,
    /// The number of repositories around it; zero outside any repository.
    repositories: usize,
    /// The levels of patterns that apply to it.
    levels: std::ops::Range<usize>,
    /// True if it is ignored; only tracked files in it count.
    tracked_only: bool,
}

impl Selection {
    /// A selection for the tree at `root`, for a user with this home folder.
    ///
    /// # Errors
    /// A file with ignore patterns cannot be read.
    pub(super) fn new(root: &Path, home: Option<&Path>, hidden: &[PathBuf]) -> io::Result<Self> {
        let mut own = Self {
            root: root.to_owned(),
            hidden: hidden.to_vec(),
            repositories: Vec::new(),
            levels: Vec::new(),
            folders: Vec::new(),
        };
        let mut repositories = 0;
        let mut named = false;
        if let Some(repository) = project::repository(root, home) {
            repositories = 1;
            own.open(&repository)?;
            for folder in folders_to(&repository, root) {
                if folder != repository {
                    // an ignored folder that is named itself is copied whole
                    if own.is_ignored(&folder, true, 0..own.levels.len()) {
                        named = true;
                        break;
                    }
                    own.read_level(&folder)?;
                }
            }
        }
        if named {
            own.levels.clear();
        }
        let levels = 0..own.levels.len();
        own.folders.push(Folder {
            path: PathBuf::new(),
            repositories,
            levels,
            tracked_only: false,
        });
        Ok(own)
    }

    /// True if an entry is copied; `path` is relative to the root. Call this for a folder before its
    /// entries.
    ///
    /// # Errors
    /// A file with ignore patterns cannot be read.
    pub(super) fn keeps(&mut self, path: &Path, is_folder: bool) -> io::Result<bool> {
        if path.file_name().is_some_and(|name| name == ".git") {
            return Ok(false);
        }
        let place = self.root.join(path);
        if self.hidden.contains(&place) {
            return Ok(false);
        }
        self.enter(path.parent().unwrap_or(Path::new("")))?;
        let Folder { repositories, levels, tracked_only, .. } =
            self.folders.last().expect("the root's folder is never removed");
        let (levels, tracked_only) = (levels.clone(), *tracked_only);
        if *repositories == 0 || !tracked_only && !self.is_ignored(&place, is_folder, levels) {
            return Ok(true);
        }
        Ok(self.is_tracked(&place, is_folder))
    }

    /// Enters a folder that is copied.
    fn enter(&mut self, path: &Path) -> io::Result<()> {
        while self.folders.last().is_some_and(|top| !path.starts_with(&top.path)) {
            self.folders.pop();
        }
        let top = self.folders.last().expect("the root is above everything");
        self.levels.truncate(top.levels.end);
        self.repositories.truncate(top.repositories);
        let above: Vec<&Path> =
            path.ancestors().take_while(|folder| **folder != *top.path).collect();
        for folder in above.into_iter().rev() {
            let place = self.root.join(folder);
            let top = self.folders.last().expect("the root is above everything");
            let (mut levels, mut tracked_only) = (top.levels.clone(), top.tracked_only);
            if place.join(".git").symlink_metadata().is_ok() {
                levels.start = self.levels.len();
                tracked_only = false;
                self.open(&place)?;
            } else if !self.repositories.is_empty() {
                tracked_only |= self.is_ignored(&place, true, levels.clone());
                self.read_level(&place)?;
            }
            levels.end = self.levels.len();
            let repositories = self.repositories.len();
            self.folders.push(Folder {
                path: folder.to_owned(),
                repositories,
                levels,
                tracked_only,
            });
        }
        Ok(())
    }

    /// Adds a repository with the patterns for its root.
    fn open(&mut self, root: &Path) -> io::Result<()> {
        self.repositories.push(Repository { root: root.to_owned(), tracked: None });
        let (_, common) = git_folders(root)?;
        let exclude = read(&common.join("info/exclude"), limits::IGNORE_FILE)?;
        self.levels.push(Level { patterns: Patterns::parse(&exclude), skip: 0 });
        self.read_level(root)
    }

    fn read_level(&mut self, folder: &Path) -> io::Result<()> {
        let patterns = Patterns::parse(&read(&folder.join(".gitignore"), limits::IGNORE_FILE)?);
        if !patterns.is_empty() {
            let above = self.relative(folder).len();
            self.levels.push(Level { patterns, skip: above + usize::from(above > 0) });
        }
        Ok(())
    }

    /// The path relative to the innermost repository.
    fn relative<'p>(&self, place: &'p Path) -> &'p [u8] {
        let root = self.repositories.last().map(|repository| &*repository.root);
        let below = root.and_then(|root| place.strip_prefix(root).ok());
        below.unwrap_or(place).as_os_str().as_bytes()
    }

    /// True if patterns ignore the path; the nearest file with a matching pattern decides.
    fn is_ignored(&self, place: &Path, is_folder: bool, levels: std::ops::Range<usize>) -> bool {
        let path = self.relative(place);
        let decide = |level: &Level| level.patterns.decide(&path[level.skip..], is_folder);
        self.levels[levels].iter().rev().find_map(decide).unwrap_or(false)
    }

    fn is_tracked(&mut self, place: &Path, is_folder: bool) -> bool {
        let Some(repository) = self.repositories.last_mut() else { return false };
        let root = &repository.root;
        // without a readable index, only the patterns count
        let tracked = repository.tracked.get_or_insert_with(|| {
            let index = git_folders(root)
                .and_then(|(own, _)| read(&own.join("index"), limits::GIT_INDEX))
                .unwrap_or_default();
            let parse = |digest| Tracked::parse(&index, digest);
            parse(20).or_else(|| parse(32)).unwrap_or_default()
        });
        let path = place.strip_prefix(root).unwrap_or(place).as_os_str().as_bytes();
        tracked.holds(path) || is_folder && tracked.holds_below(path)
    }
}

/// The folders from a repository down to a path, both included.
fn folders_to(repository: &Path, path: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = path
        .ancestors()
        .take_while(|folder| folder.starts_with(repository))
        .map(Path::to_owned)
        .collect();
    folders.reverse();
    folders
}

/// Git's folder for this work tree alone, and the one that all work trees share (gitrepository-layout(5)):
/// a `.git` file names the first, which names the second.
fn git_folders(root: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let git = root.join(".git");
    if git.is_dir() {
        return Ok((git.clone(), git));
    }
    let line = |bytes: &[u8]| {
        let end = memchr::memchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len());
        Path::new(std::ffi::OsStr::from_bytes(&bytes[..end])).to_owned()
    };
    let text = read(&git, limits::LINK_TARGET as u64 * 2)?;
    let own = root.join(line(text.strip_prefix(b"gitdir: ").unwrap_or(b".git")));
    let common = read(&own.join("commondir"), limits::LINK_TARGET as u64 * 2)?;
    let common = if common.is_empty() { own.clone() } else { own.join(line(&common)) };
    Ok((own, common))
}

/// The bytes of a regular file; empty if there is none. Like git, does not follow links.
fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    match path.symlink_metadata() {
        Ok(found) if found.is_file() => regular::read(path, Link::Refuse, most),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        process::{Command, Stdio},
    };

    use super::*;
    use crate::tree::{Listing, NodeKind};

    /// The files of a tree that are copied.
    fn kept(root: &Path) -> BTreeSet<String> {
        let mut selection = Selection::new(root, None, &[]).unwrap();
        let keep = &mut |path: &Path, kind| {
            selection.keeps(path, kind == Some(NodeKind::Directory)).unwrap()
        };
        let listing = Listing::read_some(root, keep).unwrap();
        let files = listing.nodes().iter().filter(|node| node.kind != NodeKind::Directory);
        files.map(|node| listing.relative(node).display().to_string()).collect()
    }

    fn git(folder: &Path, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "core.excludesFile=", "-c", "user.name=x", "-c", "user.email=x@x"]);
        git.args(["-c", "protocol.file.allow=always"]).args(arguments).current_dir(folder);
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        let out = git.stdin(Stdio::null()).output().unwrap();
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// The files that git lists: tracked, or not ignored.
    fn of_git(folder: &Path) -> BTreeSet<String> {
        let listed = git(folder, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        listed.split_terminator('\0').map(str::to_owned).collect()
    }

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
    }

    fn is_there() -> bool {
        let git = Command::new("git").arg("--version").stdout(Stdio::null()).status().is_ok();
        if !git {
            eprintln!("git is not installed: nothing compared");
        }
        git
    }

    #[test]
    fn ignored_files_are_left_out() {
        if !is_there() {
            return;
        }
        let space = tempfile::tempdir().unwrap();
        let root = &space.path().join("repository");
        fs_err::create_dir(root).unwrap();
        git(root, &["init", "-q"]);
        write(
            root,
            &[
                (".gitignore", "*.log\n/build/\n.env\nsecret/*\n!secret/shown\ndist/\n"),
                (".git/info/exclude", "mine\n"),
                (".env", "TOKEN"),
                ("a.log", ""),
                ("build/x", ""),
                ("sub/build/x", ""),
                ("sub/.gitignore", "!keep.log\n/only-here\n"),
                ("sub/keep.log", ""),
                ("sub/other.log", ""),
                ("sub/only-here", ""),
                ("sub/deep/only-here", ""),
                ("secret/hidden", ""),
                ("secret/shown", ""),
                ("mine", ""),
                ("dist/forced", ""),
                ("dist/not", ""),
                ("!x", ""),
                (" y", ""),
            ],
        );
        git(root, &["add", "-f", "dist/forced", "sub/.gitignore"]);
        assert_eq!(kept(root), of_git(root));
        assert!(kept(root).contains("dist/forced") && !kept(root).contains(".env"));
        // a folder inside it: the rules above it count
        let sub = of_git(&root.join("sub"));
        assert_eq!(kept(&root.join("sub")), sub);
        // a folder that is named itself is copied
        assert_eq!(kept(&root.join("build")), BTreeSet::from(["x".to_owned()]));
        git(root, &["update-index", "--index-version", "4"]);
        assert_eq!(kept(root), of_git(root));
        // a work tree and a submodule have a `.git` file
        git(root, &["commit", "-qm", "x"]);
        let tree = space.path().join("tree");
        git(root, &["worktree", "add", "-q", tree.to_str().unwrap()]);
        write(&tree, &[("mine", ""), ("b.log", ""), ("new", "")]);
        assert_eq!(kept(&tree), of_git(&tree));
        assert!(kept(&tree).contains("new") && !kept(&tree).contains("mine"));
        let library = space.path().join("library");
        fs_err::create_dir(&library).unwrap();
        git(&library, &["init", "-q"]);
        write(&library, &[("code", ""), (".gitignore", "*.tmp\n")]);
        git(&library, &["add", "."]);
        git(&library, &["commit", "-qm", "x"]);
        git(root, &["submodule", "add", "-q", library.to_str().unwrap(), "vendor"]);
        write(root, &[("vendor/x.tmp", ""), ("vendor/x.log", "")]);
        let all = kept(root);
        assert!(all.contains("vendor/code") && all.contains("vendor/x.log"), "{all:?}");
        assert!(!all.contains("vendor/x.tmp") && !all.iter().any(|name| name.ends_with(".git")));
    }

    #[test]
    fn patterns_are_those_of_git() {
        if !is_there() {
            return;
        }
        let space = tempfile::tempdir().unwrap();
        let root = space.path();
        git(root, &["init", "-q"]);
        let names = ["a", "b", "ab", "a.o", "foo", "a]", "[a", "a b", "#a", "!a", "a*"];
        for first in names {
            write(root, &[(&format!("{first}.f"), "")]);
            for second in ["a", "foo", "b.o", "["] {
                write(root, &[(&format!("{first}/{second}"), "")]);
                write(root, &[(&format!("{first}/d/{second}/a"), "")]);
            }
        }
        let pieces = [
            "a",
            "b",
            "foo",
            "d",
            "*",
            "**",
            "?",
            "/",
            "/**/",
            "**/",
            "/*",
            "[a-c]",
            "[!a]",
            "[^b]",
            "[]]",
            "[[]",
            "[[:alpha:]]",
            "\\",
            "\\*",
            "!",
            "#",
            " ",
            ".o",
            ".f",
            "\\ ",
            "[a",
            "]",
            "-",
        ];
        // random patterns: the seed is in the message
        let mut seed: u64 = 0x5eed;
        for round in 0..60 {
            let mut draw = |most: usize| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) as usize % most
            };
            let mut lines = Vec::new();
            for _ in 0..1 + draw(4) {
                lines
                    .push((0..1 + draw(5)).map(|_| pieces[draw(pieces.len())]).collect::<String>());
            }
            let text = lines.join("\n");
            fs_err::write(root.join(".gitignore"), &text).unwrap();
            assert_eq!(kept(root), of_git(root), "round {round}: {text:?}");
        }
    }
}
