//! The fuzz targets, and the laws that must hold for every input. Each function takes any bytes and
//! panics if a law is broken; errors of the tool are fine. `tests/fuzz.rs` runs them on changed
//! seeds, the programs in `fuzz_targets` under libFuzzer.

mod archives;
mod descriptions;
mod exports;
mod index;
mod indexes;

pub use archives::{deb, tar, wheel, zip};
pub use descriptions::description;
pub use exports::{drv, export};
pub use index::index;
pub use indexes::{lock, packages, requirements, simple};

/// A target: its name, what runs it, and what makes its seeds.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// Every target.
pub const TARGETS: &[Target] = &[
    ("deb", deb, archives::debs),
    ("description", description, descriptions::descriptions),
    ("drv", drv, exports::drvs),
    ("export", export, exports::exports),
    ("index", index, index::indexes),
    ("lock", lock, indexes::locks),
    ("packages", packages, indexes::package_lists),
    ("requirements", requirements, indexes::requirement_files),
    ("simple", simple, indexes::pages),
    ("tar", tar, archives::tars),
    ("wheel", wheel, archives::wheels),
    ("zip", zip, archives::zips),
];

std::thread_local! {
    static TAKEN: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How often this thread's inputs were taken for what they should be, and not refused.
#[allow(dead_code, reason = "the tests ask")]
pub fn times_taken() -> usize {
    TAKEN.get()
}

/// An input was taken: a target that refuses its own seeds tests nothing.
fn taken() {
    TAKEN.set(TAKEN.get() + 1);
}
