//! The rules of docs/architecture.md that a reader could break unnoticed: the direction between
//! modules, who may print, and that no registry's address stands in the tree.

mod sources;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use sources::{Sources, code, files, is_test};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The circles of files that may be there: a crate, and files or folders that may be in one circle. Those
/// of `src` are to become fewer.
const CIRCLES: &[(&str, &[&str])] = &[
    // a value holds sets, lists and activations, and these hold values
    ("expr/src", &["value/attrs.rs", "value/env.rs", "value/list.rs", "value/mod.rs"]),
    // the interpreter has a table of builtins, and a builtin is a function that takes the interpreter
    ("expr/src", &["eval/builtin.rs", "eval/interpreter.rs", "eval/library.rs", "eval/options.rs"]),
    ("src", &["store/"]),
];

fn modules_use_only_what_stands_above_them(folder: &str) {
    let sources = Sources::read(&root().join(folder));
    let order = sources.order();
    assert!(order.len() > 8, "lib.rs lists the modules");
    let place = |module: &str| order.iter().position(|other| other == module);
    let (mut wrong, mut seen) = (BTreeSet::new(), 0);
    for (file, module, used) in sources.top_uses() {
        if let (Some(own), Some(used_at)) = (place(module), place(used)) {
            seen += usize::from(own != used_at);
            if used_at > own {
                wrong.insert(format!("{file} uses {used}"));
            }
        }
    }
    assert!(seen > 20, "the scan found hardly any uses: it no longer reads the code right");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn modules_of_clutch_use_only_what_stands_above_them() {
    modules_use_only_what_stands_above_them("src");
}

#[test]
fn modules_of_the_language_use_only_what_stands_above_them() {
    modules_use_only_what_stands_above_them("expr/src");
}

/// Values stay as an example of a circle that the scan must find.
#[test]
fn files_use_each_other_in_circles_only_if_they_must() {
    for folder in ["src", "expr/src"] {
        let sources = Sources::read(&root().join(folder));
        let circles = sources.circles();
        let is_known = |circle: &&BTreeSet<&str>| {
            let mut known = CIRCLES.iter().filter(|(of, _)| *of == folder);
            known.any(|(_, files)| {
                circle.iter().all(|file| files.iter().any(|known| file.starts_with(known)))
            })
        };
        let new: Vec<_> = circles.iter().filter(|circle| !is_known(circle)).collect();
        assert!(new.is_empty(), "{folder}: {new:#?}");
        let values =
            BTreeSet::from(["value/attrs.rs", "value/env.rs", "value/list.rs", "value/mod.rs"]);
        assert!(folder == "src" || circles.contains(&values), "{circles:#?}");
    }
}

#[test]
fn only_the_command_line_prints_reads_the_environment_or_exits() {
    let mut sources = Vec::new();
    files(&root().join("src"), ".rs", &mut sources);
    files(&root().join("expr/src"), ".rs", &mut sources);
    let mut wrong = Vec::new();
    for source in sources {
        let inside = source.strip_prefix(root()).unwrap().to_owned();
        // the sandbox's helper is a process of its own and ends by its own exit
        if is_test(&inside)
            || inside.starts_with("src/cli")
            || inside.starts_with("src/build/sandbox")
        {
            continue;
        }
        let code = code(&source);
        for word in ["println!(", "print!(", "env::var", "process::exit("] {
            if code.contains(word) {
                wrong.push(format!("{}: {word}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_address_of_a_registry_stands_in_the_tree() {
    let mut sources = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for folder in ["src", "expr", "store-tests", "examples", "docs", "benches"] {
        for ending in [".rs", ".nix", ".md", ".lock", ".txt", ".toml", ".py", ".sh"] {
            files(&root().join(folder), ending, &mut sources);
        }
    }
    // spelled so that this file does not hold what it looks for
    let hosts = [
        ["pypi", ".org"],
        ["python", "hosted.org"],
        ["deb.", "debian.org"],
        ["crates", ".io/"],
        ["npmjs", ".org"],
    ];
    let mut wrong = Vec::new();
    for source in sources {
        let text = String::from_utf8_lossy(&fs_err::read(&source).unwrap()).into_owned();
        for host in &hosts {
            if text.contains(&host.concat()) {
                wrong.push(format!("{}: {}", source.display(), host.concat()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
