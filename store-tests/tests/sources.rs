//! Files and folders that an expression reads and copies: links, order, what is no file, and sizes.

use std::{
    ffi::OsStr,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
};

use clutch_store_tests::Space;

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

fn pipe(space: &Space, name: &str) {
    let path = space.path("project").join(name);
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
}

#[test]
fn a_filter_is_asked_in_order_by_resolved_names() {
    let space = Space::new(BINARY);
    let project = space.path("project");
    for name in ["tree/b", "tree/a/z", "tree/a/.y", "tree/a.b"] {
        space.write(name, "");
    }
    let odd = project.join("tree").join(OsStr::from_bytes(b"\xff\xfe"));
    fs_err::write(odd, "").unwrap();
    pipe(&space, "tree/pipe");
    symlink("tree", project.join("link")).unwrap();
    symlink(".", project.join("here")).unwrap();
    let expected =
        ["a directory", "a/.y regular", "a/z regular", "a.b regular", "b regular", "pipe unknown"];
    for call in [
        "builtins.path { path = ./here/link; name = \"x\"; filter = filter; }",
        "builtins.filterSource filter ./here/link",
        "builtins.path { path = ./tree; name = \"x\"; filter = filter; }",
    ] {
        let expression = format!(
            "let filter = p: t: builtins.trace \"${{p}} ${{t}}\" (t != \"unknown\"); in {call}"
        );
        let ran = space.run(["eval", "-E", &expression]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let start = format!("trace: {}/tree/", fs_err::canonicalize(&project).unwrap().display());
        let mut asked: Vec<&str> =
            ran.stderr.lines().filter_map(|line| line.strip_prefix(&start)).collect();
        let last = asked.pop().unwrap();
        assert!(last.ends_with(" regular"), "{last}");
        assert_eq!(asked, expected, "{call}");
    }
    // its bytes are those of the name
    let hash = "let filter = p: t: if t == \"regular\" && builtins.match \".*/(a|b|z|.y|a.b)\" p == \
                null then throw (builtins.substring (builtins.stringLength p - 3) 3 p == (import \
                ./odd.nix)) else t != \"unknown\"; in builtins.filterSource filter ./tree";
    space.write("odd.nix", [&b"\"/\xff\xfe\""[..], b""].concat());
    let text = hash.replace("throw (", "throw (toString (").replace("./odd.nix))", "./odd.nix)))");
    let error = space.fails(1, ["eval", "-E", &text]);
    assert!(error.starts_with("error: 1\n"), "{error}");
    // which error comes first does not depend on the folder
    let thrown = "builtins.filterSource (p: t: throw (baseNameOf p)) ./tree";
    assert!(space.fails(1, ["eval", "-E", thrown]).starts_with("error: a\n"));
    // without a filter it cannot be copied
    let error = space.fails(1, ["eval", "-E", "\"${./tree}\""]);
    assert!(error.contains("tree/pipe' is a named pipe"), "{error}");
}

#[test]
fn a_link_that_is_a_root_is_followed_by_path_and_copied_by_interpolation() {
    let space = Space::new(BINARY);
    let project = space.path("project");
    space.write("tree/file", "x");
    symlink("tree", project.join("link")).unwrap();
    symlink("nowhere", project.join("dangling")).unwrap();
    let value = |expression: &str| space.ok(["eval", "--strict", "-E", expression]);
    let of = |call: &str| format!("builtins.readFileType \"${{{call}}}\"");
    assert_eq!(value(&of("builtins.path { path = ./link; }")), "\"directory\"");
    assert_eq!(value(&of("builtins.filterSource (p: t: true) ./link")), "\"directory\"");
    assert_eq!(value(&of("./link")), "\"symlink\"");
    assert_eq!(value(&of("./dangling")), "\"symlink\"");
    // the name is the link's
    assert_eq!(
        value("builtins.match \".*-link\" \"${builtins.path { path = ./link; }}\" != null"),
        "true"
    );
    for call in
        ["builtins.path { path = ./dangling; }", "builtins.filterSource (p: t: true) ./dangling"]
    {
        let error = space.fails(1, ["eval", "-E", call]);
        assert!(error.contains("/nowhere' does not exist"), "{error}");
    }
    let same = "builtins.unsafeDiscardStringContext ./tree == builtins.unsafeDiscardStringContext \"${./tree}\"";
    assert_eq!(value(same), "true");
}

#[test]
fn paths_in_an_imported_link_are_relative_to_what_imports_it() {
    let space = Space::new(BINARY);
    let project = space.path("project");
    space.write("real/expression.nix", "baseNameOf ./.");
    fs_err::create_dir(project.join("folder")).unwrap();
    symlink("../real/expression.nix", project.join("folder/default.nix")).unwrap();
    symlink("real/expression.nix", project.join("link.nix")).unwrap();
    symlink("folder", project.join("other")).unwrap();
    // as in Nix: a link that is imported is followed, one inside the folder is not
    let value = |expression: &str| space.ok(["eval", "-E", expression]);
    assert_eq!(value("import ./folder"), "\"folder\"");
    assert_eq!(value("import ./other"), "\"folder\"");
    assert_eq!(value("import ./link.nix"), "\"real\"");
}

#[test]
fn what_is_no_file_or_too_large_is_told_before_it_is_read() {
    let space = Space::new(BINARY);
    let large = fs_err::File::create(space.path("project/large")).unwrap();
    large.set_len(300 << 20).unwrap();
    let sparse = fs_err::File::create(space.path("project/sparse")).unwrap();
    sparse.set_len(1 << 43).unwrap();
    pipe(&space, "pipe");
    let fails = |arguments: &[&str], why: &str| {
        let error = space.fails(1, [&["eval", "--max-eval-memory", "100M"], arguments].concat());
        assert!(error.contains(why), "{arguments:?}: {error}");
    };
    fails(&["-E", "builtins.readFile ./large"], "larger than the");
    fails(&["-E", "import ./large"], "--max-eval-memory");
    fails(&["-E", "builtins.hashFile \"sha256\" ./sparse"], "larger than");
    fails(
        &["-E", "builtins.path { path = ./sparse; recursive = false; name = \"x\"; }"],
        "holes included",
    );
    for call in ["readFile", "hashFile \"md5\"", "fromJSON (builtins.readFile"] {
        let close = if call.contains('(') { ")" } else { "" };
        fails(&["-E", &format!("builtins.{call} ./pipe{close}")], "it is a named pipe");
        fails(&["-E", &format!("builtins.{call} ./.{close}")], "it is a folder");
    }
    // more memory would not help
    let error = space.fails(1, ["eval", "--impure", "-E", "builtins.readFile /dev/zero"]);
    assert!(error.contains("larger than the limit of 65536 KiB"), "{error}");
    assert!(!error.contains("--max-eval-memory"), "{error}");
    fails(&["--impure", "-E", "builtins.hashFile \"md5\" /dev/zero"], "larger than");
    assert_eq!(space.ok(["eval", "--impure", "-E", "builtins.readFile /dev/null"]), "\"\"");
    let kernel = "builtins.stringLength (builtins.readFile /proc/version) > 0";
    assert_eq!(space.ok(["eval", "--impure", "-E", kernel]), "true");
    // piece by piece: a file may be larger than the memory
    let hash = "builtins.hashFile \"md5\" ./large";
    let hash = space.ok(["eval", "--max-eval-memory", "100M", "--raw", "-E", hash]);
    assert_eq!(hash, "0d97a9cd8bbd7ce75a2a76bb06258915");
}

#[test]
fn a_source_is_as_deep_as_a_tree_may_be() {
    let space = Space::new(BINARY);
    let mut path = space.path("project/deep");
    for _ in 0..1002 {
        path.push("d");
    }
    fs_err::create_dir_all(&path).unwrap();
    let error = space.fails(1, ["eval", "-E", "\"${./deep}\""]);
    assert!(error.contains("is in more than 1000 folders"), "{error}");
}

#[test]
fn a_missing_file_is_told_with_its_neighbours_and_the_line_that_names_it() {
    let space = Space::new(BINARY);
    space.write("expression.nix", "1");
    let fails = |expression: &str| {
        space.write("default.nix", expression);
        space.fails(1, ["eval"])
    };
    let error = fails("[ ]\n++ import ./expresion.nix");
    assert!(error.contains("/expresion.nix' does not exist"), "{error}");
    assert!(error.contains("did you mean 'expression.nix'?"), "{error}");
    assert!(!error.contains("os error") && !error.contains("expresion.nix'\n"), "{error}");
    let error = fails("import ./nowhere/x.nix");
    assert!(error.contains("there is no 'nowhere' in"), "{error}");
    // the library's line is not what has to be changed
    for call in [
        "clutch.python.package { name = \"x\"; version = \"1\"; source = ./nothing; }",
        "clutch.unpack { name = \"x\"; src = ./nothing; }",
        "clutch.derivation { name = \"x\"; script = \"\"; src = ./nothing; }",
        "clutch.python.environment { name = \"x\"; lock = ./nothing; }",
        "derivation { name = \"x\"; system = \"x\"; builder = ./nothing; }",
    ] {
        let error = fails(&format!("let clutch = import <clutch>; in\n{call}"));
        assert!(error.contains("does not exist") && !error.contains("os error"), "{error}");
        let place = error.lines().find(|line| line.contains("--> ")).unwrap();
        assert!(place.contains("project/default.nix:2:"), "{call}: {error}");
    }
    let error = fails("<nixpkgs>");
    assert!(error.contains("-I nixpkgs=PATH; pure evaluation reads no $NIX_PATH"), "{error}");
    let error = fails("builtins.currentSystem");
    assert!(error.contains("give it with --system"), "{error}");
    let error = fails("builtins.currentTime");
    assert!(error.contains("pure evaluation has no clock"), "{error}");
}
