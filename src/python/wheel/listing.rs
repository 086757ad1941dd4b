//! A wheel's `RECORD`, matched with the archive's entries.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{self, RecordError, Row};
use crate::{limits, python::excerpt::excerpt, unpack::zip_file::Zip};

/// An error in the rows of a `RECORD`. Paths are shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// It cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Two rows for one path.
    #[error("'{0}' is listed twice")]
    Twice(String),
    /// Rows for many files that the archive does not have, and one of them.
    #[error("more than {most} of its files are missing, such as '{0}'", most = limits::ABSENT)]
    Absent(String),
}

/// The rows of a `RECORD`, by the entries that they are about.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The row of each entry, by the entry's number.
    rows: Vec<Option<Row>>,
    /// The listed paths that the archive does not have.
    absent: BTreeSet<String>,
}

impl Listing {
    /// Reads it, row by row. It takes no more memory than the archive's own directory.
    ///
    /// # Errors
    /// If it is not a `RECORD`, lists a path twice, or lists many files that the archive does not have.
    pub(crate) fn read(text: &str, zip: &Zip) -> Result<Self, ListingError> {
        let names = zip.entries().iter().enumerate();
        let numbers: BTreeMap<&str, usize> = names.map(|(n, entry)| (&*entry.name, n)).collect();
        let mut listing =
            Self { rows: vec![None; zip.entries().len()], absent: BTreeSet::default() };
        for row in record::rows(text) {
            let row = row?;
            let path = row.path.clone();
            let is_new = match numbers.get(&*path) {
                Some(number) => listing.rows[*number].replace(row).is_none(),
                None => listing.absent.insert(row.path),
            };
            if !is_new {
                return Err(ListingError::Twice(excerpt(&path)));
            }
            if listing.absent.len() > limits::ABSENT {
                return Err(ListingError::Absent(excerpt(&path)));
            }
        }
        Ok(listing)
    }

    /// The row of the entry of that number.
    #[must_use]
    pub(crate) fn row(&self, number: usize) -> Option<&Row> {
        self.rows.get(number)?.as_ref()
    }

    /// The paths that it lists and the archive does not have.
    pub(crate) fn absent(&self) -> impl Iterator<Item = &str> {
        self.absent.iter().map(String::as_str)
    }
}
