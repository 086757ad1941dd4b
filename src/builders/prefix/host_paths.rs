//! Replaces the host's paths in libraries by places in the prefix. So nothing is read from a host that happens
//! to be a Debian, and everything is found on any other host. Variables by which a library would load the host's code all the same are not heeded. What belongs to
//! the running system (`/etc/resolv.conf`, `/etc/passwd`, `/etc/localtime`,
//! `/etc/krb5.conf`) stays.

use crate::elf::{ElfError, Image};

/// A library, and the texts in it to be changed.
struct Library {
    /// The name by which other files load it.
    soname: &'static str,
    /// Texts that become a path in the prefix.
    moved: &'static [(&'static str, &'static str)],
    /// Texts whose length is part of the code: they become a path of that length that leads nowhere.
    blanked: &'static [&'static str],
    /// Variables that name files of the host to be loaded; they are asked for by an empty name, which none has.
    ignored: &'static [&'static str],
}

const LIBRARIES: &[Library] = &[
    Library {
        soname: "ld-linux-x86-64.so.2",
        moved: &[
            ("/etc/ld.so.cache", "etc/ld.so.cache"),
            ("/etc/ld.so.preload", "etc/ld.so.preload"),
        ],
        // the default folders, which are searched when the cache has no answer
        blanked: &["/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0"],
        ignored: &[],
    },
    Library {
        soname: "libc.so.6",
        moved: &[
            ("/usr/share/zoneinfo", "share/zoneinfo"),
            ("/usr/lib/locale/locale-archive", "lib/locale/locale-archive"),
        ],
        // locales are in the archive; conversions (iconv) that are not built in are not there
        blanked: &[
            "/usr/lib/locale\0",
            "/usr/share/locale\0",
            "/usr/lib/x86_64-linux-gnu/gconv\0",
            "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache\0",
        ],
        ignored: &[],
    },
    Library {
        soname: "libcrypto.so.3",
        moved: &[
            ("/usr/lib/ssl", "etc/ssl"),
            ("/usr/lib/ssl/private", "etc/ssl/private"),
            ("/usr/lib/ssl/certs", "etc/ssl/certs"),
            ("/usr/lib/ssl/cert.pem", "etc/ssl/cert.pem"),
            ("/usr/lib/ssl/ct_log_list.cnf", "etc/ssl/ct_log_list.cnf"),
            ("/usr/lib/x86_64-linux-gnu/engines-3", "lib/engines-3"),
            ("/usr/lib/x86_64-linux-gnu/ossl-modules", "lib/ossl-modules"),
        ],
        blanked: &[],
        ignored: &["OPENSSL_CONF", "OPENSSL_CONF_INCLUDE", "OPENSSL_MODULES", "OPENSSL_ENGINES"],
    },
    Library {
        soname: "libtinfo.so.6",
        moved: &[
            ("/etc/terminfo", "share/terminfo"),
            // then the machine's: terminals bring descriptions that are newer than the prefix
            (
                "/etc/terminfo:/lib/terminfo:/usr/share/terminfo",
                "share/terminfo:/etc/terminfo:/lib/terminfo:/usr/share/terminfo",
            ),
        ],
        blanked: &[],
        ignored: &[],
    },
    Library {
        soname: "libkrb5.so.3",
        moved: &[
            ("/usr/lib/x86_64-linux-gnu", "lib"),
            ("/usr/lib/x86_64-linux-gnu/krb5/plugins", "lib/krb5/plugins"),
            ("/usr/lib/x86_64-linux-gnu/krb5/plugins/authdata", "lib/krb5/plugins/authdata"),
            ("/usr/lib/x86_64-linux-gnu/krb5/plugins/libkrb5", "lib/krb5/plugins/libkrb5"),
        ],
        blanked: &[],
        ignored: &[],
    },
    Library {
        soname: "libgssapi_krb5.so.2",
        moved: &[("/usr/lib/x86_64-linux-gnu/gss/", "lib/gss/")],
        blanked: &[],
        ignored: &[],
    },
];

/// The shell that programs, and the C library for them, start with commands as text.
const SHELL: &str = "/bin/sh";

/// Points a program or library that starts a shell at the prefix's; false if it starts none.
pub(super) fn replace_shell(image: &mut Image, prefix: &str) -> Result<bool, ElfError> {
    let mut changed = image.clone();
    match changed.repoint(&[(SHELL, &format!("{prefix}/bin/sh"))]) {
        Ok(_) => {
            *image = changed;
            Ok(true)
        }
        // many have no such text; in others it is part of a message
        Err(ElfError::Missing(_) | ElfError::Unused(_) | ElfError::FixedAddress) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Changes the host's paths in a library that has some; false if it has none.
///
/// # Errors
/// If a text that this version of the library should have is not there.
pub(super) fn replace(image: &mut Image, prefix: &str) -> Result<bool, ElfError> {
    let soname = image.soname()?;
    let Some(library) = LIBRARIES.iter().find(|l| Some(l.soname) == soname) else {
        return Ok(false);
    };
    let moved: Vec<_> =
        library.moved.iter().map(|(old, new)| (*old, format!("{prefix}/{new}"))).collect();
    let moved: Vec<_> = moved.iter().map(|(old, new)| (*old, new.as_str())).collect();
    image.repoint(&moved)?;
    for name in library.ignored {
        ignore(image, name)?;
    }
    for text in library.blanked {
        image.overwrite(text.as_bytes(), blank(text).as_bytes())?;
    }
    Ok(true)
}

/// Has a library ask for a variable by an empty name.
fn ignore(image: &mut Image, name: &str) -> Result<(), ElfError> {
    let (old, new) = (format!("\0{name}\0"), format!("\0\0{}\0", &name[1..]));
    image.overwrite(old.as_bytes(), new.as_bytes()).map(drop)
}

/// As long a path, or as many, with `-` for every letter.
fn blank(paths: &str) -> String {
    paths.chars().map(|c| if matches!(c, '/' | '\0') { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, process::Command};

    use super::*;

    #[test]
    fn a_variable_that_is_ignored_is_never_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let program = "#include <stdio.h>\n#include <stdlib.h>\n\
                       int main(int n, char **a) { const char *v = getenv(\"OPENSSL_CONF\"); \
                       return printf(\"%s %s\", a[0] ? \"found\" : \"\", v ? v : \"nothing\") < 0; }";
        fs_err::write(path("a.c"), program).unwrap();
        let made = Command::new("cc").args(["-o", "a", "a.c"]).current_dir(dir.path()).status();
        assert!(made.expect("the tests need a C compiler").success());
        let said = |name: &str| {
            let mut command = Command::new(path(name));
            let output = command.env("OPENSSL_CONF", "/host").output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(said("a"), "found /host");
        let mut image = Image::parse(fs_err::read(path("a")).unwrap()).unwrap();
        ignore(&mut image, "OPENSSL_CONF").unwrap();
        assert!(ignore(&mut image, "OPENSSL_CONF").is_err(), "it is not there any more");
        // a program that this process has just written may still be open in a child of another test
        fs_err::write(path("bytes"), image.into_bytes()).unwrap();
        let copied = Command::new("cp").args(["bytes", "b"]).current_dir(dir.path()).status();
        assert!(copied.unwrap().success());
        fs_err::set_permissions(path("b"), PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(said("b"), "found nothing");
    }

    #[test]
    fn a_blank_is_as_long_and_nobody_s() {
        assert_eq!(blank("/lib/x-y/\0/usr/\0"), "/---/---/\0/---/\0");
        for library in LIBRARIES {
            assert!(
                library
                    .moved
                    .iter()
                    .all(|(old, new)| old.starts_with('/') && !new.starts_with('/'))
            );
        }
    }
}
