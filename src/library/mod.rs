//! The library `<clutch>`: its files, which are in `expr/lib`, and the functions that they call. Every
//! evaluation of a command has it. Each kind of lock has a file here, which makes values of the language
//! from the lock that its own module reads.

mod debian;
mod lock;
mod python;

use clutch_expr::eval::{Builtin, Library};

/// The library of every evaluation.
pub static LIBRARY: Library = Library {
    files: include!(concat!(env!("OUT_DIR"), "/library_files.rs")),
    entries: &[("clutch", ""), ("nix", "nix")],
    functions: FUNCTIONS,
};

/// The attributes of `host`, which the files of the library see.
const FUNCTIONS: &[Builtin] = &[
    Builtin::new("readDebianLock", 1, debian::read_lock),
    Builtin::new("selectWheels", 1, python::select_wheels),
    Builtin::new("normalisedName", 1, python::normalised_name),
    Builtin::new("isDistributionName", 1, python::is_name),
    Builtin::new("isVersion", 1, python::is_version),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn its_files_are_in_the_program() {
        for file in ["default.nix", "nix/fetchurl.nix", "debian/shell.lock"] {
            assert!(LIBRARY.read(&Path::new("/__clutch__").join(file)).is_some(), "{file}");
        }
    }
}
