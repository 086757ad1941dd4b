//! Hostile and unusual archives, unpacked by the builders inside the binary: a plain error each, nothing
//! left in the store, no crash; what is right is unpacked as other tools do.

use std::{io::Write as _, path::Path, process::Command};

use clutch_store_tests::{Space, child};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// A space whose project unpacks the file `archive`.
fn unpacking(archive: &[u8], attributes: &str) -> Space {
    let space = Space::new(BINARY);
    space.write("archive", archive);
    space.write(
        "default.nix",
        format!(
            "derivation {{ name = \"unpacked\"; system = \"builtin\"; builder = \"builtin:unpack\"; \
             src = ./archive; {attributes} }}"
        ),
    );
    space
}

fn refused(archive: &[u8], attributes: &str, reason: &str) {
    let space = unpacking(archive, attributes);
    let error = space.fails(1, ["build", "--no-link"]);
    assert!(error.contains(reason), "expected '{reason}': {error}");
    assert!(error.len() < 4000, "{} bytes", error.len());
    assert!(!space.on_disk().iter().any(|path| path.ends_with("-unpacked")));
    assert_eq!(fs_err::read_dir(space.store().join("var/tmp")).unwrap().count(), 0);
}

/// A header of a tar, and its content.
fn member(name: &str, kind: u8, size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    let mut bytes = [header.as_bytes(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn named(name: &str) -> Vec<u8> {
    let long = [name.as_bytes(), b"\0"].concat();
    let long = member("././@LongLink", b'L', long.len() as u64, &long);
    [long, member("x", b'0', 1, b"x"), vec![0; 1024]].concat()
}

fn zipped(name: &str, content: &[u8], mode: u32) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(mode);
    zip.start_file(name, options).unwrap();
    zip.write_all(content).unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    // the writer has no links: the mode goes into the central directory
    let central = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bytes[central + 40..central + 42].copy_from_slice(&(mode as u16).to_le_bytes());
    bytes
}

#[test]
fn names_and_targets_have_a_bound() {
    refused(&named(&"a/".repeat(20_000)), "", "more than 1000 parts");
    refused(&zipped(&("a/".repeat(30_000) + "b"), b"x", 0o100_644), "", "more than 1000 parts");
    // the headers are enough: nothing of what they announce is there
    for (kind, size) in [(b'L', 3 << 30), (b'K', 900 << 20), (b'x', 3 << 30), (b'g', 3 << 30)] {
        refused(&member("x", kind, size, b""), "", "bytes, expected");
    }
    let target = vec![b'x'; 900 << 10];
    refused(&zipped("link", &target, 0o120_777), "", "the link's target has 921600 bytes");
    let long = [&target[..], b"\0"].concat();
    let long = member("././@LongLink", b'K', long.len() as u64, &long);
    refused(&[long, member("x", b'2', 0, b"")].concat(), "", "link's target of an entry has");
    // a name changes nothing on a terminal
    refused(&member("\x1b[2J/../x", b'0', 1, b"x"), "", "'\\u{1b}[2J/../x'");
    // a name that no file system takes is told, too
    refused(&named(&"abcdefghi/".repeat(500)), "", "longer than the file system allows");
}

#[test]
fn no_link_leaves_when_the_one_folder_is_dropped() {
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_path("p-1/l").unwrap();
    link.set_link_name("../other").unwrap();
    link.set_size(0);
    link.set_cksum();
    let archive = [member("p-1/a", b'0', 1, b"x"), link.as_bytes().to_vec()].concat();
    refused(&archive, "strip = \"auto\";", "'../other' leaves the folder 'p-1'");
    unpacking(&archive, "strip = \"0\";").ok(["build", "--no-link"]);
}

#[test]
fn what_is_empty_is_no_archive_but_one_of_no_files_is() {
    refused(b"", "", "it is empty");
    refused(b"", "format = \"tar\";", "it is empty");
    refused(b"", "format = \"zip\";", "not a whole zip");
    refused(b"", "format = \"deb\";", "not a .deb");
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    refused(&gzip.finish().unwrap(), "", "it is empty");
    let space = unpacking(&[0; 10240], "");
    let out = space.real(&space.ok(["build", "--no-link"]));
    assert_eq!(fs_err::read_dir(out).unwrap().count(), 0);
}

#[test]
fn a_control_file_has_a_bound() {
    let control = member("./control", b'0', 3 << 30, b"Package: x\n");
    let ar = |name: &str, content: &[u8]| {
        let size = content.len();
        let head = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644);
        [head.as_bytes(), content, &vec![b'\n'; size % 2]].concat()
    };
    let deb = |control: &[u8]| {
        let members =
            [("debian-binary", &b"2.0\n"[..]), ("control.tar", control), ("data.tar", b"")];
        let members = members.map(|(name, content)| ar(name, content)).concat();
        [b"!<arch>\n", &members[..]].concat()
    };
    refused(&deb(&control), "", "the control file has 3221225472 bytes");
    refused(&deb(&member("x", b'L', 3 << 30, b"")), "", "bytes, expected");
}

/// GNU tar's archives of a file with holes, in each of its forms.
#[test]
fn sparse_files_are_unpacked_as_they_were() {
    let made = Space::new(BINARY);
    let file = made.path("project/sparse");
    let mut content = vec![0; 2 << 20];
    for at in (100_000..2_000_000).step_by(190_000) {
        content[at..at + 5].copy_from_slice(b"here ");
    }
    // written with holes
    let sparse = fs_err::File::create(&file).unwrap();
    for at in (100_000..2_000_000).step_by(190_000) {
        std::os::unix::fs::FileExt::write_all_at(sparse.file(), b"here ", at).unwrap();
    }
    sparse.set_len(content.len() as u64).unwrap();
    let tar = |options: &[&str]| {
        let mut tar = Command::new("tar");
        tar.args(options).args(["-S", "-cf", "archive.tar", "sparse"]);
        tar.current_dir(made.path("project"));
        child::output(&mut tar).is_ok_and(|output| output.status.success())
    };
    if !tar(&["--format=posix"]) {
        eprintln!("SKIPPED: no GNU tar");
        return;
    }
    for options in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        assert!(tar(options), "{options:?}");
        let archive = fs_err::read(made.path("project/archive.tar")).unwrap();
        assert!(archive.len() < 1 << 20, "the file system keeps holes: {options:?}");
        let space = unpacking(&archive, "");
        let out = space.real(&space.ok(["build", "--no-link"]));
        assert!(fs_err::read(out.join("sparse")).unwrap() == content, "{options:?}");
        let names = fs_err::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["sparse"], "{options:?}");
    }
}

#[test]
fn a_sparse_file_does_not_grow_out_of_proportion() {
    let mut map = b"1\n0\n1\n".to_vec();
    map.resize(512, 0);
    map.push(b'x');
    let record = |text: &str| {
        let length = text.len() + " \n".len() + 2;
        format!("{length} {text}\n")
    };
    let records = ["major=1", "minor=0", "name=s", "realsize=4611686018427387904"]
        .map(|text| record(&format!("GNU.sparse.{text}")))
        .concat();
    let header = member("pax", b'x', records.len() as u64, records.as_bytes());
    let archive = [header, member("s", b'0', map.len() as u64, &map), vec![0; 1024]].concat();
    refused(&archive, "", "out of proportion");
}

/// A chain of links took time with its square, and could not be stopped.
#[test]
fn long_chains_of_links_are_followed_in_time() {
    let count = 4000;
    let mut data = tar::Builder::new(Vec::new());
    for n in 0..count {
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        let (name, target) = (format!("./usr/share/l{n:05}"), format!("l{:05}", n + 1));
        data.append_link(&mut link, name, target).unwrap();
    }
    let mut end = tar::Header::new_gnu();
    end.set_size(1);
    end.set_mode(0o644);
    data.append_data(&mut end, format!("./usr/share/l{count:05}"), &b"x"[..]).unwrap();
    let text = "Package: x\nVersion: 1\nArchitecture: all\n";
    let control = member("./control", b'0', text.len() as u64, text.as_bytes());
    let mut deb = b"!<arch>\n".to_vec();
    let data = data.into_inner().unwrap();
    for (name, content) in
        [("debian-binary", &b"2.0\n"[..]), ("control.tar", &control), ("data.tar", &data)]
    {
        let size = content.len();
        let head = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644);
        deb.extend([head.as_bytes(), content].concat());
    }
    let space = Space::new(BINARY);
    space.write("x.deb", &deb);
    let revision = clutch::builders::prefix::REVISION;
    space.write(
        "default.nix",
        format!(
            "derivation {{ name = \"made\"; system = \"builtin\"; builder = \"builtin:prefix\"; \
             __structuredAttrs = true; revision = {revision}; debs = [ \"${{./x.deb}}\" ]; }}"
        ),
    );
    let start = std::time::Instant::now();
    let out = space.real(&space.ok(["build", "--no-link"]));
    // a second on an idle machine; it was more than a minute
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    let links = fs_err::read_dir(out.join("share")).unwrap().count();
    assert_eq!(links, count + 1);
    assert_eq!(fs_err::read_link(out.join("share/l00000")).unwrap(), Path::new("l00001"));
}
