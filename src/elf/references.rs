//! Text in an ELF file, and the code and relocations that refer to it.

use std::collections::BTreeMap;

use memchr::memmem;

use super::image::{ElfError, Image, Segment, tag};

/// Tags of the dynamic section: the tables of relocations.
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_RELRSZ: u64 = 35;
const DT_RELR: u64 = 36;

/// Of one entry with an addend.
const RELA: u64 = 24;
/// `R_X86_64_RELATIVE`: base address plus addend.
const RELATIVE: u64 = 8;

impl Image {
    /// Replaces texts that the code refers to by others of any length: the new ones are added, and
    /// every use of an old one is pointed at the new. A text counts only if it ends with a NUL.
    /// Returns the number of uses of each, in order.
    ///
    /// Uses are `lea` instructions with an address relative to the next one, and relative
    /// relocations. A copy that the compiler made part of an instruction is not found: use
    /// [`Image::overwrite`] for these.
    ///
    /// # Errors
    /// If a text does not occur or is not used, so that a new version of a library which this
    /// does not fit is noticed; if there is no room.
    pub(crate) fn repoint(&mut self, texts: &[(&str, &str)]) -> Result<Vec<usize>, ElfError> {
        if self.is_at_fixed_address() {
            return Err(ElfError::FixedAddress);
        }
        // old address -> which text
        let mut places = BTreeMap::new();
        for (n, (old, _)) in texts.iter().enumerate() {
            let found = self.addresses_of(old);
            if found.is_empty() {
                return Err(ElfError::Missing((*old).to_owned()));
            }
            places.extend(found.into_iter().map(|address| (address, n)));
        }
        let mut added = Vec::with_capacity(texts.len());
        for (_, new) in texts {
            let mut text = new.as_bytes().to_vec();
            text.push(0);
            added.push(self.add_text(&text)?.1);
        }
        let mut uses = vec![0; texts.len()];
        let mut moved = |address: u64| -> Option<u64> {
            let n = *places.get(&address)?;
            uses[n] += 1;
            Some(added[n])
        };
        self.move_instructions(&mut moved)?;
        self.move_relocations(&mut moved)?;
        match uses.iter().position(|count| *count == 0) {
            Some(n) => Err(ElfError::Unused(texts[n].0.to_owned())),
            None => Ok(uses),
        }
    }

    /// Replaces bytes by as many others wherever they occur. Returns the number of replacements.
    ///
    /// # Errors
    /// If they do not occur.
    pub(crate) fn overwrite(&mut self, old: &[u8], new: &[u8]) -> Result<usize, ElfError> {
        debug_assert_eq!(old.len(), new.len());
        let places: Vec<_> = memmem::find_iter(&self.bytes, old).collect();
        for at in &places {
            self.bytes[*at..at + new.len()].copy_from_slice(new);
        }
        if places.is_empty() {
            return Err(ElfError::Missing(String::from_utf8_lossy(old).replace('\0', " ")));
        }
        Ok(places.len())
    }

    /// The addresses of `text`, with a NUL behind it, in read-only memory.
    pub(super) fn addresses_of(&self, text: &str) -> Vec<u64> {
        let mut wanted = text.as_bytes().to_vec();
        wanted.push(0);
        let loads = self.segments.iter().filter(|s| s.is_load() && !s.is_writable());
        let mut found = Vec::new();
        for segment in loads {
            let bytes = &self.bytes[segment.file_range()];
            found.extend(memmem::find_iter(bytes, &wanted).map(|at| segment.address + at as u64));
        }
        found
    }

    /// `lea reg, [rip + displacement]`: REX.W (48, 4c), 8d, mod 00 and r/m 101, 32 bits.
    fn move_instructions(
        &mut self,
        moved: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> Result<(), ElfError> {
        let code: Vec<Segment> =
            self.segments.iter().copied().filter(|s| s.is_load() && s.is_executable()).collect();
        for segment in code {
            let range = segment.file_range();
            let places: Vec<_> = memchr::memchr_iter(0x8d, &self.bytes[range.clone()]).collect();
            for at in places {
                let place = range.start + at;
                let is_lea = at > 0
                    && matches!(self.bytes[place - 1], 0x48 | 0x4c)
                    && place + 6 <= range.end
                    && self.bytes[place + 1] & 0xc7 == 5;
                if !is_lea {
                    continue;
                }
                let displacement = i64::from(self.u32(place + 2)? as i32);
                let next = segment.address + at as u64 + 6;
                let Some(new) = next.checked_add_signed(displacement).and_then(&mut *moved) else {
                    continue;
                };
                let displacement = i32::try_from(new as i64 - next as i64).map_err(|_| {
                    ElfError::Malformed("the new text is out of an instruction's reach")
                })?;
                self.bytes[place + 2..place + 6].copy_from_slice(&displacement.to_le_bytes());
            }
        }
        Ok(())
    }

    fn move_relocations(
        &mut self,
        moved: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> Result<(), ElfError> {
        let outside = ElfError::Outside("the table of relocations");
        let dynamic = self.dynamic()?;
        if let (Some(table), Some(size)) = (tag(&dynamic, DT_RELA), tag(&dynamic, DT_RELASZ)) {
            let start = self.offset_of(table).ok_or(outside.clone())?;
            for at in (0..size / RELA).map(|n| start.saturating_add((n * RELA) as usize)) {
                if self.u64(at + 8)? != RELATIVE {
                    continue;
                }
                if let Some(new) = moved(self.u64(at + 16)?) {
                    self.put_u64(at + 16, new);
                }
            }
        }
        let (Some(table), Some(size)) = (tag(&dynamic, DT_RELR), tag(&dynamic, DT_RELRSZ)) else {
            return Ok(());
        };
        // an even word is an address; an odd one a bit map of the 63 words that follow
        let start = self.offset_of(table).ok_or(outside.clone())?;
        let mut next = 0u64;
        for at in (0..size / 8).map(|n| start.saturating_add((n * 8) as usize)) {
            let word = self.u64(at)?;
            let places: Vec<u64> = if word & 1 == 0 {
                next = word.wrapping_add(8);
                vec![word]
            } else {
                let first = next;
                next = next.wrapping_add(63 * 8);
                (0..63u64)
                    .filter(|bit| word >> (bit + 1) & 1 == 1)
                    .map(|bit| first.wrapping_add(bit * 8))
                    .collect()
            };
            for address in places {
                let place = self.offset_of(address).ok_or(outside.clone())?;
                if let Some(new) = moved(self.u64(place)?) {
                    self.put_u64(place, new);
                }
            }
        }
        Ok(())
    }
}
