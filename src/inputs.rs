//! The store objects that a builder may read, and the only way to open their files.
//!
//! Links are followed as they are in a sandbox: by their text, in the logical store dir, and only as long as each
//! step is in one of these objects. So a link to a place of the host leads nowhere. The kernel resolves paths that
//! stay in one object (`openat2(2)`). Paths to another object, and all paths on a kernel or behind a filter without
//! that call, are followed here step by step.

use std::{
    ffi::{OsStr, OsString},
    fmt, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2,
        readlinkat, statat,
    },
    io::Errno,
};

use crate::{
    limits,
    regular::{self, CAREFULLY},
    store_path::{STORE_DIR, StorePath},
};

/// Opens a name without reading or following it.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Store objects that may be read.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The folder that holds them under their base names.
    folder: &'a Path,
    paths: &'a [StorePath],
}

/// A path in one of the objects. There may be nothing at it.
#[derive(Clone, Debug)]
pub struct InputPath<'a> {
    inputs: Inputs<'a>,
    object: StorePath,
    /// The path in the object; empty for the object itself.
    below: PathBuf,
}

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name.
    pub name: OsString,
    /// Its kind; a link is not followed.
    pub kind: EntryKind,
}

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// Something that no store holds: a pipe, a socket, a device.
    Other,
}

impl From<FileType> for EntryKind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::Directory => Self::Folder,
            FileType::RegularFile => Self::File,
            FileType::Symlink => Self::Link,
            _ => Self::Other,
        }
    }
}

impl<'a> Inputs<'a> {
    /// The objects of these paths, which are in `folder` under their base names.
    #[must_use]
    pub fn new(folder: &'a Path, paths: &'a [StorePath]) -> Self {
        Self { folder, paths }
    }

    /// The object, or the path below one, that a logical path names.
    ///
    /// # Errors
    /// If it is not a path of the store, or not in one of these objects.
    pub fn at(self, logical: &str) -> io::Result<InputPath<'a>> {
        let wrong = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let (object, below) = StorePath::split(logical).map_err(|e| wrong(e.to_string()))?;
        if !self.paths.contains(&object) {
            return Err(wrong(format!("'{object}' is not an input of this derivation")));
        }
        if below.split('/').any(|part| part == "..") {
            return Err(wrong(format!("'{logical}' leaves its store path")));
        }
        Ok(InputPath { inputs: self, object, below: below.trim_matches('/').into() })
    }
}

/// The logical path.
impl fmt::Display for InputPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.logical().display())
    }
}

impl<'a> InputPath<'a> {
    /// The path below this one.
    #[must_use]
    pub fn join(&self, below: impl AsRef<Path>) -> InputPath<'a> {
        // an absolute path would replace the place
        let below = below.as_ref().strip_prefix("/").unwrap_or(below.as_ref());
        // an empty one would end it with a slash
        let below = match below.as_os_str().is_empty() {
            true => self.below.clone(),
            false => self.below.join(below),
        };
        InputPath { below, object: self.object.clone(), ..*self }
    }

    /// Opens a regular file to read it.
    ///
    /// # Errors
    /// If there is none, or something else, or a link on the way leads out of the objects.
    pub fn open(&self) -> io::Result<fs_err::File> {
        let file = self.resolve(Want::File)?;
        Ok(fs_err::File::from_parts(file.into(), self.logical()))
    }

    /// Reads a regular file.
    ///
    /// # Errors
    /// As [`InputPath::open`], and if it has more than `most` bytes.
    pub fn read(&self, most: u64) -> io::Result<Vec<u8>> {
        regular::read_all(&self.open()?, most)
    }

    /// The entries of a folder, ordered by name.
    ///
    /// # Errors
    /// If there is none, or a link on the way leads out of the objects.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let folder = self.resolve(Want::Folder)?;
        let read = || -> Result<Vec<Entry>, Errno> {
            let (mut found, mut folder) = (Vec::new(), Dir::new(folder)?);
            while let Some(entry) = folder.next() {
                let entry = entry?;
                let name = entry.file_name();
                if matches!(name.to_bytes(), b"." | b"..") {
                    continue;
                }
                let kind = match entry.file_type() {
                    // file systems that do not tell it
                    FileType::Unknown => kind_at(folder.fd()?, name)?,
                    known => known.into(),
                };
                let name = OsStr::from_bytes(name.to_bytes()).to_owned();
                found.push(Entry { name, kind });
            }
            found.sort();
            Ok(found)
        };
        read().map_err(|error| self.failed(&error.into()))
    }

    /// The kind of the last name, which is not followed; nothing if it does not exist.
    ///
    /// # Errors
    /// If the folder exists and cannot be opened.
    pub fn kind(&self) -> io::Result<Option<EntryKind>> {
        use io::ErrorKind::{NotADirectory, NotFound};
        let found = match self.last() {
            Ok((folder, name)) => kind_at(&folder, name).map_err(|e| self.failed(&e.into())),
            Err(error) => Err(error),
        };
        match found {
            Ok(kind) => Ok(Some(kind)),
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The text of a link.
    ///
    /// # Errors
    /// If there is none.
    pub fn link(&self) -> io::Result<PathBuf> {
        let (folder, name) = self.last()?;
        let text = readlinkat(&folder, name, Vec::new());
        let text = text.map_err(|error| self.failed(&error.into()))?;
        Ok(OsString::from_vec(text.into_bytes()).into())
    }

    /// The folder of the last name, and that name.
    fn last(&self) -> io::Result<(OwnedFd, &OsStr)> {
        let Some(name) = self.below.file_name() else {
            let folder = openat(CWD, self.inputs.folder, LOOK | OFlags::DIRECTORY, Mode::empty());
            return Ok((folder.map_err(|e| self.failed(&e.into()))?, self.object.base().as_ref()));
        };
        let above = self.below.parent().unwrap_or(Path::new(""));
        let folder = InputPath { below: above.into(), object: self.object.clone(), ..*self };
        Ok((folder.resolve(Want::Folder)?, name))
    }

    fn logical(&self) -> PathBuf {
        let object = Path::new(STORE_DIR).join(self.object.base());
        if self.below.as_os_str().is_empty() { object } else { object.join(&self.below) }
    }

    fn failed(&self, error: &io::Error) -> io::Error {
        regular::named(self.logical(), error)
    }

    fn resolve(&self, want: Want) -> io::Result<OwnedFd> {
        let found = match self.beneath(want) {
            Ok(found) => Ok(found),
            Err(Errno::NOENT) => Err(Errno::NOENT.into()),
            // a link to another object, a kernel that lacks the call, a filter that refuses it, and
            // errors that need words
            Err(_) => self.step_by_step(want),
        };
        let checked = found.and_then(|found| match want {
            Want::File => regular::check(&found).map(|()| found),
            Want::Folder => Ok(found),
        });
        checked.map_err(|error| self.failed(&error))
    }

    /// Opens it with the help of the kernel, beneath the object.
    fn beneath(&self, want: Want) -> Result<OwnedFd, Errno> {
        let object = self.inputs.folder.join(self.object.base());
        if self.below.as_os_str().is_empty() {
            return openat(CWD, object, want.flags() | OFlags::NOFOLLOW, Mode::empty());
        }
        let object = openat(CWD, object, LOOK | OFlags::DIRECTORY, Mode::empty())?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        openat2(object, &*self.below, want.flags(), Mode::empty(), resolve)
    }

    /// Opens it step by step, in other objects, too, without the help of the kernel.
    fn step_by_step(&self, want: Want) -> io::Result<OwnedFd> {
        let mut walk = Walk { inputs: self.inputs, at: None, above: Vec::new(), links: 0 };
        let mut todo = parts(&self.below);
        todo.push(self.object.base().into());
        walk.run(todo, want)
    }
}

/// The kind of entry that is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    File,
    Folder,
}

impl Want {
    fn flags(self) -> OFlags {
        match self {
            Self::File => CAREFULLY,
            Self::Folder => CAREFULLY | OFlags::DIRECTORY,
        }
    }
}

/// The names of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let name = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(name).collect()
}

fn kind_at(folder: impl AsFd, name: impl rustix::path::Arg) -> Result<EntryKind, Errno> {
    let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(found.st_mode).into())
}

/// A path being followed by hand. No more than a few files are open, however long it is.
struct Walk<'a> {
    inputs: Inputs<'a>,
    /// The folder that has been reached; nothing in the store dir itself.
    at: Option<OwnedFd>,
    /// Device and number of every folder from the object down to `at`: the targets of `..`.
    above: Vec<(u64, u64)>,
    /// The links that have been followed.
    links: usize,
}

impl Walk<'_> {
    fn run(&mut self, mut todo: Vec<OsString>, want: Want) -> io::Result<OwnedFd> {
        while let Some(name) = todo.pop() {
            if name == ".." {
                self.up()?;
                continue;
            }
            let found = self.open(&name, LOOK)?;
            let stat = fstat(&found)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => self.follow(&found, &mut todo)?,
                FileType::Directory => {
                    self.above.push((stat.st_dev, stat.st_ino));
                    self.at = Some(found);
                }
                FileType::RegularFile if todo.is_empty() && want == Want::File => {
                    return self.open(&name, want.flags() | OFlags::NOFOLLOW);
                }
                other if todo.is_empty() && want == Want::File => {
                    return Err(regular::not_regular(other));
                }
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        match &self.at {
            None => Err(outside("the store itself")),
            Some(_) if want == Want::File => Err(regular::not_regular(FileType::Directory)),
            Some(folder) => Ok(openat(folder, c".", want.flags(), Mode::empty())?),
        }
    }

    /// Opens a name in the folder that has been reached.
    fn open(&self, name: &OsStr, flags: OFlags) -> io::Result<OwnedFd> {
        let Some(folder) = &self.at else {
            let object = name.to_str().and_then(|base| StorePath::from_base(base).ok());
            let object = object.filter(|object| self.inputs.paths.contains(object));
            let Some(object) = object else {
                return Err(outside(&format!("'{STORE_DIR}/{}'", name.display())));
            };
            let place = self.inputs.folder.join(object.base());
            return Ok(openat(CWD, place, flags, Mode::empty())?);
        };
        Ok(openat(folder, name, flags, Mode::empty())?)
    }

    /// Goes to the folder above, which must be the one that led here.
    fn up(&mut self) -> io::Result<()> {
        let Some(folder) = self.at.take() else { return Err(outside("a folder above the store")) };
        self.above.pop();
        let Some(expected) = self.above.last() else { return Ok(()) };
        let folder = openat(&folder, c"..", LOOK | OFlags::DIRECTORY, Mode::empty())?;
        let stat = fstat(&folder)?;
        if (stat.st_dev, stat.st_ino) != *expected {
            return Err(io::Error::other("a folder on the way to it was moved"));
        }
        self.at = Some(folder);
        Ok(())
    }

    fn follow(&mut self, link: &OwnedFd, todo: &mut Vec<OsString>) -> io::Result<()> {
        self.links += 1;
        if self.links > limits::LINKS {
            return Err(Errno::LOOP.into());
        }
        let text = text_of(link.as_fd())?;
        let inside = if text.is_absolute() {
            self.at = None;
            self.above.clear();
            let inside = text.strip_prefix(STORE_DIR);
            inside.map_err(|_| outside(&format!("'{}'", text.display())))?
        } else {
            &text
        };
        todo.extend(parts(inside));
        Ok(())
    }
}

fn text_of(link: BorrowedFd<'_>) -> io::Result<PathBuf> {
    let text = readlinkat(link, c"", Vec::new())?;
    Ok(OsString::from_vec(text.into_bytes()).into())
}

fn outside(target: &str) -> io::Error {
    let text = format!(
        "it is, or is behind, a link to {target}, which is in no input of this derivation; copy what \
         is meant instead of linking to it"
    );
    io::Error::new(io::ErrorKind::CrossesDevices, text)
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::unix::fs::symlink};

    use super::*;

    struct World {
        dir: tempfile::TempDir,
        paths: Vec<StorePath>,
    }

    impl World {
        /// A store with the objects `a` and `b`, which may be read, `c`, which may not, and a file
        /// outside.
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = |n: u8, name: &str| StorePath::new(&[n; 20], name).unwrap();
            let paths = vec![path(1, "a"), path(2, "b"), path(3, "c"), path(4, "link")];
            for path in &paths[..3] {
                let folder = dir.path().join("store").join(path.base());
                fs_err::create_dir_all(folder.join("d/e")).unwrap();
                fs_err::write(folder.join("d/file"), path.name()).unwrap();
            }
            fs_err::write(dir.path().join("secret"), "secret").unwrap();
            Self { dir, paths }
        }

        fn real(&self, n: usize) -> PathBuf {
            self.dir.path().join("store").join(self.paths[n].base())
        }

        fn link(&self, name: &str, target: impl AsRef<Path>) {
            symlink(target, self.real(0).join(name)).unwrap();
        }

        /// Reads a path of the first object, in both ways, which must agree.
        fn read(&self, below: &str) -> Result<String, String> {
            let allowed = [self.paths[0].clone(), self.paths[1].clone(), self.paths[3].clone()];
            let store = self.dir.path().join("store");
            let inputs = Inputs::new(&store, &allowed);
            let place = inputs.at(&self.paths[0].to_string()).unwrap().join(below);
            let text = |file: OwnedFd| {
                let mut text = String::new();
                std::fs::File::from(file).read_to_string(&mut text).unwrap();
                text
            };
            let by_hand = place.step_by_step(Want::File).and_then(|file| {
                regular::check(&file)?;
                Ok(text(file))
            });
            let read = place.read(100).map(|bytes| String::from_utf8(bytes).unwrap());
            match (&read, &by_hand) {
                (Ok(read), Ok(by_hand)) => assert_eq!(read, by_hand),
                (Err(read), Err(by_hand)) => assert_eq!(read.kind(), by_hand.kind(), "{below}"),
                other => panic!("{below}: {other:?}"),
            }
            read.map_err(|error| error.to_string())
        }
    }

    #[test]
    fn links_are_followed_from_object_to_object() {
        let world = World::new();
        let b = world.paths[1].to_string();
        world.link("same", "d/file");
        world.link("d/e/up", "../../same");
        world.link("folder", "d/e/..");
        world.link("absolute", format!("{b}/d/file"));
        world.link("doubled", format!("//clutch/./store//{}/d/file", world.paths[1].base()));
        world.link("relative", format!("../{}/d/file", world.paths[1].base()));
        world.link("back", format!("{b}/d/e/../../../{}/d/file", world.paths[0].base()));
        symlink(&b, world.real(3)).unwrap();
        world.link("object", format!("../{}/d/file", world.paths[3].base()));
        for (below, text) in [
            ("d/file", "a"),
            ("d/e/../file", "a"),
            ("same", "a"),
            ("d/e/up", "a"),
            ("folder/file", "a"),
            ("absolute", "b"),
            ("doubled", "b"),
            ("relative", "b"),
            ("back", "a"),
            ("object", "b"),
        ] {
            assert_eq!(world.read(below).as_deref(), Ok(text), "{below}");
        }
    }

    #[test]
    fn nothing_else_is_read() {
        let world = World::new();
        let secret = world.dir.path().join("secret");
        world.link("host", &secret);
        world.link("folder", world.dir.path());
        world.link("up", "../../secret");
        world.link("d/e/up", "../../../../secret");
        world.link("store", format!("{STORE_DIR}/../../secret"));
        world.link("dir", STORE_DIR);
        world.link("other", world.paths[2].to_string());
        world.link("beside", format!("../{}/d/file", world.paths[2].base()));
        // the place of the store must not be shown
        world.link("kept", world.real(1).join("d/file"));
        world.link("process", "/proc/self/root/etc/hostname");
        for below in [
            "host",
            "folder/secret",
            "up",
            "d/e/up",
            "store",
            "dir/x",
            "other/d/file",
            "beside",
            "kept",
            "process",
            "../../secret",
            "/../../secret",
        ] {
            let error = world.read(below).unwrap_err();
            assert!(error.contains("is in no input of this derivation"), "{below}: {error}");
        }
        let allowed = [world.paths[0].clone()];
        let store = world.dir.path().join("store");
        let inputs = Inputs::new(&store, &allowed);
        for text in ["/etc/passwd", &world.paths[1].to_string(), &format!("{}/../x", allowed[0])] {
            assert!(inputs.at(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_waited_for() {
        let world = World::new();
        let pipe = world.real(1).join("pipe");
        rustix::fs::mkfifoat(CWD, &pipe, Mode::RWXU).unwrap();
        world.link("pipe", format!("../{}/pipe", world.paths[1].base()));
        rustix::fs::mkfifoat(CWD, world.real(0).join("own"), Mode::RWXU).unwrap();
        world.link("a", "b");
        world.link("b", "a");
        world.link("many", "d/".to_owned() + &"e/../".repeat(700) + "file");
        for (below, why) in [
            ("pipe", "it is a named pipe"),
            ("own", "it is a named pipe"),
            ("d", "it is a folder"),
            ("", "it is a folder"),
            ("a", "symbolic links"),
            ("missing", "No such file"),
            ("d/file/x", "Not a directory"),
        ] {
            let error = world.read(below).unwrap_err();
            assert!(error.contains(why) && error.contains(&world.paths[0].to_string()), "{error}");
        }
        assert_eq!(world.read("many").as_deref(), Ok("a"));
    }

    #[test]
    fn folders_and_links_are_looked_at_without_following() {
        let world = World::new();
        world.link("host", "/etc");
        let allowed = [world.paths[0].clone()];
        let store = world.dir.path().join("store");
        let object = Inputs::new(&store, &allowed).at(&allowed[0].to_string()).unwrap();
        let names = |place: &InputPath<'_>| {
            place.entries().map(|all| {
                all.into_iter().map(|e| (e.name.into_string().unwrap(), e.kind)).collect::<Vec<_>>()
            })
        };
        assert_eq!(
            names(&object).unwrap(),
            [("d".into(), EntryKind::Folder), ("host".into(), EntryKind::Link)]
        );
        assert_eq!(
            names(&object.join("d")).unwrap(),
            [("e".into(), EntryKind::Folder), ("file".into(), EntryKind::File)]
        );
        assert!(names(&object.join("host")).is_err());
        assert_eq!(object.join("host").link().unwrap(), Path::new("/etc"));
        assert_eq!(object.join("host").kind().unwrap(), Some(EntryKind::Link));
        assert_eq!(object.kind().unwrap(), Some(EntryKind::Folder));
        assert_eq!(object.join("d/file/x").kind().unwrap(), None);
        assert_eq!(object.join("x/y").kind().unwrap(), None);
        assert!(object.join("host/passwd").kind().is_err());
    }
}
