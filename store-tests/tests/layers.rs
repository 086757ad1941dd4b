//! The rules of docs/architecture.md that a reader could break unnoticed: the direction between
//! modules, who may print, and that no registry's address stands in the tree.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// True for a source that is only compiled for unit tests.
fn is_test(source: &Path) -> bool {
    source.file_name().is_some_and(|n| n == "tests.rs" || n == "testing.rs")
        || source.iter().any(|part| part == "tests")
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

/// The code of a source: no comment lines, and nothing that is compiled for tests only.
fn code(source: &Path) -> String {
    let text = fs_err::read_to_string(source).unwrap();
    let mut code = String::new();
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            skip_item(&mut lines);
        } else {
            code += line;
            code.push('\n');
        }
    }
    code
}

/// Skips an item with the attributes in front of it. rustfmt ends an item that has a body with a brace at
/// the indentation of its first line, and any other with a semicolon.
fn skip_item<'a>(lines: &mut impl Iterator<Item = &'a str>) {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut depth = None;
    for line in lines {
        let first = *depth.get_or_insert_with(|| indent(line));
        let attribute = line.trim_start().starts_with('#');
        if indent(line) == first && !attribute && line.ends_with([';', '}', ',']) {
            return;
        }
    }
}

/// The modules in the order in which `src/lib.rs` declares them.
fn order() -> Vec<String> {
    let lib = fs_err::read_to_string(root().join("src/lib.rs")).unwrap();
    lib.lines()
        .filter_map(|line| {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            line.strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
        })
        .collect()
}

/// The top-level modules that a line of code names: `crate::a`, `crate::{a::x, b}`.
fn named(text: &str) -> Vec<String> {
    let word = |s: &str| -> String {
        s.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(word(rest));
            continue;
        };
        let (mut depth, mut start) = (1, 0);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && c == ',') {
                found.push(word(group[start..i].trim_start()));
                start = i + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

#[test]
fn modules_use_only_what_stands_above_them() {
    let order = order();
    assert!(order.len() > 8, "src/lib.rs lists the modules");
    let mut sources = Vec::new();
    files(&root().join("src"), ".rs", &mut sources);
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for source in sources {
        let inside = source.strip_prefix(root().join("src")).unwrap().to_owned();
        let module = inside.iter().next().unwrap().to_string_lossy();
        if is_test(&inside) {
            continue;
        }
        let Some(own) = order.iter().position(|m| *m == module.trim_end_matches(".rs")) else {
            continue;
        };
        for name in named(&code(&source)) {
            if let Some(used) = order.iter().position(|m| *m == name) {
                seen += 1;
                if used > own {
                    wrong.push(format!("{} uses {name}", inside.display()));
                }
            }
        }
    }
    assert!(seen > 20, "the scan found hardly any uses: it no longer reads the code right");
    assert!(wrong.is_empty(), "{wrong:#?}");
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
