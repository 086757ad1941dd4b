//! The tests that need the package registries, which the machine's own clients know: real
//! interpreters, real wheels, the examples. They share one store, so that each file is fetched once.

mod packaging;

use std::{os::unix::fs::PermissionsExt, path::PathBuf, process::Command, sync::OnceLock};

use clutch_store_tests::{Ran, Space, child};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// An ordinary user, who need not have an account.
const USER: u32 = 12345;

/// The space of this test program.
fn space() -> &'static Space {
    static SPACE: OnceLock<Space> = OnceLock::new();
    SPACE.get_or_init(|| Space::kept(BINARY, env!("CARGO_TARGET_TMPDIR")))
}

/// A path in the sources of the project.
fn source(inside: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    root.join(inside).to_str().unwrap().to_owned()
}

/// The modules that an interpreter is not complete without: those that need a library besides libc,
/// and those that Debian packs apart.
const MODULES: &str = "ssl sqlite3 ctypes lzma bz2 zlib hashlib curses readline uuid dbm.gnu \
    dbm.ndbm venv zoneinfo asyncio decimal multiprocessing ensurepip xml.parsers.expat";

#[test]
fn the_main_job_prints_a_report_and_then_does_nothing_but_start() {
    let space = space();
    let first = space.ok(["run", &source("examples/report")]);
    assert!(first.contains("Sales report") && first.contains("Revenue by region"), "{first}");
    let again = space.run(["run", &source("examples/report")]);
    assert_eq!((again.stdout.trim_end(), again.stderr.as_str()), (&first[..], ""));
}

#[test]
fn a_command_of_a_program_runs_in_its_environment() {
    let space = space();
    let program = "import pandas, sys; print(sys.prefix)";
    for start in ["run", "shell"] {
        let words = [start, &source("examples/report"), "--", "python", "-c", program];
        let said = space.ok(words);
        assert!(said.ends_with("-report-environment"), "{start}: {said}");
    }
}

#[test]
fn the_report_moves_to_another_user_and_into_an_empty_root() {
    let space = space();
    let said = space.ok(["run", &source("examples/report")]);
    let path = space.ok(["build", "--no-link", &source("examples/report")]);
    let file = space.path("report.clutch");
    space.ok(["export", &path, "-o", file.to_str().unwrap()]);
    let mut other = Space::new(BINARY);
    if Space::is_root() {
        other = other.as_user(USER);
    } else {
        eprintln!("LEFT OUT: becoming another user needs root");
    }
    other.ok(["import", "--accept-unsigned", file.to_str().unwrap()]);
    assert_eq!(other.ok(["run", &path]), said);
    assert_eq!(other.ok(["run", "--isolated", &path]), said);
}

#[test]
fn hello_has_two_outputs_and_a_dependency() {
    let space = space();
    let outputs = space.ok(["build", "--no-link", &source("examples/hello")]);
    assert_eq!(outputs.lines().count(), 2, "{outputs}");
    let said = space.ok(["run", &source("examples/hello")]);
    assert!(said.to_lowercase().contains("hello"), "{said}");
    assert_eq!(space.ok(["run", "--isolated", &source("examples/hello")]), said);
}

#[test]
fn the_web_application_answers() {
    let answer = space().ok(["run", &source("examples/web"), "--", "web", "--check"]);
    assert!(answer.contains("200"), "{answer}");
}

#[test]
fn the_standard_library_is_complete_and_maps_nothing_of_the_host() {
    let space = space();
    for version in ["3.11", "3.13"] {
        space.write(
            &format!("python-{version}.nix"),
            format!("(import <clutch>).python.interpreter.\"{version}\""),
        );
        let program = format!(
            "import sys, importlib\n\
             for name in '{MODULES}'.split(): importlib.import_module(name)\n\
             assert sys.version.startswith('{version}.'), sys.version\n\
             for line in open('/proc/self/maps'):\n\
             \x20   path = line.split(None, 5)[5:]\n\
             \x20   assert not path or path[0][0] == '[' or path[0].startswith('/clutch/store/'), line\n\
             print('complete')"
        );
        let file = format!("python-{version}.nix");
        let said = space.ok(["run", "--isolated", &file, "--", "python3", "-c", &program]);
        assert_eq!(said, "complete", "{version}");
        // libraries and terminal descriptions are the prefix's; nobody asks the machine's tools
        for tool in ["gcc", "cc", "ld", "ldconfig"] {
            let script = space.write(&format!("tools/{tool}"), "#!/bin/sh\n: > tools/asked\n");
            fs_err::set_permissions(script, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let program = "import ctypes, ctypes.util, curses\n\
            for name in ['z', 'ssl', 'sqlite3']:\n\
            \x20   found = ctypes.util.find_library(name)\n\
            \x20   assert found and f'lib{name}.so' in found, (name, found)\n\
            \x20   ctypes.CDLL(found)\n\
            \x20   maps = [line for line in open('/proc/self/maps') if f'/lib{name}.so' in line]\n\
            \x20   assert maps and all('/clutch/store/' in line for line in maps), maps\n\
            assert ctypes.util.find_library('clutch-has-none') is None\n\
            for term in ['xterm-256color', 'screen', 'linux', 'vt100']: curses.setupterm(term)\n\
            print('found')";
        for isolated in [true, false] {
            let mut command = space.command();
            let old = std::env::var("PATH").unwrap();
            let tools = space.path("project/tools");
            command.env("PATH", format!("{}:{old}", tools.display())).arg("run");
            command.args(isolated.then_some("--isolated"));
            command.args([&file[..], "--", "python3", "-c", program]);
            let ran = Ran::of(child::output(&mut command).unwrap());
            assert_eq!(ran.stdout.trim(), "found", "{version}: {}", ran.stderr);
        }
        assert!(!space.path("project/tools/asked").exists());
    }
}

#[test]
fn native_wheels_import_unmodified_in_an_empty_root() {
    let modules = "numpy pandas scipy.linalg scipy.optimize matplotlib.pyplot \
        cryptography.hazmat.bindings._rust pydantic_core lxml.etree pyarrow pyarrow.parquet psycopg2 \
        orjson PIL.Image grpc";
    let space = space();
    let path = space.ok(["build", "--no-link", &source("store-tests/wheels")]);
    for module in modules.split_whitespace() {
        let program = format!(
            "import {module}\n\
             for line in open('/proc/self/maps'):\n\
             \x20   path = line.split(None, 5)[5:]\n\
             \x20   assert not path or path[0][0] == '[' or path[0].startswith('/clutch/store/') \
             or path[0].startswith('/memfd') or path[0].startswith('/dev/'), line\n\
             print('imported')"
        );
        let said = space.ok(["run", "--isolated", &path, "--", "python", "-c", &program]);
        assert_eq!(said, "imported", "{module}");
    }
}

#[test]
fn an_environment_is_a_virtual_environment() {
    let space = space();
    let program = "import sys, importlib.metadata as m\n\
        assert sys.prefix != sys.base_prefix, sys.prefix\n\
        assert open(sys.prefix + '/pyvenv.cfg').read().startswith('home = /clutch/store/')\n\
        print(sorted(d.metadata['Name'].lower() for d in m.distributions()))";
    let path = space.ok(["build", "--no-link", &source("examples/web")]);
    let said = space.ok(["run", &path, "--", "python", "-c", program]);
    for name in ["flask", "jinja2", "web", "werkzeug"] {
        assert!(said.contains(&format!("'{name}'")), "{said}");
    }
}

/// Debian's folders, and virtual environments by themselves, make Python look at one folder several
/// times, and run what stands in its `.pth` files as often.
#[test]
fn path_files_run_once() {
    let space = space();
    space.write("pth/source/once.pth", "import sys; sys.stdout.write('ran ')\n");
    space.write("pth/source/once.py", "x = 1\n");
    for version in ["3.11", "3.13"] {
        let file = format!("pth/{version}.nix");
        space.write(
            &file,
            format!(
                "let clutch = import <clutch>; interpreter = clutch.python.interpreter.\"{version}\"; in\n\
                 clutch.python.environment {{\n  name = \"once\";\n  inherit interpreter;\n  \
                 distributions = [ (clutch.python.package {{ name = \"once\"; version = \"1\"; \
                 source = ./source; inherit interpreter; }}) ];\n}}"
            ),
        );
        let program = "import site, sys\n\
            assert site.getsitepackages() == \
            [f'{sys.prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages']\n\
            assert sys.path.count(site.getsitepackages()[0]) == 1, sys.path\n\
            print(sys.version_info[1])";
        let said = space.ok(["run", &file, "--", "python", "-c", program]);
        assert_eq!(said, format!("ran {}", &version[2..]));
        // the interpreter by itself, and an environment made with its own venv that sees it
        space.write("pth/alone.nix", format!("(import <clutch>).python.interpreter.\"{version}\""));
        let plain = space.ok(["run", "pth/alone.nix", "--", "python3", "-c", program]);
        assert_eq!(plain, &version[2..]);
        let venv = space.path(format!("project/pth/venv-{version}"));
        let venv = venv.to_str().unwrap();
        let make = format!(
            "import subprocess, sys, venv\n\
             venv.create('{venv}', system_site_packages=True, clear=True)\n\
             open('{venv}/lib/python{version}/site-packages/once.pth', 'w').write(\
             \"import sys; sys.stdout.write('ran ')\\n\")\n\
             print(subprocess.run(['{venv}/bin/python', '-c', 'print(1)'], \
             capture_output=True, text=True).stdout)"
        );
        let said = space.ok(["run", "pth/alone.nix", "--", "python3", "-c", &make]);
        assert_eq!(said, "ran 1", "{version}");
    }
}

#[test]
fn built_again_elsewhere_every_tree_is_the_same() {
    let space = space();
    let path = space.ok(["build", "--no-link", &source("examples/report")]);
    // another store, another user if possible, from nothing: byte code included
    let mut other = Space::new(BINARY);
    if Space::is_root() {
        other = other.as_user(USER);
    } else {
        eprintln!("LEFT OUT: becoming another user needs root");
    }
    // the sources must be readable for that user
    let copied = other.path("project/report");
    let status = Command::new("cp").arg("-r").arg(source("examples/report")).arg(&copied).status();
    assert!(status.unwrap().success());
    let status = Command::new("chmod").args(["-R", "a+rX"]).arg(&copied).status();
    assert!(status.unwrap().success());
    assert_eq!(other.ok(["build", "--no-link", copied.to_str().unwrap()]), path);
    let hashes = |space: &Space| {
        let all: serde_json::Value =
            serde_json::from_str(&space.ok(["closure", "--json", &path])).unwrap();
        let all = all["paths"].as_array().unwrap().clone();
        all.iter().map(|p| format!("{} {}", p["path"], p["treeHash"])).collect::<Vec<_>>()
    };
    assert_eq!(hashes(space), hashes(&other));
}

#[test]
fn locks_are_made_from_pins() {
    let space = space();
    let requirements = fs_err::read_to_string(source("examples/report/requirements.txt")).unwrap();
    let file = space.write("lock/requirements.txt", requirements);
    space.ok(["lock", file.to_str().unwrap()]);
    let made = fs_err::read_to_string(file.with_file_name("clutch.lock")).unwrap();
    let kept = fs_err::read_to_string(source("examples/report/clutch.lock")).unwrap();
    assert_eq!(made, kept);
    let debian = space.ok(["lock", "--debian", "bookworm", "libffi8", "-o", "-"]);
    assert!(debian.contains("name = \"libc6\"") && debian.contains("sha256 = "), "{debian}");
    assert!(!debian.contains("://"), "{debian}");
}
