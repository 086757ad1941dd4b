//! `builtin:unpack`: an archive as a folder. Attributes: `src`, the archive's path in the store;
//! `format` (`zip`, `tar` or `deb`; by the first bytes if it is not given); `strip`, the
//! number of leading parts to drop from names, or `auto`: the one folder that holds everything.

use std::{
    ffi::OsStr,
    io::{BufReader, Read, Seek as _},
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use fs_err as fs;

use super::attributes;
use crate::build::task::{Task, TaskError};
use crate::unpack::{
    ArchiveError, compression,
    deb::Deb,
    entry_name, shown, tarball,
    writer::{Limits, Links, Tree},
    zip_file::Zip,
};

/// The kinds of archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Zip, wheels included.
    Zip,
    /// Tar, compressed in any way of `unpack::compression`.
    Tar,
    /// A Debian package's data.
    Deb,
}

/// The leading parts to drop from every name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strip {
    /// This many parts. Entries without more are left out.
    Parts(usize),
    /// The one folder that holds everything, if there is one.
    Auto,
}

/// Runs `builtin:unpack`.
///
/// # Errors
/// If the archive, an entry or an attribute is wrong; the error names it.
pub fn build(task: &Task<'_>) -> Result<(), TaskError> {
    let source = attributes::required(task, "src")?;
    let archive = task.input(&source)?;
    let format = match attributes::text(task, "format")?.as_deref() {
        None | Some("") => None,
        Some("zip" | "wheel") => Some(Format::Zip),
        Some("tar") => Some(Format::Tar),
        Some("deb") => Some(Format::Deb),
        Some(other) => {
            let problem = format!("it is '{other}', expected 'zip', 'tar' or 'deb'");
            return Err(attributes::bad("format", &problem));
        }
    };
    let strip = match attributes::text(task, "strip")?.as_deref() {
        None | Some("") => Strip::Parts(0),
        Some("auto") => Strip::Auto,
        Some(count) => Strip::Parts(count.parse().map_err(|_| {
            attributes::bad("strip", &format!("it is '{count}', expected a number or 'auto'"))
        })?),
    };
    unpack(&archive.open()?, format, strip, task.output("out")?, task.cancelled)?;
    Ok(())
}

/// Unpacks an archive into the new folder `destination`. `cancelled` is asked often; true ends the
/// work.
///
/// # Errors
/// If the archive or an entry is wrong; the error names it.
pub fn unpack(
    archive: &fs::File,
    format: Option<Format>,
    strip: Strip,
    destination: &Path,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<(), ArchiveError> {
    let format = match format {
        Some(format) => format,
        None => recognise(archive)?,
    };
    let limits = Limits::for_archive(archive.metadata()?.len());
    let links = if format == Format::Deb { Links::Absolute } else { Links::Inside };
    let count = if let Strip::Parts(count) = strip { count } else { 0 };
    let tree = Tree::create(destination, links, limits, cancelled)?;
    let select = |name: &str| entry_name::strip(name, count).map(str::to_owned);
    match format {
        Format::Zip => Zip::open(archive)?.unpack_into(&tree, &select)?,
        Format::Deb => Deb::open(archive.try_clone()?)?.unpack_into(&tree, &select)?,
        Format::Tar => {
            let file = BufReader::with_capacity(1 << 16, archive);
            tarball::unpack(archive.path(), compression::reader(file)?, &tree, &select)?;
        }
    }
    match strip {
        Strip::Auto => lift_single_folder(archive.path(), &tree),
        Strip::Parts(_) => Ok(()),
    }
}

/// If the tree holds exactly one thing, a folder, that takes its place.
fn lift_single_folder(archive: &Path, tree: &Tree<'_>) -> Result<(), ArchiveError> {
    let folder = tree.root();
    let mut entries = fs::read_dir(folder)?;
    let (Some(first), None) = (entries.next(), entries.next()) else { return Ok(()) };
    let first = first?;
    if !first.file_type()?.is_dir() {
        return Ok(());
    }
    // a link that stays in the archive may lead out of the folder
    for name in tree.links() {
        let target = fs::read_link(folder.join(OsStr::from_bytes(&name)))?;
        let target = target.as_os_str().as_bytes();
        let slash = name.iter().position(|byte| *byte == b'/');
        let inside = slash.is_some_and(|slash| {
            target.starts_with(b"/") || entry_name::link_stays_inside(&name[slash + 1..], target)
        });
        if !inside {
            let reason = format!(
                "the link's target '{}' leaves the folder '{}', which holds everything and is dropped \
                 by strip = \"auto\"; use strip = \"0\" to keep it",
                shown(target),
                shown(first.file_name().as_bytes())
            );
            return Err(ArchiveError::entry(archive, name, reason));
        }
    }
    // beside the folder, in which its own name may stand again
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".lifted");
    let aside = folder.with_file_name(name);
    fs::rename(first.path(), &aside)?;
    fs::remove_dir(folder)?;
    Ok(fs::rename(aside, folder)?)
}

/// Detects the kind by the first bytes. A tar has no magic: it is anything but zip and deb, and its reader
/// reports other files.
fn recognise(mut archive: &fs::File) -> Result<Format, ArchiveError> {
    let mut start = Vec::new();
    archive.take(8).read_to_end(&mut start)?;
    archive.rewind()?;
    Ok(match &start[..] {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Format::Zip,
        b"!<arch>\n" => Format::Deb,
        _ => Format::Tar,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unpack::deb::tests::{header, tar_of};

    fn unpacked(bytes: &[u8], strip: Strip) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("a");
        fs::write(&archive, bytes).unwrap();
        let out = dir.path().join("out");
        unpack(&fs::File::open(archive).unwrap(), None, strip, &out, &|| false)
            .map_err(|e| e.to_string())?;
        let mut names = Vec::new();
        let mut folders = vec![out.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                names.push(path.strip_prefix(&out).unwrap().to_str().unwrap().to_owned());
                if path.symlink_metadata().unwrap().is_dir() {
                    folders.push(path);
                }
            }
        }
        names.sort();
        Ok(names)
    }

    #[test]
    fn names_are_stripped() {
        let tar = tar_of(&[("p-1/a", b"1"), ("p-1/p-1/b", b"2")]);
        assert_eq!(unpacked(&tar, Strip::Auto).unwrap(), ["a", "p-1", "p-1/b"]);
        assert_eq!(unpacked(&tar, Strip::Parts(1)).unwrap(), ["a", "p-1", "p-1/b"]);
        assert_eq!(unpacked(&tar, Strip::Parts(2)).unwrap(), ["b"]);
        let two = tar_of(&[("p/a", b"1"), ("b", b"2")]);
        assert_eq!(unpacked(&two, Strip::Auto).unwrap(), ["b", "p", "p/a"]);
    }

    #[test]
    fn hard_links_and_links_are_kept() {
        let mut tar = tar::Builder::new(Vec::new());
        tar.append(&header("d/a", tar::EntryType::Regular, 1), &b"1"[..]).unwrap();
        let mut hard = header("d/b", tar::EntryType::Link, 0);
        hard.set_link_name("d/a").unwrap();
        hard.set_cksum();
        tar.append(&hard, &b""[..]).unwrap();
        let mut soft = header("d/c", tar::EntryType::Symlink, 0);
        soft.set_link_name("../d/a").unwrap();
        soft.set_cksum();
        tar.append(&soft, &b""[..]).unwrap();
        let tar = tar.into_inner().unwrap();
        assert_eq!(unpacked(&tar, Strip::Parts(0)).unwrap(), ["d", "d/a", "d/b", "d/c"]);
        // the target's own folder is gone then, and with it what `..` meant
        assert!(unpacked(&tar, Strip::Parts(1)).unwrap_err().contains("leaves"));
    }

    fn link(name: &str, target: &str) -> Vec<u8> {
        let mut link = header(name, tar::EntryType::Symlink, 0);
        link.set_link_name(target).unwrap();
        link.set_cksum();
        link.as_bytes().to_vec()
    }

    #[test]
    fn links_stay_inside_what_is_left_of_the_archive() {
        let file = tar_of(&[("p-1/a", b"1"), ("p-1/d/b", b"2")]);
        let with = |name: &str, target: &str| [link(name, target), file.clone()].concat();
        for (name, target) in [("p-1/l", "../other"), ("p-1/d/l", "../../p-1/a"), ("p-1/l", "..")] {
            let error = unpacked(&with(name, target), Strip::Auto).unwrap_err();
            let named = error.contains(name) && error.contains(&format!("'{target}' leaves"));
            assert!(named && error.contains("strip"), "{error}");
            assert!(unpacked(&with(name, target), Strip::Parts(0)).is_ok());
            assert!(unpacked(&with(name, target), Strip::Parts(1)).unwrap_err().contains("leaves"));
        }
        let kept = with("p-1/d/l", "../a");
        assert_eq!(unpacked(&kept, Strip::Auto).unwrap(), ["a", "d", "d/b", "d/l"]);
        // nothing is lifted if there is more than the folder
        let two = [with("p-1/l", "../other"), tar_of(&[("other", b"3")])].concat();
        let two = [&two[..512], &tar_of(&[("other", b"3")])[..1024], &file].concat();
        assert!(unpacked(&two, Strip::Auto).unwrap().contains(&"p-1/l".to_owned()));
    }

    #[test]
    fn what_does_not_end_is_given_up_in_proportion() {
        let mut head = header("x", tar::EntryType::Regular, 0);
        head.set_size(1 << 40);
        head.set_cksum();
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { bytes: 1 << 20, entries: 10 };
        let endless = || head.as_bytes().chain(std::io::repeat(b'x'));
        let unpack = |select: &dyn Fn(&str) -> Option<String>, cancelled: bool| {
            let cancelled = || cancelled;
            let out = dir.path().join("out");
            let tree = Tree::create(&out, Links::Inside, limits, &cancelled).unwrap();
            tarball::unpack(Path::new("a"), endless(), &tree, select).unwrap_err().to_string()
        };
        let all = |name: &str| Some(name.to_owned());
        let error = unpack(&all, false);
        assert!(error.contains("out of proportion"), "{error}");
        let error = unpack(&|_| None, false);
        assert!(error.contains("in proportion"), "{error}");
        assert_eq!(unpack(&|_| None, true), "cancelled");
        assert_eq!(unpack(&all, true), "cancelled");
    }

    #[test]
    fn a_decompressor_does_not_take_what_the_stream_asks_for() {
        use std::io::Write as _;
        let mut options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
        options.dict_size(1 << 30);
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        let check = liblzma::stream::Check::None;
        let encoder = liblzma::stream::Stream::new_stream_encoder(&filters, check).unwrap();
        let mut xz = liblzma::write::XzEncoder::new_stream(Vec::new(), encoder);
        xz.write_all(&tar_of(&[("a", b"1")])).unwrap();
        let error = unpacked(&xz.finish().unwrap(), Strip::Auto).unwrap_err();
        assert!(error.contains("memory"), "{error}");
        let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        zstd.window_log(30).unwrap();
        zstd.write_all(&tar_of(&[("a", b"1")])).unwrap();
        let error = unpacked(&zstd.finish().unwrap(), Strip::Auto).unwrap_err();
        assert!(error.contains("memory"), "{error}");
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        for bytes in [&b""[..], b"some text", &[7; 2000], b"PK\x03\x04", b"!<arch>\n"] {
            let error = unpacked(bytes, Strip::Auto).unwrap_err();
            assert!(error.contains("not a"), "{error}");
        }
        assert!(unpacked(b"", Strip::Auto).unwrap_err().contains("it is empty"));
        assert_eq!(unpacked(&tar_of(&[]), Strip::Auto), Ok(Vec::new()));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::flush(&mut gzip).unwrap();
        let nothing = gzip.finish().unwrap();
        assert!(unpacked(&nothing, Strip::Auto).unwrap_err().contains("it is empty"));
        let tar = tar_of(&[("a", &[b'x'; 2000])]);
        let cut = unpacked(&tar[..1500], Strip::Auto).unwrap_err();
        assert!(cut.contains("ends in the content"), "{cut}");
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(at in 0usize..1100, value: u8) {
            let mut bytes = tar_of(&[("a/b", b"text"), ("c", b"")]);
            bytes[at] = value;
            let _ = unpacked(&bytes, Strip::Auto);
        }
    }
}
