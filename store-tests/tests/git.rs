//! Revisions of git repositories (`fetchGit`, `fetchTree` of the type `git`): what they are, that they
//! are fetched once, and that neither a repository nor a user's settings can make them anything else.
//! Needs the program `git`.

use std::{
    ffi::OsStr,
    io::{BufRead as _, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clutch_store_tests::{Space, probing};

const BINARY: &str = env!("CARGO_BIN_EXE_clutch-under-test");

/// The attributes that Nix 2.34.8 gives for the repository of [`repository`] beside outPath, with its defaults, with
/// `submodules`, and without `exportIgnore`.
const HASHES: [(&str, &str, bool); 3] = [
    ("", "sha256-yIRygl2mAPVSnTPgGFEjXx2Y/Rj4ylwE92mnwsQzmpg=", false),
    ("submodules = true;", "sha256-wQBq283zcGfNytqnNDMTfC+dR+L6iv3DDOvVs71U+tM=", true),
    ("exportIgnore = false;", "sha256-W1w7HBjyuvJrRfqJvL9cbOKhXr2tIY5n203fh2P3EFU=", false),
];
const REV: &str = "9b3c984f57076f77f727dc1a080cead17552903c";
const FIRST: &str = "2f95788e1ebb4eb80898a0ddd0ba0c9cd1038036";

/// Runs git in a folder, with nobody's settings, and gives what it prints.
fn git(folder: &Path, args: &[&str]) -> String {
    git_fed(folder, args, b"")
}

fn git_fed(folder: &Path, args: &[&str], input: &[u8]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "a").env(format!("GIT_{who}_EMAIL"), "a@b");
    }
    command.env("GIT_AUTHOR_DATE", "1000000000 +0000");
    command.env("GIT_COMMITTER_DATE", "1000000500 +0000");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("git is installed");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {args:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn init(folder: &Path) {
    fs_err::create_dir_all(folder).unwrap();
    git(folder, &["init", "-q", "-b", "main", "."]);
}

fn commit(folder: &Path, message: &str) -> String {
    git(folder, &["commit", "-q", "--no-gpg-sign", "-m", message]);
    git(folder, &["rev-parse", "HEAD"])
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, text).unwrap();
}

/// A repository with a program, a link, what is not exported, and a submodule; its ids are always
/// the same.
fn repository(space: &Space) -> PathBuf {
    let (module, folder) = (space.path("sub"), space.path("r"));
    init(&module);
    write(&module, "s", "subfile\n");
    write(&module, ".gitattributes", "ign export-ignore\n");
    write(&module, "ign", "i\n");
    git(&module, &["add", "."]);
    let inner = commit(&module, "sub");

    init(&folder);
    for (name, text) in [
        ("f", "hello\n"),
        ("d/e/x", "x\n"),
        ("docs/doc", "doc\n"),
        ("only/skip.txt", "o\n"),
        (
            ".gitattributes",
            "docs export-ignore\nonly/*.txt export-ignore\nslash/ export-ignore\n*.sub export-subst\n",
        ),
        ("slash/s", "s\n"),
        ("deep/slash/q", "q\n"),
        ("v.sub", "$Format:%H$\n"),
        ("x.sh", "#!/bin/sh\n"),
    ] {
        write(&folder, name, text);
    }
    fs_err::set_permissions(folder.join("x.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("d/e/x", folder.join("link")).unwrap();
    git(&folder, &["add", "."]);
    assert_eq!(commit(&folder, "one"), FIRST);
    write(&folder, ".gitmodules", "[submodule \"mod\"]\n\tpath = mod\n\turl = ../sub\n");
    git(&folder, &["add", ".gitmodules"]);
    git(&folder, &["update-index", "--add", "--cacheinfo", &format!("160000,{inner},mod")]);
    assert_eq!(commit(&folder, "two"), REV);
    folder
}

fn fetch(url: impl std::fmt::Display, rev: &str, attributes: &str) -> String {
    format!("builtins.fetchGit {{ url = \"{url}\"; rev = \"{rev}\"; {attributes} }}")
}

/// Makes the folder unreachable, so that whoever still gets the same has not asked.
fn hide(folder: &Path) {
    fs_err::rename(folder, folder.with_extension("away")).unwrap();
}

fn show(folder: &Path) {
    fs_err::rename(folder.with_extension("away"), folder).unwrap();
}

/// Paths that are no derivations.
fn trees(space: &Space) -> Vec<String> {
    space.valid().into_iter().filter(|path| !path.ends_with(".drv")).collect()
}

#[test]
fn a_revision_has_the_tree_and_the_attributes_that_nix_gives_it() {
    let space = Space::new(BINARY);
    let folder = repository(&space);
    let eval = |call: &str| {
        let shown = format!("removeAttrs ({call}) [ \"outPath\" ]");
        space.ok(["eval", "--strict", "-E", &shown])
    };
    let expected = |hash: &str, submodules: bool, count: &str| {
        format!(
            "{{ lastModified = 1000000500; lastModifiedDate = \"20010909015500\"; \
             narHash = \"{hash}\"; rev = \"{REV}\"; {count}shortRev = \"9b3c984\"; \
             submodules = {submodules}; }}"
        )
    };
    for (attributes, hash, submodules) in HASHES {
        let call = fetch(folder.display(), REV, attributes);
        assert_eq!(eval(&call), expected(hash, submodules, "revCount = 2; "), "{attributes}");
    }
    let (default, whole) = (HASHES[0].1, HASHES[2].1);
    let shallow = fetch(folder.display(), REV, "shallow = true;");
    assert_eq!(eval(&shallow), expected(default, false, "revCount = 0; "));
    let tree = format!(
        "builtins.fetchTree {{ type = \"git\"; url = \"file://{}\"; rev = \"{REV}\"; }}",
        folder.display()
    );
    assert_eq!(eval(&tree), expected(whole, false, ""));
    let upper = fetch(folder.display(), &REV.to_uppercase(), "");
    assert_eq!(eval(&upper), expected(default, false, "revCount = 2; "));

    // what is there, and where
    let path = space.ok(["eval", "--raw", "-E", &fetch(folder.display(), REV, "")]);
    assert!(path.ends_with("-source"), "{path}");
    let real = space.real(&path);
    let executable =
        |name: &str| fs_err::metadata(real.join(name)).unwrap().permissions().mode() & 0o111 != 0;
    assert!(executable("x.sh") && !executable("f"));
    assert_eq!(fs_err::read_link(real.join("link")).unwrap(), Path::new("d/e/x"));
    assert_eq!(fs_err::read_to_string(real.join("v.sub")).unwrap(), "$Format:%H$\n");
    assert!(!real.join("docs").exists() && real.join("only").is_dir());
    assert!(fs_err::read_dir(real.join("mod")).unwrap().next().is_none());
    // the place is that of the content, as for every tree with a hash; pure evaluation does not look there
    let same =
        format!("builtins.path {{ path = {path}; name = \"source\"; sha256 = \"{default}\"; }}");
    assert_eq!(space.ok(["eval", "--impure", "--raw", "-E", &same]), path);
    let named = space.ok(["eval", "--raw", "-E", &fetch(folder.display(), REV, "name = \"n\";")]);
    assert!(named.ends_with("-n"), "{named}");
    // a tag stands for its commit
    git(&folder, &["tag", "-a", "-m", "t", "v1", FIRST]);
    let tag = git(&folder, &["rev-parse", "v1"]);
    let hash = |rev: &str| {
        let call = format!("({}).narHash", fetch(folder.display(), rev, ""));
        space.ok(["eval", "--raw", "-E", &call])
    };
    assert_eq!(hash(&tag), hash(FIRST));
    space.ok(["verify"]);
}

/// The hash of the output of `nix-store --dump` for the repository of [`named_in_bytes`], as in [`HASHES`].
const HASHES_OF_BYTES: [(&str, &str); 3] = [
    ("", "sha256-RWO5I8jJbV2nLQc30G81fNcj5u57gh+Kj9Z9adNO8+w="),
    ("submodules = true;", "sha256-EZFF1Ur++9WyfM053OSn2ge00HTHJhS5rt/RRYXEH34="),
    ("exportIgnore = false;", "sha256-E1Et6jFlSRzqVqBcQvKRDvrzJfHVGXLuUbUWfoC4j5c="),
];

fn write_bytes(folder: &Path, name: &[u8], content: &[u8]) {
    let path = folder.join(OsStr::from_bytes(name));
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, content).unwrap();
}

fn link_bytes(folder: &Path, name: &[u8], target: &[u8]) {
    let path = folder.join(OsStr::from_bytes(name));
    symlink(OsStr::from_bytes(target), path).unwrap();
}

/// A repository whose names are Latin-1 and UTF-8 mixed: files, folders, a link, patterns of
/// attributes, a submodule.
fn named_in_bytes(space: &Space) -> PathBuf {
    let (module, folder) = (space.path("sub"), space.path("r"));
    init(&module);
    write_bytes(&module, b"s\xfe", b"s\n");
    git(&module, &["add", "."]);
    let inner = commit(&module, "sub");

    init(&folder);
    for (name, content) in [
        (&b"caf\xe9"[..], &b"latin\n"[..]),
        (b"caf\xc3\xa9", b"utf\n"),
        (b"d\xff/a", b"a\n"),
        (b"d\xff/y.\xfe", b"y\n"),
        // before what is in the folder by its bytes
        (b"d\xff.b", b"b\n"),
        (b"skip\xe9/x", b"x\n"),
        (b".gitattributes", b"skip\xe9 export-ignore\n*.\xfe export-ignore\n"),
        (b".gitmodules", b"[submodule \"mod\xe9\"]\n\tpath = mod\xe9\n\turl = ../sub\n"),
    ] {
        write_bytes(&folder, name, content);
    }
    link_bytes(&folder, b"d\xff/l", b"../caf\xe9");
    git(&folder, &["add", "."]);
    let entry = [b"160000 ", inner.as_bytes(), b"\tmod\xe9\0"].concat();
    git_fed(&folder, &["update-index", "-z", "--index-info"], &entry);
    folder
}

#[test]
fn names_that_are_not_utf8_are_those_of_the_tree() {
    let space = Space::new(BINARY);
    let folder = named_in_bytes(&space);
    let rev = commit(&folder, "one");
    for (attributes, hash) in HASHES_OF_BYTES {
        let call = format!("({}).narHash", fetch(folder.display(), &rev, attributes));
        assert_eq!(space.ok(["eval", "--raw", "-E", &call]), hash, "{attributes}");
    }
    let path = space.ok(["eval", "--raw", "-E", &fetch(folder.display(), &rev, "")]);
    let at = |name: &[u8]| space.real(&path).join(OsStr::from_bytes(name));
    assert_eq!(fs_err::read(at(b"d\xff/l")).unwrap(), b"latin\n");
    assert!(fs_err::read_dir(at(b"mod\xe9")).unwrap().next().is_none());
    // the language's strings are bytes too
    let texts = format!(
        "let t = {}; in toString (map (n: if (builtins.readDir t).${{n}} == \"regular\" then \
         builtins.readFile (t + \"/${{n}}\") else \"\") (builtins.filter (n: builtins.substring 0 1 n \
         == \"c\") (builtins.attrNames (builtins.readDir t))))",
        fetch(folder.display(), &rev, "")
    );
    assert_eq!(space.ok(["eval", "--raw", "-E", &texts]), "utf\n latin");
    space.ok(["verify"]);

    // an archive of the same tree has names that are no text
    let archive = space.path("r.tar");
    git(&folder, &["archive", "--format=tar", "-o", &archive.display().to_string(), &rev]);
    let tarball = format!(
        "builtins.fetchTarball {{ url = \"file://{}\"; sha256 = \"sha256-{}=\"; }}",
        archive.display(),
        "A".repeat(43)
    );
    let refused = space.fails(1, ["eval", "-E", &tarball]);
    assert!(refused.contains("the name is not UTF-8"), "{refused}");

    // whatever the bytes, a link stays in the tree
    link_bytes(&folder, b"out\xe9", b"d\xff/../../\xe9");
    git(&folder, &["add", "."]);
    let out = commit(&folder, "out");
    let refused = space.fails(1, ["eval", "-E", &fetch(folder.display(), &out, "")]);
    assert!(refused.contains("the entry 'out\u{fffd}': the link's target"), "{refused}");
}

#[test]
fn what_was_fetched_is_known_without_its_repository() {
    let space = Space::new(BINARY).with_probe();
    let folder = repository(&space);
    let call = fetch(folder.display(), REV, "");
    let eval = |call: &str| space.ok(["eval", "--raw", "-E", call]);
    let count = |call: &str| eval(&format!("toString ({call}).revCount"));
    let path = eval(&call);
    assert_eq!(count(&call), "2");
    hide(&folder);
    assert_eq!(eval(&call), path);
    assert_eq!(count(&call), "2");
    // wherever it comes from, a revision is the same
    assert_eq!(
        eval(
            &fetch("https://127.0.0.1:1/r", REV, "narHash = \"\" + narHash;")
                .replace("\"\" + narHash", &format!("\"{}\"", HASHES[0].1))
        ),
        path
    );
    // other trees of the same commit are not known
    let other = space.fails(1, ["eval", "-E", &fetch(folder.display(), REV, HASHES[1].0)]);
    assert!(other.contains("does not appear to be a git repository"), "{other}");
    // nor is what a damaged record says
    let records = space.store().join("var/revisions");
    for record in fs_err::read_dir(&records).unwrap() {
        let record = record.unwrap().path();
        let mut bytes = fs_err::read(&record).unwrap();
        bytes[20] ^= 1;
        fs_err::write(&record, bytes).unwrap();
    }
    space.fails(1, ["eval", "-E", &call]);
    // a lock that says all needs no record and no repository
    let lock = fetch(
        folder.display(),
        REV,
        &format!("narHash = \"{}\"; lastModified = 1000000500; revCount = 2;", HASHES[0].1),
    );
    assert_eq!(eval(&lock), path);
    assert_eq!(count(&lock), "2");
    show(&folder);
    assert_eq!(eval(&call), path);
    // what was collected is fetched again
    space.ok(["gc"]);
    assert!(trees(&space).is_empty());
    assert_eq!(eval(&call), path);

    // a build that uses it needs no evaluation the second time
    let attributes = format!("input = ({call}) + \"/f\"; {}", space.salt());
    space.write("default.nix", probing("user", &attributes, &[&["copy", "$input", "$out"]]));
    let built = space.ok(["build", "--no-link", "-v"]);
    assert_eq!(fs_err::read_to_string(space.real(&built)).unwrap(), "hello\n");
    hide(&folder);
    let again = space.run(["build", "--no-link", "-v"]);
    assert_eq!(again.stdout.trim(), built);
    assert!(again.stderr.contains("using the cached evaluation"), "{}", again.stderr);
}

#[test]
fn what_is_asked_wrongly_is_refused() {
    let space = Space::new(BINARY);
    let folder = repository(&space);
    let at = &folder.display().to_string();
    let tree = git(&folder, &["rev-parse", &format!("{REV}^{{tree}}")]);
    let blob = git(&folder, &["rev-parse", &format!("{REV}:f")]);
    let pwned = space.path("pwned");
    let touch = format!("touch {}", pwned.display());
    for (call, why) in [
        (fetch(at, &"1".repeat(40), ""), "give the branch or"),
        (fetch(at, &"1".repeat(64), ""), "git fetch"),
        (fetch(at, &tree, ""), "is a tree, expected a commit"),
        (fetch(at, &blob, ""), "is a blob, expected a commit"),
        (fetch(at, &REV[..12], ""), "is not a full revision"),
        (fetch(at, "main", ""), "is not a full revision"),
        (fetch(at, &format!("--upload-pack={touch}"), ""), "is not a full revision"),
        (fetch(format!("--upload-pack={touch}"), REV, ""), "cannot fetch from"),
        (fetch(format!("ext::sh -c {touch}"), REV, ""), "cannot fetch from"),
        (fetch(format!("ssh://-oProxyCommand={touch}/x"), REV, ""), "cannot fetch from"),
        (fetch("./r", REV, ""), "an absolute path"),
        (
            fetch(at, REV, &format!("ref = \"--upload-pack={touch}\";")),
            "not a valid name for a branch",
        ),
        (fetch(at, REV, "ref = \"a:b\";"), "not a valid name for a branch"),
        (fetch(at, REV, "name = \"a/b\";"), "'a/b'"),
        (fetch(at, REV, "depth = 1;"), "no attribute 'depth'"),
        (fetch(at, REV, "lfs = true;"), "not supported"),
        (fetch(at, REV, "submodules = 1;"), "true or false"),
        (fetch(at, REV, "submodules = true; exportIgnore = true;"), "cannot be combined"),
        (fetch(at, REV, "lastModified = 3;"), "made at 1000000500"),
        (fetch(at, REV, &format!("narHash = \"sha256-{}=\";", "A".repeat(43))), "hash mismatch"),
        (format!("builtins.fetchGit {{ url = \"{at}\"; }}"), "give the full id of a commit"),
        (format!("builtins.fetchGit \"{at}\""), "give the full id of a commit"),
        (format!("builtins.fetchGit {at}"), "give the full id of a commit"),
        (format!("fetchTree {{ type = \"git\"; url = \"{at}\"; ref = \"main\"; }}"), "full id"),
    ] {
        for impure in [&["--impure"][..], &[]] {
            let error = space.fails(1, ["eval", "--strict", "-E", &call].iter().chain(impure));
            assert!(error.contains(why), "{call}: {error}");
        }
        assert!(space.valid().is_empty(), "{call}");
    }
    assert!(!pwned.exists());
    let scratch = space.store().join("var/tmp");
    assert_eq!(fs_err::read_dir(scratch).unwrap().count(), 0);
    assert!(!space.store().join("var/revisions").exists());
}

/// An object of a repository that git itself would not make.
fn object(folder: &Path, kind: &str, content: &[u8]) -> String {
    git_fed(folder, &["hash-object", "-t", kind, "--literally", "-w", "--stdin"], content)
}

/// A commit of a tree with these entries (mode, name, id).
fn made(folder: &Path, entries: &[(&str, &str, &str)]) -> String {
    let mut tree = Vec::new();
    for (mode, name, id) in entries {
        tree.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        let byte = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).unwrap();
        tree.extend((0..id.len()).step_by(2).map(byte));
    }
    let tree = object(folder, "tree", &tree);
    let who = "a <a@b> 1 +0000";
    let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nx\n");
    object(folder, "commit", text.as_bytes())
}

#[test]
fn a_tree_cannot_reach_out_of_its_place() {
    let space = Space::new(BINARY);
    let folder = space.path("r");
    init(&folder);
    git(&folder, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let file = object(&folder, "blob", b"x\n");
    let inner = made(&folder, &[("100644", "x", &file)]);
    let inner = git(&folder, &["rev-parse", &format!("{inner}^{{tree}}")]);
    let link = |target: &str| object(&folder, "blob", target.as_bytes());
    let (out, absolute, up) = (link("../../../home"), link("/etc"), link("d/../../x"));
    let huge = "n".repeat(300);
    for (entries, why) in [
        (vec![("100644", "..", &*file)], ""),
        (vec![("40000", "..", &inner)], ""),
        (vec![("100644", ".", &file)], ""),
        (vec![("100644", ".git", &file)], ""),
        (vec![("40000", ".GIT", &inner)], ""),
        (vec![("100644", "", &file)], ""),
        (vec![("100644", "a/b", &file)], ""),
        (vec![("100644", &huge, &file)], "longer than 255"),
        (vec![("120000", "l", &out)], "leaves the archive"),
        (vec![("120000", "l", &absolute)], "is absolute"),
        (vec![("120000", "l", &up)], "leaves the archive"),
        (vec![("120000", "d", &absolute), ("40000", "d", &inner)], ""),
        (vec![("100644", "t", &inner)], ""),
        (vec![("40000", "t", &file)], ""),
        (vec![("10644", "t", &file)], "mode"),
    ] {
        let rev = made(&folder, &entries);
        let error = space.fails(1, ["eval", "-E", &fetch(folder.display(), &rev, "")]);
        assert!(error.contains(&rev) && error.contains(why), "{entries:?}: {error}");
        assert!(space.valid().is_empty(), "{entries:?}");
    }
    // a small tree that holds another many times over is refused before anything is written
    let names: Vec<String> = (10_000..20_000).map(|n| n.to_string()).collect();
    let many = |mode: &'static str, id: &str| {
        let entries: Vec<_> = names.iter().map(|name| (mode, &**name, id)).collect();
        made(&folder, &entries)
    };
    let wide = many("100644", &file);
    let wide = git(&folder, &["rev-parse", &format!("{wide}^{{tree}}")]);
    let rev = many("40000", &wide);
    let error = space.fails(1, ["eval", "-E", &fetch(folder.display(), &rev, "")]);
    assert!(error.contains("more than"), "{error}");
    assert!(space.valid().is_empty());
}

#[test]
fn submodules_are_fetched_from_where_that_is_safe() {
    let space = Space::new(BINARY);
    let folder = repository(&space);
    let inner = git(&space.path("sub"), &["rev-parse", "HEAD"]);
    let pwned = space.path("pwned");
    let with = |url: &str, rev: &str| {
        let text = format!("[submodule \"m\"]\n\tpath = mod\n\turl = \"{url}\"\n");
        write(&folder, ".gitmodules", &text);
        git(&folder, &["add", ".gitmodules"]);
        git(&folder, &["update-index", "--add", "--cacheinfo", &format!("160000,{rev},mod")]);
        let commit = commit(&folder, url);
        fetch(folder.display(), &commit, "submodules = true;")
    };
    for (url, rev, why) in [
        (format!("ext::touch {}", pwned.display()), &*inner, "cannot fetch from"),
        ("-x:y".to_owned(), &inner, "cannot fetch from"),
        ("../../../../../../x".to_owned(), &inner, "leads nowhere"),
        ("../nowhere".to_owned(), &inner, "does not appear to be a git repository"),
        ("../sub".to_owned(), &"1".repeat(40), "is not in the repository"),
    ] {
        let call = with(&url, rev);
        let error = space.fails(1, ["eval", "-E", &call]);
        // git itself refuses some when it fetches the tree
        let refused = error.contains("disallowed submodule url");
        let named = error.contains("the submodule 'mod") && error.contains(why);
        assert!(refused || named, "{url}: {error}");
        assert!(space.valid().is_empty(), "{url}");
    }
    assert!(!pwned.exists());
    let path = space.ok([
        "eval",
        "--raw",
        "-E",
        &with(&format!("{}", space.path("sub").display()), &inner),
    ]);
    let read = |name: &str| fs_err::read_to_string(space.real(&path).join(name)).unwrap();
    assert_eq!((read("mod/s"), read("mod/ign")), ("subfile\n".into(), "i\n".into()));
}

#[test]
fn settings_say_how_a_server_is_reached_and_nothing_else() {
    let space = Space::new(BINARY);
    let folder = repository(&space);
    let settings = |text: &str| fs_err::write(space.path("home/.gitconfig"), text).unwrap();
    let pwned = space.path("pwned");
    let hash = |rev: &str, attributes: &str| {
        let call = format!("({}).narHash", fetch("https://example.invalid/r", rev, attributes));
        space.run(["eval", "--raw", "-E", &call])
    };
    // an address that is reached in another way, and all that could change a tree
    write(&space.path("home"), "attributes", "* filter=bad text eol=crlf export-ignore ident\n");
    write(
        &space.path("home"),
        "hooks/reference-transaction",
        &format!("#!/bin/sh\ntouch {}\n", pwned.display()),
    );
    let hook = space.path("home/hooks/reference-transaction");
    fs_err::set_permissions(hook, PermissionsExt::from_mode(0o755)).unwrap();
    let home = space.path("home");
    settings(&format!(
        "[url \"{}\"]\n\tinsteadOf = https://example.invalid/r\n\
         [core]\n\tautocrlf = true\n\tattributesFile = {home}/attributes\n\thooksPath = {home}/hooks\n\
         [filter \"bad\"]\n\tsmudge = touch {pwned}\n\tclean = touch {pwned}\n\trequired = true\n\
         [init]\n\tdefaultObjectFormat = sha256\n\ttemplateDir = {home}\n",
        folder.display(),
        home = home.display(),
        pwned = pwned.display(),
    ));
    let found = hash(REV, "");
    assert_eq!((found.code, found.stdout.trim()), (0, HASHES[0].1), "{}", found.stderr);
    assert!(!pwned.exists());
    // but not by running a program
    settings(&format!(
        "[url \"ext::touch {}\"]\n\tinsteadOf = https://example.invalid/r\n\
         [protocol]\n\tallow = always\n",
        pwned.display()
    ));
    let refused = hash(FIRST, "");
    assert!(refused.stderr.contains("transport 'ext' not allowed"), "{}", refused.stderr);
    assert!(!pwned.exists());

    // a server that gives no commits by their ids: what a branch or tag has behind it
    let instead =
        format!("[url \"file://{}\"]\n\tinsteadOf = https://example.invalid/r\n", folder.display());
    settings(&format!("{instead}[protocol]\n\tversion = 0\n"));
    git(&folder, &["branch", "old", FIRST]);
    write(&folder, "new", "1");
    git(&folder, &["add", "new"]);
    commit(&folder, "three");
    git(&folder, &["branch", "-q", "other", REV]);
    git(&folder, &["reset", "-q", "--hard"]);
    git(&folder, &["branch", "-qD", "old"]);
    let below = hash(FIRST, "ref = \"other\";");
    assert_eq!(below.code, 0, "{}", below.stderr);
    let any = hash(FIRST, "submodules = true;");
    assert_eq!(any.code, 0, "{}", any.stderr);
    git(&folder, &["checkout", "-q", "--orphan", "alone"]);
    commit(&folder, "alone");
    let elsewhere = hash(FIRST, "ref = \"alone\"; exportIgnore = false;");
    assert!(elsewhere.stderr.contains("is not in the repository"), "{}", elsewhere.stderr);

    // what a URL may hold besides is told nobody
    let call =
        format!("{{ url }}: builtins.fetchGit {{ inherit url; rev = \"{}\"; }}", "5".repeat(40));
    let url = "https://user:secret@127.0.0.1:1/r";
    let told = space.fails(1, ["eval", "-E", &call, "--argstr", "url", url]);
    assert!(told.contains("https://127.0.0.1:1/r") && !told.contains("secret"), "{told}");

    let offline = fetch("https://example.invalid/x", &"4".repeat(40), "");
    let offline = space.fails(1, ["eval", "--offline", "-E", &offline]);
    assert!(offline.contains("--offline"), "{offline}");
}

#[test]
fn what_is_read_is_what_the_revision_says() {
    let space = Space::new(BINARY);
    let folder = repository(&space);
    // a client that does not tell the truth
    let git = Command::new("sh").args(["-c", "command -v git"]).output().unwrap().stdout;
    let git = String::from_utf8(git).unwrap();
    let path = std::env::var("PATH").unwrap();
    for (what, instead) in [("hello", "jello"), ("tree e6", "tree 9d"), ("x.sh", "y.sh")] {
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *cat-file*) {git} \"$@\" | LC_ALL=C sed -u 's/{what}/{instead}/';; \
             *) exec {git} \"$@\";; esac\n",
            git = git.trim()
        );
        let client = space.write("bin/git", script);
        fs_err::set_permissions(&client, PermissionsExt::from_mode(0o755)).unwrap();
        let client = client.parent().unwrap().display().to_string();
        let mut command = space.command();
        command.env("PATH", format!("{client}:{path}"));
        let ran = command.args(["eval", "-E", &fetch(folder.display(), REV, "")]).output().unwrap();
        let error = String::from_utf8_lossy(&ran.stderr);
        assert!(error.contains("is damaged: its content has the id"), "{what}: {error}");
        assert!(space.valid().is_empty());
    }
    let mut command = space.command();
    command.env("PATH", space.path("nowhere"));
    let ran = command.args(["eval", "-E", &fetch(folder.display(), REV, "")]).output().unwrap();
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(error.contains("'git' is not on the PATH"), "{error}");
}

#[test]
fn repositories_with_long_ids_are_read() {
    let space = Space::new(BINARY);
    let folder = space.path("long");
    fs_err::create_dir_all(&folder).unwrap();
    git(&folder, &["init", "-q", "-b", "main", "--object-format=sha256", "."]);
    write(&folder, "f", "1");
    git(&folder, &["add", "."]);
    let rev = commit(&folder, "one");
    assert_eq!(rev.len(), 64);
    let call = format!("builtins.readFile ({} + \"/f\")", fetch(folder.display(), &rev, ""));
    assert_eq!(space.ok(["eval", "-E", &call]), "\"1\"");
}

#[test]
fn a_fetch_can_be_stopped() {
    let space = Space::new(BINARY);
    let folder = repository(&space);
    let started = space.path("started");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *' fetch '*) touch {started}; exec sleep 600;; esac\n",
        started = started.display()
    );
    let client = space.write("bin/git", script);
    fs_err::set_permissions(&client, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", client.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = space.command();
    command.env("PATH", path).args(["eval", "-E", &fetch(folder.display(), REV, "")]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    while !started.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    let ran = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(130), "{error}");
    assert_eq!(fs_err::read_dir(space.store().join("var/tmp")).unwrap().count(), 0);

    // and so can an evaluation that goes on after one
    let call = fetch(folder.display(), REV, "");
    let endless = format!(
        "builtins.seq ({call}).rev (builtins.trace \"fetched\" (builtins.genericClosure {{ \
         startSet = [ {{ key = 0; }} ]; operator = x: [ {{ key = x.key + 1; }} ]; }}))"
    );
    let mut command = space.command();
    let child = command.args(["eval", "-E", &endless]).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap().contains("trace: fetched")));
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    assert!(lines.any(|line| line.unwrap().contains("the evaluation was interrupted")));
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
