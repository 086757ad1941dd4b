//! The place in a prefix for a file of a Debian package. Knows names only.

/// The multiarch folder of libraries.
const MULTIARCH: &str = "lib/x86_64-linux-gnu";

/// Folders (after `usr/`) that are left out: documentation, translations, and files for a running system
/// only. Licences are kept.
const LEFT_OUT: &[&str] = &[
    "etc",
    "games",
    // only the link to the dynamic linker, which programs then name by its own place
    "lib64",
    "lib/binfmt.d",
    "lib/mime",
    "lib/python3/dist-packages",
    "lib/sysctl.d",
    "lib/systemd",
    "lib/sysusers.d",
    "lib/tmpfiles.d",
    "lib/udev",
    "lib/valgrind",
    "lib/x86_64-linux-gnu/audit",
    "lib/x86_64-linux-gnu/gconv",
    "lib/x86_64-linux-gnu/perl",
    "share/applications",
    "share/apport",
    "share/bash-completion",
    "share/binfmts",
    "share/bug",
    "share/debianutils",
    "share/doc",
    "share/doc-base",
    "share/gcc",
    "share/gdb",
    "share/icons",
    "share/info",
    "share/libc-bin",
    "share/lintian",
    "share/locale",
    "share/man",
    "share/menu",
    "share/perl5",
    "share/pixmaps",
    "share/polkit-1",
    "share/zoneinfo/posix",
    "share/zoneinfo/right",
    "src",
    "var",
];

/// The place in a prefix of the file that a package installs as `name` (`usr/bin/env`), or nothing
/// if it is left out. `/usr` and `/` are one, as on every current Debian; `sbin` is `bin`; the
/// multiarch folder of libraries is `lib`.
pub(super) fn place(name: &str) -> Option<String> {
    let name = name.strip_prefix("usr/").unwrap_or(name);
    let licence = name.starts_with("share/doc/") && name.ends_with("/copyright");
    // the rest of the name below a folder, the folder itself included
    let below = |folder: &str| {
        name.strip_prefix(folder).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if !licence && LEFT_OUT.iter().any(|folder| below(folder).is_some()) {
        return None;
    }
    let moved = [
        ("sbin", "bin"),
        (MULTIARCH, "lib"),
        ("lib/terminfo", "share/terminfo"),
        ("lib/ssl", "etc/ssl"),
    ];
    let (folder, rest) =
        moved.iter().find_map(|(old, new)| Some((*new, below(old)?))).unwrap_or(("", name));
    Some(format!("{folder}{rest}"))
}

/// The file that a symbolic link of a package leads to, in the names of packages: `target` is
/// relative to the link at `name`. `None` if it climbs above the root.
pub(super) fn link_target(name: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = match target.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => name.split('/').collect(),
    };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The text of a link at `from` that leads to `to`, both from the prefix.
pub(super) fn relative(from: &str, to: &str) -> String {
    let (from, to): (Vec<_>, Vec<_>) = (from.split('/').collect(), to.split('/').collect());
    let shared = from[..from.len() - 1].iter().zip(&to[..to.len() - 1]).take_while(|(a, b)| a == b);
    let shared = shared.count();
    let mut text = "../".repeat(from.len() - 1 - shared);
    text.push_str(&to[shared..].join("/"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_one_place_whatever_the_release() {
        for (name, expected) in [
            ("usr/bin/env", Some("bin/env")),
            ("bin/dash", Some("bin/dash")),
            ("usr/sbin/rmt-tar", Some("bin/rmt-tar")),
            ("lib/x86_64-linux-gnu/libc.so.6", Some("lib/libc.so.6")),
            ("usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so", Some("lib/ossl-modules/legacy.so")),
            ("usr/lib/python3.11/os.py", Some("lib/python3.11/os.py")),
            ("lib/terminfo/x/xterm", Some("share/terminfo/x/xterm")),
            ("lib64/ld-linux-x86-64.so.2", None),
            ("usr/share/doc/bash/copyright", Some("share/doc/bash/copyright")),
            ("usr/share/doc/bash/README", None),
            ("usr/share/zoneinfo/right/UTC", None),
            ("usr/share/zoneinfo/Europe/Berlin", Some("share/zoneinfo/Europe/Berlin")),
            ("etc/mime.types", None),
            ("usr/games/x", None),
            ("usr/libexec/x", Some("libexec/x")),
        ] {
            assert_eq!(place(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn links_are_read_where_the_package_has_them() {
        let target = |name, target| link_target(name, target);
        assert_eq!(target("usr/lib/x/libm.so", "/lib/x/libm.so.6").unwrap(), "lib/x/libm.so.6");
        assert_eq!(target("usr/lib/x/libm.so", "../y/./libm").unwrap(), "usr/lib/y/libm");
        assert_eq!(target("bin/sh", "dash").unwrap(), "bin/dash");
        assert_eq!(target("bin/sh", "../../x"), None);
        assert_eq!(relative("bin/sh", "bin/dash"), "dash");
        assert_eq!(relative("a/b/c", "lib/x"), "../../lib/x");
        assert_eq!(relative("lib/a/x", "lib/b/y"), "../b/y");
        assert_eq!(relative("x", "lib/b"), "lib/b");
    }
}
