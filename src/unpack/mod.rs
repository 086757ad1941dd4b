//! Archive formats: zip, tar and deb, the compressions around them, and the writer of their entries. It knows nothing
//! of builds or of the store.

pub(crate) mod compression;
pub(crate) mod deb;
pub(crate) mod entry_name;
mod error;
mod sparse;
pub(crate) mod tar_entries;
pub(crate) mod tarball;
pub(crate) mod writer;
pub mod zip_file;

pub use error::ArchiveError;
pub(crate) use error::shown;
