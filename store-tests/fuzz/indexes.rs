//! Data of indexes and locks: pages of the Simple API, `Packages` files, `clutch.lock` and files of
//! requirements. The laws: a hash is one, an address leads to no file of this machine, and what can be
//! written into a lock is read from it again.

use std::path::Path;

use clutch::{
    debian::{
        closure::{Scope, closure},
        lock::{DebianLock, LockedDeb},
        packages::Packages,
    },
    limits,
    net::{
        address::Address,
        http::Page,
        simple::{self, File},
    },
    python::{lock::PythonLock, requirements_file},
};

use super::taken;

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A page of the Simple API: a line with the content type, then the page.
pub fn simple(input: &[u8]) {
    let end = input.iter().position(|b| *b == b'\n').unwrap_or(input.len());
    let page = Page {
        address: Address::parse("http://me:0wnpass@index.test/simple/x/").unwrap(),
        content_type: String::from_utf8_lossy(&input[..end]).into_owned(),
        body: input.get(end + 1..).unwrap_or_default().to_vec(),
    };
    match simple::files(&page) {
        Err(error) => assert!(!error.to_string().contains("0wnpass")),
        Ok(files) => {
            for File { address, sha256, .. } in &files {
                assert_ne!(address.scheme(), "file");
                assert!(sha256.as_deref().is_none_or(is_sha256));
                let shown = address.to_string();
                assert!(shown.len() <= 2 * limits::ADDRESS && !shown.contains("0wnpass"));
                let again = Address::parse(&shown).unwrap();
                assert_eq!(again.to_string(), shown);
                assert!(
                    address.user().is_none_or(|(name, _)| name != "me")
                        || again.is_beside(&page.address)
                );
            }
            taken();
        }
    }
}

/// Seeds of [`simple`].
pub fn pages() -> Vec<Vec<u8>> {
    let hash = "ab".repeat(32);
    let json = format!(
        r#"{{"meta": {{"api-version": "1.1"}}, "name": "x", "files": [
            {{"filename": "x-1-py3-none-any.whl", "url": "../../f/x-1-py3-none-any.whl", "size": 3,
              "hashes": {{"sha256": "{hash}", "md5": ""}}, "requires-python": ">=3.8", "yanked": "a",
              "core-metadata": {{"sha256": "{hash}"}}}},
            {{"filename": "x-2.tar.gz", "url": "http://other.test/x-2.tar.gz", "hashes": {{}},
              "yanked": false, "dist-info-metadata": true}}], "versions": ["1", "2"]}}"#
    );
    let html = format!(
        "<!DOCTYPE html><html><head><base href=\"/f/\"><meta name=\"pypi:repository-version\" \
         content=\"1.0\"></head><body><!-- <a href=no>no</a> --><h1>Links</h1><a href=\"x.whl#sha256={hash}\" \
         data-requires-python=\"&gt;=3.8\" data-yanked='a &amp; b &#x41;' data-core-metadata>x.whl</a><br/>\
         <A HREF=//other.test/x-2.tar.gz?a=b>x-2.tar.gz</A></body></html>"
    );
    vec![
        format!("application/vnd.pypi.simple.v1+json\n{json}").into_bytes(),
        format!("text/html\n{html}").into_bytes(),
    ]
}

/// A `clutch.lock` of either kind.
pub fn lock(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let file = Path::new("clutch.lock");
    if let Ok(lock) = PythonLock::parse(file, text) {
        assert!(lock.packages.iter().flat_map(|p| &p.files).all(|f| is_sha256(&f.sha256)));
        let written = lock.to_string();
        assert_eq!(PythonLock::parse(file, &written).unwrap().to_string(), written);
        taken();
    }
    if let Ok(lock) = DebianLock::parse(file, text) {
        assert!(lock.packages.iter().all(|p| is_sha256(&p.sha256)));
        let written = lock.to_string();
        assert_eq!(DebianLock::parse(file, &written).unwrap().to_string(), written);
        taken();
    }
}

/// Seeds of [`lock`].
pub fn locks() -> Vec<Vec<u8>> {
    let hash = "0a".repeat(32);
    let python = format!(
        "# Written by `clutch lock`.\nversion = 1\nkind = \"python\"\nindex = \"pypi\"\n\n[[target]]\n\
         python = \"3.11\"\nplatform = \"manylinux_2_36_x86_64\"\n\n[[package]]\nname = \"a-b\"\n\
         version = \"1.0\"\nmarker = 'python_version < \"3.12\" and (os_name == \"posix\" or extra == \"x\")'\n\
         [[package.file]]\nname = \"a_b-1.0-py3-none-any.whl\"\nsize = 12\nsha256 = \"{hash}\"\n"
    );
    let debian = format!(
        "version = 1\nkind = \"debian\"\nindex = \"debian\"\nsuite = \"bookworm\"\narchitecture = \"amd64\"\n\
         roots = [\"b\"]\n\n[[package]]\nname = \"a\"\nversion = \"1:2.0~rc1-1+b2\"\nfile = \"pool/a_2.deb\"\n\
         size = 12\nsha256 = \"{hash}\"\ndepends = []\n\n[[package]]\nname = \"b\"\nversion = '1'\n\
         file = \"pool/b.deb\"\nsize = 0x1F\nsha256 = \"{hash}\"\ndepends = [\"a\"]\n"
    );
    vec![python.into_bytes(), debian.into_bytes()]
}

/// A `Packages` file, whose first package is locked with what it needs.
pub fn packages(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(packages) = Packages::parse(text) else { return };
    let first = text.lines().find_map(|line| line.strip_prefix("Package:")).unwrap_or_default();
    let roots = [first.trim().to_owned()];
    let Ok(members) = closure(&packages, &roots, &Scope::default()) else { return };
    if members.values().any(|member| member.package.check().is_err()) {
        return;
    }
    let lock = DebianLock {
        index: "debian".to_owned(),
        suite: "suite".to_owned(),
        architecture: "amd64".to_owned(),
        roots: roots.iter().cloned().collect(),
        packages: members.values().map(LockedDeb::of).collect(),
    };
    let read = DebianLock::parse(Path::new("l"), &lock.to_string());
    assert_eq!(read.expect("what is locked is read"), lock);
    taken();
}

/// Seeds of [`packages`].
pub fn package_lists() -> Vec<Vec<u8>> {
    let package = |name: &str, fields: &str| {
        format!(
            "Package: {name}\nVersion: 1:2.0~rc1-1+b2\nArchitecture: amd64\n{fields}Filename: pool/{name}.deb\n\
             Size: 12\nSHA256: {}\nDescription: x\n a line\n\n",
            "0a".repeat(32)
        )
    };
    let text = [
        package("a", "Pre-Depends: b (>= 1:2), v\nDepends: c:any | none, w (= 3)\n"),
        package("b", "Depends: a\n"),
        package("c", "Provides: v, w (= 3)\n"),
    ];
    vec![text.concat().into_bytes()]
}

/// A file of requirements.
pub fn requirements(input: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requirements.txt");
    fs_err::write(&file, input).unwrap();
    match requirements_file::read(&file) {
        Err(error) => assert!(error.to_string().len() < 64 * 1024 + 4 * input.len()),
        Ok(all) => {
            assert!(all.lines.iter().flat_map(|line| &line.sha256).all(|hash| is_sha256(hash)));
            assert!(all.lines.iter().all(|line| line.requirement.pin().is_some()));
            taken();
        }
    }
}

/// Seeds of [`requirements`].
pub fn requirement_files() -> Vec<Vec<u8>> {
    let hash = "AB".repeat(32);
    let text = format!(
        "# made by a tool\n--index-url https://index.test/\n\nFoo.Bar[x,y]==1.0 ; python_version > '3' \\\n    \
         --hash=sha256:{hash} \\\n    --hash sha256:{hash}\nb===2 # why\nc==3.*,==3.1\n"
    );
    vec![text.into_bytes()]
}
