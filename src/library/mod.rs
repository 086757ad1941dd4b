//! The library `<clutch>`: its files, which are in `expr/lib`, and the functions that they call. Every
//! evaluation of a command has it.

use clutch_expr::eval::Library;

/// What every evaluation is given.
pub static LIBRARY: Library = Library {
    files: include!(concat!(env!("OUT_DIR"), "/library_files.rs")),
    entries: &[("clutch", ""), ("nix", "nix")],
    functions: &[],
};

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
