//! A table of records of one size that begin with the address of a name, such as CPython's list of the
//! modules that are frozen into its executable.

use memchr::memmem;

use super::image::{ElfError, Image};

/// The sizes that such records may have.
const SIZES: [u64; 3] = [24, 32, 40];

impl Image {
    /// Empties the name of a record in a table, so that no search for the name finds the record. Of `names` the
    /// record has the second, the one before it the first and the one behind it the third.
    ///
    /// # Errors
    /// If there is no such table, or more than one, or the program is position-independent, so that
    /// its addresses are not in the file.
    pub(crate) fn unname(&mut self, names: [&str; 3]) -> Result<(), ElfError> {
        let [before, name, behind] = names;
        if !self.is_at_fixed_address() {
            return Err(ElfError::Malformed("a program at a fixed address was expected"));
        }
        let named = |place: Option<u64>, name: &str| {
            let address = place.and_then(|place| self.u64(self.offset_of(place)?).ok());
            let text = address.and_then(|address| self.bytes.get(self.offset_of(address)?..));
            text.and_then(|text| text.strip_prefix(name.as_bytes())?.first()) == Some(&0)
        };
        let mut found = Vec::new();
        for address in self.addresses_of(name) {
            for segment in self.segments.iter().filter(|s| s.is_load() && !s.is_executable()) {
                let bytes = &self.bytes[segment.file_range()];
                for at in memmem::find_iter(bytes, &address.to_le_bytes()) {
                    let place = segment.address + at as u64;
                    let is_record = |size: &u64| {
                        named(place.checked_sub(*size), before)
                            && named(place.checked_add(*size), behind)
                    };
                    if place.is_multiple_of(8) && SIZES.iter().any(is_record) {
                        found.push((place, address + name.len() as u64));
                    }
                }
            }
        }
        let &[(place, empty)] = found.as_slice() else {
            return Err(ElfError::Missing(names.join(" ")));
        };
        if let Some(at) = self.offset_of(place) {
            self.put_u64(at, empty);
        }
        Ok(())
    }
}
