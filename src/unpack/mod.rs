//! Archive formats: zip, tar and deb, the compressions around them, and the one writer of what they hold.
//! It knows nothing of builds or of the store.

pub mod compression;
pub mod deb;
pub mod entry_name;
mod error;
mod sparse;
pub mod tar_entries;
pub mod tarball;
pub mod writer;
pub mod zip_file;

pub use error::ArchiveError;
pub(crate) use error::shown;
