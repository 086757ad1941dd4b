//! The objects of a repository, read through `git cat-file --batch`. Each is hashed again, so that its content
//! depends on its id alone, and not on git or a server.

use std::io::{self, BufRead as _, Read, Write as _};

use super::{
    client::{Conversation, Repository},
    entry::{Entry, EntryKind},
    error::GitError,
    revision::Commit,
};
use crate::{
    hash::{Algorithm, Format, Hasher, encode_base16},
    unpack::{entry_name, shown},
};

/// The largest commit, tree, tag or link that is read into memory.
const LARGEST: u64 = 1 << 28;
/// git's answer for an object that is not there.
const MISSING: &str = "is not in the repository";
/// The longest path, in bytes.
const LONGEST: usize = 4000;
/// The most tags in a chain.
const TAGS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectType {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl ObjectType {
    fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Commit, Self::Tree, Self::Blob, Self::Tag].into_iter().find(|k| k.name() == name)
    }
}

/// An object whose bytes have its id.
pub(super) struct Object {
    pub(super) kind: ObjectType,
    pub(super) bytes: Vec<u8>,
}

pub(super) struct Objects {
    batch: Conversation,
}

impl Objects {
    pub(super) fn open(repository: &Repository<'_>) -> Result<Self, GitError> {
        Ok(Self { batch: repository.converse(&["cat-file", "--batch"])? })
    }

    /// A commit and the id of its tree; a tag stands for what it names.
    pub(super) fn commit(&mut self, id: &str) -> Result<(Commit, String), GitError> {
        let mut at = id.to_owned();
        for _ in 0..TAGS {
            let object = self.read_any(&at).map_err(|error| match error {
                GitError::Object { id, problem } if problem == MISSING => broken(
                    &id,
                    "is not in the repository, or not where it was looked for: give the branch or \
                     tag that has it as `ref`, or say `allRefs = true`",
                ),
                other => other,
            })?;
            let text = String::from_utf8_lossy(&object.bytes);
            let header = |name: &str| {
                let lines = text.lines().take_while(|line| !line.is_empty());
                lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).next()
            };
            let id_of = |name: &str| {
                let found = header(name).filter(|found| is_id(found, id.len()));
                found.map(str::to_owned).ok_or_else(|| broken(&at, &format!("has no '{name}'")))
            };
            match object.kind {
                ObjectType::Commit => {
                    // the end of the line is `SECONDS +HHMM`
                    let time = header("committer").and_then(|who| who.rsplit(' ').nth(1));
                    let time = time.and_then(|seconds| seconds.parse().ok());
                    let time = time.ok_or_else(|| broken(&at, "has no time of its committer"))?;
                    return Ok((Commit { time }, id_of("tree")?));
                }
                ObjectType::Tag => at = id_of("object")?,
                other => {
                    let problem = format!("is a {}, expected a commit", other.name());
                    return Err(broken(id, &problem));
                }
            }
        }
        Err(broken(id, "is a tag of a tag, and so on"))
    }

    /// The entries of a tree, a folder before its own; at most `room`.
    pub(super) fn list(
        &mut self,
        tree: &str,
        entries: &mut Vec<Entry>,
        room: usize,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), GitError> {
        let mut todo =
            vec![Entry { name: Vec::new(), kind: EntryKind::Directory, id: tree.to_owned() }];
        while let Some(entry) = todo.pop() {
            if cancelled() {
                return Err(GitError::Cancelled);
            }
            if entry.kind == EntryKind::Directory {
                let object = self.read(&entry.id, ObjectType::Tree)?;
                let first = todo.len();
                parse(&object.bytes, &entry, tree.len() / 2, &mut todo)?;
                todo[first..].reverse();
            }
            if todo.len() + entries.len() > room {
                return Err(broken(tree, &format!("holds more than {room} files")));
            }
            if !entry.name.is_empty() {
                entries.push(entry);
            }
        }
        Ok(())
    }

    /// An object of that kind.
    pub(super) fn read(&mut self, id: &str, kind: ObjectType) -> Result<Object, GitError> {
        let object = self.read_any(id)?;
        if object.kind == kind { Ok(object) } else { Err(unlike(id, object.kind, kind)) }
    }

    fn read_any(&mut self, id: &str) -> Result<Object, GitError> {
        let (kind, size) = self.ask(id)?;
        if size > LARGEST {
            return Err(broken(id, &format!("has {size} bytes, which is too much for its kind")));
        }
        let mut reader = Blob::new(&mut self.batch, id, kind, size);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        reader.check()?;
        Ok(Object { kind, bytes })
    }

    /// A file's content, to be read to its end and then checked.
    pub(super) fn open_blob(&mut self, id: &str) -> Result<Blob<'_>, GitError> {
        match self.ask(id)? {
            (ObjectType::Blob, size) => Ok(Blob::new(&mut self.batch, id, ObjectType::Blob, size)),
            (other, _) => Err(unlike(id, other, ObjectType::Blob)),
        }
    }

    fn ask(&mut self, id: &str) -> Result<(ObjectType, u64), GitError> {
        writeln!(self.batch.asks, "{id}")?;
        self.batch.asks.flush()?;
        let mut line = Vec::new();
        (&mut self.batch.answers).take(200).read_until(b'\n', &mut line)?;
        let line = String::from_utf8_lossy(&line);
        let mut parts = line.trim_end().split(' ');
        let found = (parts.next(), parts.next().and_then(ObjectType::of), parts.next());
        match found {
            (Some(answered), Some(kind), Some(size)) if answered == id => {
                let size = size.parse().map_err(|_| broken(id, "has no size"))?;
                Ok((kind, size))
            }
            _ => Err(broken(id, MISSING)),
        }
    }
}

/// The content of an object, hashed while it is read.
pub(super) struct Blob<'o> {
    batch: &'o mut Conversation,
    id: String,
    hasher: Hasher,
    size: u64,
    left: u64,
}

impl<'o> Blob<'o> {
    fn new(batch: &'o mut Conversation, id: &str, kind: ObjectType, size: u64) -> Self {
        let algorithm = if id.len() == 64 { Algorithm::Sha256 } else { Algorithm::Sha1 };
        let mut hasher = Hasher::new(algorithm);
        hasher.update(format!("{} {size}\0", kind.name()).as_bytes());
        Self { batch, id: id.to_owned(), hasher, size, left: size }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Checks that all was read and has the id.
    pub(super) fn check(self) -> Result<(), GitError> {
        let mut end = [0];
        if self.left > 0 || self.batch.answers.read(&mut end)? != 1 || end != *b"\n" {
            return Err(broken(&self.id, "was not read to its end"));
        }
        let found = self.hasher.finish().format(Format::Base16);
        if found != self.id {
            return Err(broken(&self.id, &format!("is damaged: its content has the id {found}")));
        }
        Ok(())
    }
}

impl Read for Blob<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.batch.answers.read(&mut buffer[..most])?;
        self.hasher.update(&buffer[..count]);
        self.left -= count as u64;
        Ok(count)
    }
}

/// The entries of a tree: mode, space, name, NUL, id; after each other.
fn parse(
    mut bytes: &[u8],
    folder: &Entry,
    width: usize,
    entries: &mut Vec<Entry>,
) -> Result<(), GitError> {
    let damaged = || broken(&folder.id, "is a damaged tree");
    while !bytes.is_empty() {
        let space = bytes.iter().position(|b| *b == b' ').ok_or_else(damaged)?;
        let mode = std::str::from_utf8(&bytes[..space]).ok();
        let mode = mode.and_then(|mode| u32::from_str_radix(mode, 8).ok()).ok_or_else(damaged)?;
        bytes = &bytes[space + 1..];
        let end = bytes.iter().position(|b| *b == 0).ok_or_else(damaged)?;
        let (part, rest) = (&bytes[..end], &bytes[end + 1..]);
        let id = encode_base16(rest.get(..width).ok_or_else(damaged)?);
        bytes = &rest[width..];
        let name = match &*folder.name {
            b"" => part.to_vec(),
            above => [above, b"/", part].concat(),
        };
        let refuse = |reason: &str| GitError::Entry { name: shown(&name), reason: reason.into() };
        if part.contains(&b'/') || matches!(part, b"" | b"." | b"..") {
            return Err(refuse("expected the name of a file"));
        }
        if part.eq_ignore_ascii_case(b".git") {
            return Err(refuse("git forbids files of that name"));
        }
        entry_name::clean_bytes(part).map_err(&refuse)?;
        let kind = match mode & 0o170_000 {
            0o040_000 => EntryKind::Directory,
            0o100_000 => EntryKind::File { executable: mode & 0o111 != 0 },
            0o120_000 => EntryKind::Link,
            0o160_000 => EntryKind::Submodule,
            _ => return Err(refuse(&format!("its mode {mode:o} is unknown"))),
        };
        if name.len() > LONGEST {
            return Err(refuse("its path is too long"));
        }
        entries.push(Entry { name, kind, id });
    }
    Ok(())
}

fn is_id(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn broken(id: &str, problem: &str) -> GitError {
    GitError::Object { id: id.to_owned(), problem: problem.to_owned() }
}

fn unlike(id: &str, found: ObjectType, wanted: ObjectType) -> GitError {
    broken(id, &format!("is a {}, expected a {}", found.name(), wanted.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let root = Entry { name: b"d".to_vec(), kind: EntryKind::Directory, id: "0".repeat(40) };
        let mut entries = Vec::new();
        parse(bytes, &root, 20, &mut entries).map_err(|e| e.to_string())?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    fn entry(mode: &str, name: &str) -> Vec<u8> {
        let mut bytes = format!("{mode} {name}\0").into_bytes();
        bytes.extend([7; 20]);
        bytes
    }

    #[test]
    fn trees_are_read_whole_or_refused() {
        let tree = [entry("100644", "a"), entry("40000", "b"), entry("120000", "c")].concat();
        assert_eq!(parsed(&tree).unwrap(), [b"d/a", b"d/b", b"d/c"]);
        let ends = [0, entry("100644", "a").len(), tree.len() - entry("120000", "c").len()];
        for end in 0..tree.len() {
            assert_eq!(parsed(&tree[..end]).is_ok(), ends.contains(&end), "{end}");
        }
        for name in ["", ".", "..", ".git", ".GiT", "a/b", "/"] {
            assert!(parsed(&entry("100644", name)).is_err(), "{name}");
        }
        for mode in ["", "x", "0", "10644", "60000", "99999999999"] {
            assert!(parsed(&entry(mode, "a")).is_err(), "{mode}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_tree_or_an_error(bytes: Vec<u8>, at: usize, byte: u8) {
            let _ = parsed(&bytes);
            let mut tree = [entry("100644", "a"), entry("40000", "b")].concat();
            let at = at % tree.len();
            tree[at] = byte;
            for name in parsed(&tree).unwrap_or_default() {
                let part = name.strip_prefix(b"d/").unwrap();
                assert!(!part.contains(&b'/') && !matches!(part, b"" | b"." | b".."));
            }
        }
    }
}
