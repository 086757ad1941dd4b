//! Inputs whose links lead to the host: no builder inside the binary opens what they lead to, however it
//! is asked, and none waits for a pipe. Links from input to input are followed.

use std::{io::Write as _, os::unix::fs::symlink, path::Path, process::Command};

use clutch::builders::prefix::REVISION;
use clutch_store_tests::{Ran, Space, child};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// The text that must not be in the store or in a message.
const SECRET: &str = "SECRET-OF-THE-HOST";

/// A host's folder with a secret as file, as Python sources, as an archive, and a pipe.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs_err::write(at("secret"), SECRET).unwrap();
        fs_err::create_dir(at("folder")).unwrap();
        fs_err::write(at("folder/key.txt"), SECRET).unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(SECRET.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "key.txt", SECRET.as_bytes()).unwrap();
        fs_err::write(at("archive.tar"), tar.into_inner().unwrap()).unwrap();
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("key.txt", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(SECRET.as_bytes()).unwrap();
        fs_err::write(at("archive.zip"), zip.finish().unwrap().into_inner()).unwrap();
        assert!(child::status(Command::new("mkfifo").arg(at("pipe"))).unwrap().success());
        Self(dir)
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

/// A builder inside the binary with these attributes.
fn builtin(name: &str, attributes: &str) -> String {
    format!(
        "derivation {{ name = \"made\"; system = \"builtin\"; builder = \"builtin:{name}\"; \
         __structuredAttrs = true; {attributes} }}"
    )
}

/// Runs the binary, and ends it if it hangs.
fn run(space: &Space, args: &[&str]) -> Ran {
    let mut command = space.command_of("timeout");
    command.args(["-s", "KILL", "60"]).arg(space.command().get_program()).args(args);
    let ran = Ran::of(child::output(&mut command).unwrap());
    assert!((0..100).contains(&ran.code), "it hangs or was ended: {} {}", ran.code, ran.stderr);
    ran
}

/// Builds an expression, which must fail with that text and must not have seen the secret.
fn refused(space: &Space, expression: &str, reason: &str) {
    space.write("default.nix", expression);
    let ran = run(space, &["build", "--no-link"]);
    assert_eq!(ran.code, 1, "{expression}: {}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(reason), "{expression}: {}", ran.stderr);
    assert!(!ran.stderr.contains(SECRET) && !ran.stderr.contains("panicked"), "{}", ran.stderr);
    let made = |path: &String| path.ends_with("-made");
    assert!(!space.on_disk().iter().any(made), "{:?}", space.on_disk());
}

/// An interpreter as far as builders look at one, and a distribution whose description is what a test
/// makes of it.
fn python(space: &Space) -> std::path::PathBuf {
    space.write("python/bin/python3.11", "");
    let library = "dist/lib/python3.11/site-packages";
    space.write(&format!("{library}/a-1.dist-info/METADATA"), "Name: a\nVersion: 1\n");
    space.path("project").join(library)
}

const ENVIRONMENT: &str = "interpreter = \"${./python}\"; distributions = [ \"${./dist}\" ];";

#[test]
fn no_builder_follows_a_link_to_the_host() {
    let (host, space) = (Host::new(), Space::new(BINARY));
    python(&space);
    let links = space.path("project/links");
    fs_err::create_dir_all(links.join("up")).unwrap();
    for name in ["secret", "folder", "archive.tar", "archive.zip", "pipe"] {
        symlink(host.at(name), links.join(name)).unwrap();
    }
    symlink("/proc/self/root", links.join("root")).unwrap();
    symlink("/dev/zero", links.join("zero")).unwrap();
    let up = "../".repeat(20);
    symlink(format!("{up}{}", host.at("archive.tar")), links.join("up/archive.tar")).unwrap();
    let behind = format!("root{}", host.at("archive.tar"));
    for file in
        ["secret", "archive.tar", "archive.zip", "pipe", "up/archive.tar", "zero", behind.as_str()]
    {
        let link = format!("${{./links}}/{file}");
        let leads = "is in no input of this derivation";
        refused(&space, &builtin("unpack", &format!("src = \"{link}\";")), leads);
        let interpreter = "interpreter = \"${./python}\";";
        let wheel = format!("wheel = \"{link}\"; file = \"a-1-py3-none-any.whl\"; {interpreter}");
        refused(&space, &builtin("wheel", &wheel), leads);
        refused(
            &space,
            &builtin("prefix", &format!("revision = {REVISION}; debs = [ \"{link}\" ];")),
            leads,
        );
    }
    for folder in ["folder", "secret", "root", "pipe"] {
        let link = format!("${{./links}}/{folder}");
        let leads = "is in no input of this derivation";
        let python = "distribution = \"a\"; version = \"1\"; interpreter = \"${./python}\";";
        let source = format!("{python} source = \"{link}\";");
        refused(&space, &builtin("distribution", &source), leads);
        let environment = format!("interpreter = \"{link}\"; distributions = [ ];");
        refused(&space, &builtin("environment", &environment), leads);
    }
    // a source that is such a link itself
    symlink(host.at("archive.tar"), space.path("project/link")).unwrap();
    refused(&space, &builtin("unpack", "src = \"${./link}\";"), "is in no input");
}

#[test]
fn no_environment_reads_a_description_from_the_host() {
    let host = Host::new();
    for target in ["secret", "pipe", "folder"] {
        let target = host.at(target);
        let made = |prepare: &dyn Fn(&Path)| {
            let space = Space::new(BINARY);
            prepare(&python(&space));
            space
        };
        let expression = builtin("environment", ENVIRONMENT);
        let space = made(&|library| {
            fs_err::remove_file(library.join("a-1.dist-info/METADATA")).unwrap();
            symlink(&target, library.join("a-1.dist-info/METADATA")).unwrap();
        });
        refused(&space, &expression, "is in no input of this derivation");
        let space = made(&|library| {
            symlink(&target, library.join("a-1.dist-info/entry_points.txt")).unwrap();
        });
        refused(&space, &expression, "is in no input of this derivation");
        let space = made(&|library| {
            fs_err::remove_dir_all(library).unwrap();
            symlink(&target, library).unwrap();
        });
        refused(&space, &expression, "is in no input of this derivation");
        // a RECORD is read if a program is written anew
        let space = made(&|library| {
            let points = "[console_scripts]\nx = a:b\n";
            fs_err::write(library.join("a-1.dist-info/entry_points.txt"), points).unwrap();
            symlink(&target, library.join("a-1.dist-info/RECORD")).unwrap();
        });
        refused(&space, &expression, "is in no input of this derivation");
        // a program that is a link stays one, unread
        let space = made(&|library| {
            let bin = library.join("../../../bin");
            fs_err::create_dir(&bin).unwrap();
            symlink(&target, bin.join("program")).unwrap();
        });
        space.write("default.nix", &expression);
        let ran = run(&space, &["build", "--no-link"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let program = space.real(ran.stdout.trim()).join("bin/program");
        assert!(fs_err::symlink_metadata(&program).unwrap().is_symlink());
    }
}

#[test]
fn links_from_input_to_input_are_followed() {
    let (host, space) = (Host::new(), Space::new(BINARY).with_probe());
    fs_err::copy(host.at("archive.tar"), space.path("project/archive.tar")).unwrap();
    let text = "let archive = \"${./archive.tar}\"; link = target: derivation { name = \"link\"; \
                system = \"x86_64-linux\"; builder = \"${./probe}\"; args = [ \"symlink\" target \
                (builtins.placeholder \"out\") ]; inherit archive; }; in ";
    for target in ["archive", "(builtins.baseNameOf archive)"] {
        let src = format!("src = \"${{link {target}}}\"; archive = \"${{archive}}\";");
        space.write("default.nix", format!("{text}{}", builtin("unpack", &src)));
        let ran = run(&space, &["build", "--no-link"]);
        assert_eq!(ran.code, 0, "{target}: {}", ran.stderr);
        let made = space.real(ran.stdout.trim());
        assert_eq!(fs_err::read_to_string(made.join("key.txt")).unwrap(), SECRET);
    }
}

#[test]
fn a_record_that_is_no_file_is_not_read() {
    let space = Space::new(BINARY).with_probe();
    let text = clutch_store_tests::probing("x", "", &[&["write", "/build/x", "x"]]);
    space.write("default.nix", &text);
    let derivation = space.ok(["eval", "--raw", "-E", &format!("({text}).drvPath")]);
    space.run(["build", "--no-link"]);
    let place = space.real(&derivation);
    let host = Host::new();
    for target in ["/dev/zero".to_owned(), host.at("pipe"), host.at("secret")] {
        let folder = place.parent().unwrap();
        let _ = fs_err::remove_file(&place);
        symlink(&target, folder.join(place.file_name().unwrap())).unwrap();
        for command in ["show", "build"] {
            let ran = run(&space, &[command, &derivation]);
            assert_ne!(ran.code, 0, "{command} {}", ran.stdout);
            assert!(!ran.stderr.contains(SECRET), "{}", ran.stderr);
            assert!(ran.stderr.contains("it is a symbolic link"), "{command}: {}", ran.stderr);
        }
    }
}

#[test]
fn a_file_of_requirements_is_a_file() {
    let (host, space) = (Host::new(), Space::new(BINARY));
    let zero = "/dev/zero".to_owned();
    for (target, reason) in [(zero, "it is a device"), (host.at("pipe"), "it is a named pipe")] {
        space.write("requirements.txt", format!("-r {target}\n"));
        let ran = run(&space, &["lock", "requirements.txt", "--offline"]);
        assert_eq!(ran.code, 5, "{}", ran.stderr);
        assert!(ran.stderr.contains(reason) && ran.stderr.contains(&target), "{}", ran.stderr);
    }
    // sparse, so that it takes no room
    let large = fs_err::File::create(space.path("project/large.txt")).unwrap();
    large.set_len(1 << 40).unwrap();
    space.write("requirements.txt", "-r large.txt\n");
    let ran = run(&space, &["lock", "requirements.txt", "--offline"]);
    assert!(ran.code == 5 && ran.stderr.contains("bytes, expected"), "{}", ran.stderr);
}
