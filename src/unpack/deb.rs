//! Debian's binary packages (deb(5)): an ar archive of `debian-binary`, `control.tar.*` and
//! `data.tar.*`. Maintainer scripts are never run.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
};

use fs_err as fs;

use super::{ArchiveError, compression, tar_entries::Entries, tarball, writer::Tree};
use crate::limits;

/// A package file whose control fields have been read.
#[derive(Debug)]
pub(crate) struct Deb {
    file: fs::File,
    /// The range of `data.tar.*` in the file.
    data: Range<u64>,
    /// The fields of the control file, names in lower case.
    pub control: BTreeMap<String, String>,
}

impl Deb {
    /// Reads the outline of the opened file and its control fields.
    ///
    /// # Errors
    /// If it is not a whole .deb.
    pub(crate) fn open(file: fs::File) -> Result<Self, ArchiveError> {
        let path = file.path();
        let size = file.metadata()?.len();
        let members = members(&file, size)?;
        let find = |stem: &str| {
            members.iter().find(|(name, _)| name.starts_with(stem)).map(|(_, range)| range.clone())
        };
        if members.first().is_none_or(|(name, _)| name != "debian-binary") {
            return Err(ArchiveError::archive(path, "not a .deb: no 'debian-binary' in front"));
        }
        let control =
            find("control.tar").ok_or_else(|| ArchiveError::archive(path, "no control.tar"))?;
        let data = find("data.tar").ok_or_else(|| ArchiveError::archive(path, "no data.tar"))?;
        let control = read_control(&file, control)?;
        Ok(Self { file, data, control })
    }

    /// The package file's path, for messages.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Unpacks the files. `select` is given each clean name (`usr/lib/...`) and gives its place in
    /// the tree, or nothing if it is left out.
    ///
    /// # Errors
    /// Names the package file, the entry and the problem.
    pub(crate) fn unpack_into(
        &self,
        tree: &Tree<'_>,
        select: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), ArchiveError> {
        tarball::unpack(self.file.path(), part(&self.file, &self.data)?, tree, select)
    }
}

fn part<'a>(
    mut file: &'a fs::File,
    range: &Range<u64>,
) -> Result<Box<dyn Read + Send + 'a>, ArchiveError> {
    file.seek(SeekFrom::Start(range.start))?;
    let stream = BufReader::with_capacity(1 << 16, file.take(range.end - range.start));
    Ok(compression::reader(stream)?)
}

/// The members of an ar archive (`ar(5)`, common format) with their places.
fn members(mut file: &fs::File, size: u64) -> Result<Vec<(String, Range<u64>)>, ArchiveError> {
    let broken = |reason: &str| ArchiveError::archive(file.path(), format!("not a .deb: {reason}"));
    let mut magic = [0; 8];
    file.read_exact(&mut magic).map_err(|_| broken("it is shorter than an ar archive's head"))?;
    if &magic != b"!<arch>\n" {
        return Err(broken("expected an ar archive"));
    }
    let mut found = Vec::new();
    let mut at = 8;
    // a deb has three members, a few more are allowed by deb(5)
    while at < size && found.len() < 16 {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 60];
        file.read_exact(&mut head).map_err(|_| broken("a member's head is cut off"))?;
        if &head[58..] != b"`\n" {
            return Err(broken("a member's head does not end as it should"));
        }
        let text = |range: Range<usize>| std::str::from_utf8(&head[range]).map(str::trim_end);
        let name = text(0..16).map_err(|_| broken("a member's name is not UTF-8"))?;
        let length: u64 = text(48..58)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| broken("a member's size is not a number"))?;
        let range = at + 60..(at + 60).saturating_add(length);
        if range.end > size {
            return Err(broken("a member is cut off"));
        }
        at = range.end + range.end % 2;
        found.push((name.trim_end_matches('/').to_owned(), range));
    }
    Ok(found)
}

fn read_control(
    file: &fs::File,
    range: Range<u64>,
) -> Result<BTreeMap<String, String>, ArchiveError> {
    let broken =
        |reason: String| ArchiveError::archive(file.path(), format!("control.tar: {reason}"));
    // maintainer scripts and lists of files are beside it
    let all = 4 * limits::METADATA;
    let mut entries = Entries::new(part(file, &range)?.take(all));
    while let Some(entry) = entries.next_entry().map_err(|e| broken(e.to_string()))? {
        if !matches!(&*entry.name, b"./control" | b"control") {
            continue;
        }
        if entry.size > limits::METADATA {
            let most = limits::METADATA;
            let reason =
                format!("the control file has {} bytes, expected {most} at most", entry.size);
            return Err(broken(reason));
        }
        let mut text = String::new();
        entries.read_to_string(&mut text).map_err(|e| broken(e.to_string()))?;
        let control = fields(&text);
        for name in ["package", "version"] {
            if !control.contains_key(name) {
                return Err(broken(format!("the field '{name}' is missing")));
            }
        }
        return Ok(control);
    }
    Err(broken("no file 'control' in it".to_owned()))
}

/// The fields of one paragraph (deb822(5)): names in lower case, continued lines joined by a line
/// feed.
#[must_use]
pub(crate) fn fields(paragraph: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut last: Option<String> = None;
    for line in paragraph.lines() {
        if line.starts_with('#') {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some(value) = last.as_ref().and_then(|name| found.get_mut(name)) {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            let name = name.trim().to_ascii_lowercase();
            found.insert(name.clone(), value.trim().to_owned());
            last = Some(name);
        }
    }
    found
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::unpack::writer::{Limits, Links};

    /// An ar archive of these members.
    pub(crate) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = b"!<arch>\n".to_vec();
        for (name, content) in members {
            let size = content.len();
            out.extend(
                format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).bytes(),
            );
            out.extend(*content);
            if !size.is_multiple_of(2) {
                out.push(b'\n');
            }
        }
        out
    }

    pub(crate) fn header(name: &str, kind: tar::EntryType, size: usize) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        // written directly, since the crate refuses the names that these tests need
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size as u64);
        header.set_mode(0o644);
        header.set_cksum();
        header
    }

    pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in files {
            tar.append(&header(name, tar::EntryType::Regular, content.len()), *content).unwrap();
        }
        tar.into_inner().unwrap()
    }

    const CONTROL: &[u8] = b"Package: x\nVersion: 1:2.0-1\nDescription: short\n long\n .\n";

    fn deb(data: &[u8]) -> Vec<u8> {
        let control = tar_of(&[("./control", CONTROL)]);
        ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", data)])
    }

    fn open(bytes: &[u8]) -> (tempfile::TempDir, Result<Deb, ArchiveError>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.deb");
        fs::write(&path, bytes).unwrap();
        let deb = Deb::open(fs::File::open(path).unwrap());
        (dir, deb)
    }

    fn unpack(bytes: &[u8]) -> Result<Vec<String>, String> {
        let (dir, deb) = open(bytes);
        let limits = Limits { bytes: 1 << 20, entries: 100 };
        let tree =
            Tree::create(&dir.path().join("out"), Links::Absolute, limits, &|| false).unwrap();
        deb.map_err(|e| e.to_string())?
            .unpack_into(&tree, &|name| Some(name.to_owned()))
            .map_err(|e| e.to_string())?;
        let mut names: Vec<_> = fs::read_dir(tree.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        Ok(names)
    }

    #[test]
    fn a_package_is_read() {
        let (_dir, deb) = open(&deb(&tar_of(&[])));
        let deb = deb.unwrap();
        assert_eq!((&*deb.control["package"], &*deb.control["version"]), ("x", "1:2.0-1"));
        assert_eq!(deb.control["description"], "short\nlong\n.");
    }

    #[test]
    fn every_compression_unpacks() {
        let tar = tar_of(&[("./a", b"1"), ("./b", b"22")]);
        let mut xz = Vec::new();
        liblzma::read::XzEncoder::new(&tar[..], 1).read_to_end(&mut xz).unwrap();
        let mut gz = Vec::new();
        flate2::read::GzEncoder::new(&tar[..], flate2::Compression::fast())
            .read_to_end(&mut gz)
            .unwrap();
        let mut bz2 = Vec::new();
        bzip2::read::BzEncoder::new(&tar[..], bzip2::Compression::fast())
            .read_to_end(&mut bz2)
            .unwrap();
        let zst = zstd::encode_all(&tar[..], 1).unwrap();
        for data in [tar, xz.clone(), gz, bz2, zst] {
            assert_eq!(unpack(&deb(&data)).unwrap(), ["a", "b"]);
        }
        let cut = unpack(&deb(&xz[..xz.len() - 9])).unwrap_err();
        assert!(cut.contains("not a whole tar"), "{cut}");
    }

    #[test]
    fn what_is_no_package_is_refused() {
        let whole = deb(&tar_of(&[("./a", b"1")]));
        let refused = |bytes: &[u8], reason: &str| {
            let error = unpack(bytes).unwrap_err();
            assert!(error.contains(reason) && error.contains("x.deb"), "{error}");
        };
        refused(b"", "shorter than");
        refused(b"PK\x03\x04 some zip", "expected an ar archive");
        refused(&whole[..whole.len() - 1], "cut off");
        refused(&whole[..100], "cut off");
        refused(&ar(&[("debian-binary", b"2.0\n")]), "no control.tar");
        refused(&ar(&[("control.tar", b"")]), "debian-binary");
        let control = tar_of(&[("./control", b"Package: x\n")]);
        let members =
            [("debian-binary", &b"2.0\n"[..]), ("control.tar", &control), ("data.tar", b"")];
        refused(&ar(&members), "'version' is missing");
        let mut size = whole.clone();
        size[8 + 48..8 + 58].copy_from_slice(b"9999999999");
        refused(&size, "cut off");
    }

    #[test]
    fn unsafe_entries_are_refused() {
        use tar::EntryType;
        let with = |name: &str, kind: EntryType, target: &str| {
            let mut header = header(name, kind, 0);
            header.as_gnu_mut().unwrap().linkname[..target.len()]
                .copy_from_slice(target.as_bytes());
            header.set_cksum();
            let mut tar = tar::Builder::new(Vec::new());
            tar.append(&header, &b""[..]).unwrap();
            unpack(&deb(&tar.into_inner().unwrap()))
        };
        for (name, kind, target, reason) in [
            ("../a", EntryType::Regular, "", "'..'"),
            ("/a", EntryType::Regular, "", "absolute"),
            ("a", EntryType::Char, "", "device"),
            ("a", EntryType::Fifo, "", "pipe"),
            ("a", EntryType::Symlink, "../b", "leaves"),
            ("a", EntryType::Link, "../b", "'..'"),
            ("a", EntryType::Link, "b", "not an earlier file"),
            (".", EntryType::Regular, "", "root"),
        ] {
            let error = with(name, kind, target).unwrap_err();
            assert!(error.contains(reason) && error.contains(name), "{error}");
        }
        assert_eq!(with("a", EntryType::Symlink, "/etc/x").unwrap(), ["a"]);
    }
}
