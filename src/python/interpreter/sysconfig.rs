//! Adapts the values that CPython's build recorded for building extensions (`sysconfig`) to the prefix.
//! Flags that only fit Debian's own build are dropped.

use std::path::Path;

use fs_err as fs;

use super::sources::ChangeError;
use crate::{
    build::task::TaskError,
    limits,
    regular::{self, Link},
};

/// Texts that must be there, and what they become; `@` stands for the prefix.
const VALUES: &[(&str, &str)] = &[
    (
        "/usr/share/zoneinfo:/usr/lib/zoneinfo:/usr/share/lib/zoneinfo:/etc/zoneinfo",
        "@/share/zoneinfo",
    ),
    ("/usr/lib/x86_64-linux-gnu", "@/lib"),
    ("/usr/share/python-wheels/", "@/share/python-wheels/"),
    ("/usr/bin/install", "install"),
    ("x86_64-linux-gnu-gcc-ar", "ar"),
    ("x86_64-linux-gnu-gcc", "gcc"),
    ("x86_64-linux-gnu-g++", "g++"),
];

/// Rewrites `_sysconfigdata_*.py`.
pub(super) fn rewrite(prefix: &Path, logical: &str, minor: u32) -> Result<(), TaskError> {
    let library = prefix.join(format!("lib/python3.{minor}"));
    let mut rewritten = 0;
    for entry in fs::read_dir(&library)? {
        let entry = entry?;
        let is_data = entry.file_name().to_str().is_some_and(|n| n.starts_with("_sysconfigdata"));
        // one of the two names is a link to the other
        if !is_data || !entry.file_type()?.is_file() {
            continue;
        }
        let path = entry.path();
        let text = regular::read_text(&path, Link::Follow, limits::METADATA)?;
        let text = relocate(&text, logical)
            .map_err(|problem| TaskError::Failed(format!("{}: {problem}", path.display())))?;
        fs::write(path, text)?;
        rewritten += 1;
    }
    match rewritten {
        1 => Ok(()),
        n => Err(TaskError::Failed(format!(
            "{}: expected one file '_sysconfigdata_*.py', found {n}",
            library.display()
        ))),
    }
}

fn relocate(text: &str, prefix: &str) -> Result<String, ChangeError> {
    let mut text = text.to_owned();
    for (old, new) in VALUES {
        if !text.contains(old) {
            return Err(ChangeError::Missing(old));
        }
        text = text.replace(old, &new.replace('@', prefix));
    }
    Ok(flags(&paths(&text, prefix)))
}

/// Replaces `/usr`, as a whole path or at the start of one, by the prefix.
fn paths(text: &str, prefix: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("/usr") {
        let (before, after) = (&rest[..at], &rest[at + 4..]);
        out.push_str(before);
        let starts = before.ends_with(['\'', '"', ' ', '=', ':', 'I', 'L']);
        let ends = after.starts_with(['/', '\'', '"', ' ', ':', '\\']);
        out.push_str(if starts && ends { prefix } else { "/usr" });
        rest = after;
    }
    out + rest
}

/// Edits the flags word by word: no debugging symbols, which would contain the folder of a build, and no
/// mention of Debian's build folder.
fn flags(text: &str) -> String {
    let is_dropped = |word: &str| {
        word.starts_with("-ffile-prefix-map=") || word.starts_with("-fdebug-prefix-map=")
    };
    let lines = text.split('\n').map(|line| {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_matches(['\'', ',']);
            match bare {
                "-g" => word.replace("-g", "-g0"),
                bare if is_dropped(bare) => word.replace(bare, ""),
                _ => word.to_owned(),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_the_prefix() {
        let p = "/clutch/store/x-python";
        assert_eq!(
            paths("'A': '/usr', 'B': '/usr/include', 'C': '-I/usr/include/uuid', 'D': './usr'", p),
            format!("'A': '{p}', 'B': '{p}/include', 'C': '-I{p}/include/uuid', 'D': './usr'")
        );
        assert_eq!(
            flags("'X': '-g -fwrapv -ffile-prefix-map=/build/x=. '\n '-Wall -g',"),
            "'X': '-g0 -fwrapv  '\n '-Wall -g0',"
        );
        assert!(relocate("build_time_vars = {}", p).unwrap_err().to_string().contains("zoneinfo"));
    }
}
