//! The sources of one crate, and the paths by which they use each other. A use is a path: methods of one
//! type that call each other across files are not seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// A path in the crate, from its root.
type Absolute = Vec<String>;

/// The files of a crate by the module that each is: `[]` is `lib.rs`.
pub(crate) struct Sources {
    files: BTreeMap<Absolute, Source>,
}

struct Source {
    /// Below the crate's `src`.
    name: String,
    /// What the file uses.
    uses: Vec<Absolute>,
    /// The names that it imports, each with what it stands for: others may use them from here.
    reexports: BTreeMap<String, Absolute>,
    /// The modules that it declares, in their order.
    declared: Vec<String>,
}

impl Sources {
    /// Reads all that is compiled into the crate.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut paths = Vec::new();
        files(folder, ".rs", &mut paths);
        let mut found = BTreeMap::new();
        for path in paths {
            let name = path.strip_prefix(folder).unwrap();
            if is_test(name) || name == Path::new("main.rs") {
                continue;
            }
            let module = module_of(name);
            let source = Source::of(name.to_string_lossy().into_owned(), &module, &code(&path));
            found.insert(module, source);
        }
        Self { files: found }
    }

    /// The modules in the order in which `lib.rs` declares them.
    pub(crate) fn order(&self) -> &[String] {
        &self.files[&Vec::new()].declared
    }

    /// Every file but `lib.rs`, by its name, with its module and the first names of the paths that it
    /// uses.
    pub(crate) fn top_uses(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.files.iter().filter(|(module, _)| !module.is_empty()).flat_map(|(module, source)| {
            let firsts = source.uses.iter().filter_map(|path| path.first());
            firsts.map(|first| (source.name.as_str(), module[0].as_str(), first.as_str()))
        })
    }

    /// Groups of files that use each other in a circle, by their names.
    pub(crate) fn circles(&self) -> Vec<BTreeSet<&str>> {
        let used: BTreeMap<&Absolute, BTreeSet<&Absolute>> = self
            .files
            .iter()
            .map(|(module, source)| {
                let uses = source.uses.iter().filter_map(|path| self.file_of(path, 0));
                (module, uses.filter(|file| *file != module && !file.is_empty()).collect())
            })
            .collect();
        let reached: BTreeMap<&Absolute, BTreeSet<&Absolute>> = used
            .keys()
            .map(|start| {
                let (mut seen, mut open) = (BTreeSet::new(), vec![*start]);
                while let Some(next) = open.pop() {
                    open.extend(used[next].iter().filter(|file| seen.insert(**file)));
                }
                (*start, seen)
            })
            .collect();
        let mut circles = BTreeSet::new();
        for (file, seen) in &reached {
            let circle: BTreeSet<&str> = seen
                .iter()
                .filter(|other| reached[**other].contains(*file))
                .map(|other| self.files[*other].name.as_str())
                .collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    /// The file that a path leads to: names that a module hands on are followed.
    fn file_of(&self, path: &[String], depth: u32) -> Option<&Absolute> {
        let at = (0..=path.len()).rev().find(|at| self.files.contains_key(&path[..*at]))?;
        let (module, source) = self.files.get_key_value(&path[..at])?;
        let behind = |end: &[String], rest: &[String]| [end, rest].concat();
        let target = match path.get(at) {
            Some(name) if depth < 8 => {
                match (source.reexports.get(name), source.reexports.get("*")) {
                    (Some(target), _) => Some(behind(target, &path[at + 1..])),
                    (None, Some(all)) => Some(behind(&all[..all.len() - 1], &path[at..])),
                    (None, None) => None,
                }
            }
            _ => None,
        };
        match target {
            Some(target) => self.file_of(&target, depth + 1),
            None => Some(module),
        }
    }
}

impl Source {
    fn of(name: String, module: &[String], code: &str) -> Self {
        let (statements, rest) = use_statements(code);
        let declared: Vec<String> = rest.lines().filter_map(declaration).collect();
        let absolute = |path: &[String]| -> Option<Absolute> {
            let above = path.iter().take_while(|part| *part == "super").count();
            match path.first()?.as_str() {
                "crate" => Some(path[1..].to_vec()),
                "self" => Some([module, &path[1..]].concat()),
                "super" => {
                    let base = module.len().checked_sub(above)?;
                    Some([&module[..base], &path[above..]].concat())
                }
                first if declared.iter().any(|own| own == first) => Some([module, path].concat()),
                _ => None,
            }
        };
        let is_code = |line: &&str| declaration(line).is_none();
        let mentioned: BTreeSet<&str> = rest.lines().filter(is_code).flat_map(words).collect();
        let (mut uses, mut reexports) = (Vec::new(), BTreeMap::new());
        for (public, tree) in statements {
            let mut paths = Vec::new();
            expand(&[], &tree, &mut paths);
            for path in paths {
                let Some(path) = absolute(&path) else { continue };
                let last = path.last().cloned().unwrap_or_default();
                // a module may import what only those inside it use
                let by_itself = !public && declared.is_empty();
                if by_itself || mentioned.contains(last.as_str()) {
                    uses.push(path.clone());
                }
                reexports.insert(last, path);
            }
        }
        uses.extend(inline_paths(&rest).filter_map(|path| absolute(&path)));
        Self { name, uses, reexports, declared }
    }
}

/// `a/b.rs` and `a/b/mod.rs` are `[a, b]`.
fn module_of(name: &Path) -> Absolute {
    let mut parts: Absolute =
        name.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// The name in `mod name;`.
fn declaration(line: &str) -> Option<String> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
    Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
}

/// Takes the `use` statements out of code: whether each hands names on, and its tree.
fn use_statements(code: &str) -> (Vec<(bool, String)>, String) {
    let (mut statements, mut rest) = (Vec::new(), String::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let inside = line.trim_start();
        let start = inside.find("use ").filter(|at| {
            let before = &inside[..*at];
            before.is_empty() || before.starts_with("pub") && before.ends_with(' ')
        });
        let Some(start) = start else {
            rest += line;
            rest.push('\n');
            continue;
        };
        let mut tree = inside[start + "use ".len()..].to_owned();
        while !tree.contains(';') {
            let Some(next) = lines.next() else { break };
            tree += next.trim();
        }
        statements.push((start > 0, tree.split(';').next().unwrap_or_default().to_owned()));
    }
    (statements, rest)
}

/// The paths of a use tree: `a::{b, c::d as e}`.
fn expand(before: &[String], tree: &str, found: &mut Vec<Absolute>) {
    let (mut depth, mut start) = (0, 0);
    for (at, c) in tree.char_indices().chain([(tree.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branch(before, tree[start..at].trim(), found);
                start = at + 1;
            }
            _ => {}
        }
    }
}

fn branch(before: &[String], tree: &str, found: &mut Vec<Absolute>) {
    let (path, group) = match tree.split_once('{') {
        Some((path, group)) => (path, group.strip_suffix('}')),
        None => (tree.split(" as ").next().unwrap_or(tree), None),
    };
    // in a group `self` is what stands before it
    let is_name = |part: &&str| !part.is_empty() && (before.is_empty() || *part != "self");
    let mut whole = before.to_vec();
    whole.extend(path.split("::").filter(is_name).map(str::to_owned));
    match group {
        Some(group) => expand(&whole, group, found),
        None if tree.is_empty() => {}
        None => found.push(whole),
    }
}

/// Paths in code besides `use`: those with at least two names.
fn inline_paths(code: &str) -> impl Iterator<Item = Absolute> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let pieces = code.split(move |c: char| !is_path(c));
    pieces
        .filter(|piece| piece.contains("::"))
        .map(|piece| piece.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// True for a source that is only compiled for unit tests.
pub(crate) fn is_test(source: &Path) -> bool {
    source.file_name().is_some_and(|n| n == "tests.rs" || n == "testing.rs")
        || source.iter().any(|part| part == "tests")
}

/// The files below a folder whose names end so.
pub(crate) fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
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
pub(crate) fn code(source: &Path) -> String {
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
