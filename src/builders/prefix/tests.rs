//! Packages made for the purpose, laid out without a queue.

use std::{collections::BTreeSet, path::PathBuf, sync::Mutex};

use fs_err as fs;
use serde_json::json;

use super::{gather::relative_name, *};
use crate::{
    build::task::Task,
    derivation::{Derivation, Output},
    inputs::Inputs,
    store_path::StorePath,
    unpack::deb::tests::{ar, header},
};

/// A package's files: names ending in `*` are executable, contents starting with `->` are links.
fn deb(package: &str, architecture: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut data = tar::Builder::new(Vec::new());
    for (name, content) in files {
        if let Some(target) = content.strip_prefix("->") {
            let mut link = header(name, tar::EntryType::Symlink, 0);
            link.set_link_name_literal(target).unwrap();
            link.set_cksum();
            data.append(&link, std::io::empty()).unwrap();
        } else {
            let plain = name.trim_end_matches('*');
            let mut file = header(plain, tar::EntryType::Regular, content.len());
            file.set_mode(if plain == *name { 0o644 } else { 0o4755 });
            file.set_cksum();
            data.append(&file, content.as_bytes()).unwrap();
        }
    }
    let text = format!("Package: {package}\nVersion: 1\nArchitecture: {architecture}\n");
    let mut control = tar::Builder::new(Vec::new());
    let head = header("./control", tar::EntryType::Regular, text.len());
    control.append(&head, text.as_bytes()).unwrap();
    let (control, data) = (control.into_inner().unwrap(), data.into_inner().unwrap());
    ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &data)])
}

struct Made {
    _dir: tempfile::TempDir,
    out: PathBuf,
    log: Vec<String>,
}

impl Made {
    fn text(&self, place: &str) -> String {
        fs::read_to_string(self.out.join(place)).unwrap()
    }

    fn link(&self, place: &str) -> String {
        fs::read_link(self.out.join(place)).unwrap().to_str().unwrap().to_owned()
    }

    /// Every file and link.
    fn names(&self) -> Vec<String> {
        let name = |(path, _): &(PathBuf, _)| relative_name(&self.out, path).unwrap();
        walk(&self.out).unwrap().iter().map(name).collect()
    }
}

const OUT: &str = "/clutch/store/0fvz9i60rc3067i60rc3067i60rc3067-tools";

/// Runs the builder on these packages, with these links.
fn make(debs: &[Vec<u8>], links: &serde_json::Value) -> Result<Made, String> {
    let dir = tempfile::tempdir().unwrap();
    let (store, scratch) = (dir.path().join("store"), dir.path().join("scratch"));
    fs::create_dir(&store).unwrap();
    fs::create_dir(&scratch).unwrap();
    let mut inputs = Vec::new();
    for (n, bytes) in debs.iter().enumerate() {
        let path = StorePath::new(&[n as u8; 20], &format!("p{n}.deb")).unwrap();
        fs::write(store.join(path.base()), bytes).unwrap();
        inputs.push(path);
    }
    let names: Vec<_> = inputs.iter().map(ToString::to_string).collect();
    let out = dir.path().join("out");
    let path = StorePath::parse(OUT).unwrap();
    let derivation = Derivation {
        name: "tools".into(),
        system: "builtin".into(),
        builder: b"builtin:prefix".to_vec(),
        args: Vec::new(),
        env: BTreeMap::new(),
        structured: Some(
            json!({ "revision": REVISION, "debs": names, "links": links }).to_string(),
        ),
        outputs: [("out".to_owned(), Output { path, fixed: None })].into(),
        input_derivations: BTreeMap::new(),
        input_sources: BTreeSet::new(),
    };
    let log = Mutex::new(Vec::new());
    build(&Task {
        derivation: &derivation,
        outputs: &[("out".to_owned(), out.clone())].into(),
        scratch: &scratch,
        inputs: Inputs::new(&store, &inputs),
        graph: &|_| unreachable!("no builder asks for it"),
        sandbox: &|_| panic!("nothing of a package is run"),
        network: None,
        log: &|line| log.lock().unwrap().push(line.to_owned()),
        progress: &|_, _| {},
        cancelled: &|| false,
    })
    .map_err(|e| e.to_string())?;
    Ok(Made { _dir: dir, out, log: log.into_inner().unwrap() })
}

#[test]
fn files_links_and_scripts_come_to_their_places() {
    let shell = deb(
        "dash",
        "amd64",
        &[
            ("./bin/dash*", "no program"),
            ("./bin/sh", "->dash"),
            ("./usr/share/doc/dash/copyright", "free"),
            ("./usr/share/man/man1/dash.1", "a page"),
            ("./etc/shells", "a setting of a system"),
        ],
    );
    let tools = deb(
        "tools",
        "all",
        &[
            ("./usr/bin/greet*", "#!/bin/sh -e\necho hello\n"),
            ("./usr/bin/other*", "#!/usr/bin/perl\n"),
            ("./usr/bin/welcome", "->/usr/bin/greet"),
            ("./usr/lib/x86_64-linux-gnu/libx.so.1", "->../../../lib/x86_64-linux-gnu/libx.so.1.0"),
            ("./lib/x86_64-linux-gnu/libx.so.1.0", "no library"),
            ("./usr/lib/x86_64-linux-gnu/lost", "->/etc/alternatives/lost"),
        ],
    );
    let made = make(&[shell, tools], &json!({ "bin/hi": "greet" })).unwrap();
    let expected = [
        "bin/dash",
        "bin/greet",
        "bin/hi",
        "bin/other",
        "bin/sh",
        "bin/welcome",
        "lib/libx.so.1",
        "lib/libx.so.1.0",
        "share/doc/dash/copyright",
    ];
    assert_eq!(made.names(), expected);
    assert_eq!(made.text("bin/greet"), format!("#!{OUT}/bin/sh -e\necho hello\n"));
    assert_eq!(made.text("bin/other"), "#!/usr/bin/perl\n");
    assert_eq!(made.link("bin/sh"), "dash");
    assert_eq!(made.link("bin/welcome"), "greet");
    assert_eq!(made.link("bin/hi"), "greet");
    assert_eq!(made.link("lib/libx.so.1"), "libx.so.1.0");
    assert!(made.log[0].contains("the link 'lib/lost' leads to nothing"), "{:?}", made.log);
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(made.out.join("bin/greet")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755, "executable, and not setuid as in the package");
}

#[test]
fn certificates_and_locales_become_one_file_each() {
    let mut files = vec![
        ("./usr/share/ca-certificates/mozilla/B.crt", "bb\n"),
        ("./usr/share/ca-certificates/mozilla/A.crt", "aa"),
    ];
    let locale = locales::CATEGORIES.iter().flatten();
    let locale: Vec<_> = locale.map(|file| format!("./usr/lib/locale/C.utf8/{file}")).collect();
    files.extend(locale.iter().map(|name| (name.as_str(), "content")));
    let made = make(&[deb("x", "all", &files)], &json!({})).unwrap();
    assert_eq!(made.text("etc/ssl/cert.pem"), "aa\nbb\n");
    assert_eq!(made.text("etc/ssl/certs/ca-certificates.crt"), "aa\nbb\n");
    assert_eq!(made.names().len(), 3);
    assert!(fs::read(made.out.join("lib/locale/locale-archive")).unwrap().len() > 100);
}

#[test]
fn what_cannot_be_a_prefix_is_refused() {
    let error = |debs: &[Vec<u8>], links: serde_json::Value| make(debs, &links).err().unwrap();
    let one = deb("one", "amd64", &[("./bin/x*", "1"), ("./bin/y*", "same")]);
    let two = deb("two", "amd64", &[("./usr/bin/x*", "2")]);
    let three = deb("three", "amd64", &[("./bin/x*", "3")]);
    let same = deb("same", "amd64", &[("./usr/bin/y*", "same")]);

    assert!(error(&[], json!({})).contains("expected at least one .deb"));
    assert!(error(&[b"PK\x03\x04".to_vec()], json!({})).contains("p0.deb: not a .deb"));
    assert!(error(&[one.clone(), two], json!({})).contains("different files at 'bin/x'"));
    assert!(error(&[one.clone(), three], json!({})).contains("two entries of that name differ"));
    assert!(make(&[one.clone(), same], &json!({})).is_ok());
    let arm = deb("arm", "arm64", &[("./bin/z*", "1")]);
    assert!(error(&[arm], json!({})).contains("expected 'amd64' or 'all'"));
    assert!(
        error(std::slice::from_ref(&one), json!({ "bin/z": "../../x" }))
            .contains("leaves the prefix")
    );
    assert!(
        error(std::slice::from_ref(&one), json!({ "../z": "x" })).contains("leaves the prefix")
    );
    assert!(make(&[one], &json!({ "bin/x": "y" })).is_err(), "the place is taken");
    let old = check_revision(REVISION + 1).unwrap_err().to_string();
    assert!(old.contains("attribute 'revision'"), "{old}");
}

#[test]
fn a_program_needs_a_c_library_in_its_prefix() {
    let Ok(program) = fs::read("/bin/true") else { return eprintln!("SKIPPED: no /bin/true") };
    let dynamic = crate::elf::Image::parse(program.clone())
        .is_ok_and(|image| image.interpreter().is_ok_and(|i| i.is_some()));
    if !dynamic {
        return eprintln!("SKIPPED: /bin/true is no dynamic program for x86-64");
    }
    let mut data = tar::Builder::new(Vec::new());
    let head = header("./bin/true", tar::EntryType::Regular, program.len());
    data.append(&head, &program[..]).unwrap();
    let data = data.into_inner().unwrap();
    let template = deb("true", "amd64", &[]);
    // the members in front of the data are the same
    let end = template.windows(8).position(|w| w == b"data.tar").unwrap();
    let mut bytes = template[..end].to_vec();
    bytes.extend(&ar(&[("data.tar", &data)])[8..]);
    let error = make(&[bytes], &json!({})).err().unwrap();
    assert!(error.contains("bin/true: ") && error.contains("add libc6"), "{error}");
}
