//! Room for text in an ELF file, such that nothing has to move.

use super::image::{ElfError, Image, PT_GNU_PROPERTY, PT_LOAD, PT_NOTE, Segment};

/// The smallest page of x86-64: what the kernel maps at once.
const PAGE: u64 = 4096;

/// Readable, not writable, not executable.
const READ: u32 = 4;

impl Image {
    /// Adds bytes that are mapped read-only: their place in the file and in memory.
    pub(super) fn add_text(&mut self, text: &[u8]) -> Result<(u64, u64), ElfError> {
        let size = text.len() as u64;
        let n = match self.loads_with_room(size)? {
            Some(n) => n,
            None => self.new_segment(size)?,
        };
        let segment = self.segments[n];
        let offset = segment.offset + segment.file_size;
        let address = segment.address + segment.file_size;
        let range = offset as usize..(offset + size) as usize;
        if range.end > self.bytes.len() {
            self.bytes.resize(range.end, 0);
        }
        self.bytes[range].copy_from_slice(text);
        let file_size = segment.file_size + size;
        self.set_segment(n, Segment { file_size, memory_size: file_size, ..segment });
        Ok((offset, address))
    }

    /// The first read-only segment that ends early enough before its page does. What follows is
    /// mapped anyway, is zero and belongs to nothing.
    fn loads_with_room(&self, size: u64) -> Result<Option<usize>, ElfError> {
        let extents = self.extents()?;
        let fits = |segment: &Segment| {
            let (start, address) =
                (segment.offset + segment.file_size, segment.address + segment.file_size);
            let end = start + size;
            let in_page = address % PAGE != 0 && address % PAGE + size <= PAGE;
            let free_in_file = extents.iter().all(|e| e.end <= start || e.start >= end);
            let free_in_memory = self
                .segments
                .iter()
                .filter(|s| s.is_load())
                .all(|s| s.address + s.memory_size <= address || s.address >= address + size);
            // the end of the file may grow
            let old = start as usize..(end as usize).min(self.bytes.len());
            let zero = self.bytes.get(old).is_some_and(|bytes| bytes.iter().all(|b| *b == 0));
            let congruent = segment.offset % PAGE == segment.address % PAGE;
            in_page && free_in_file && free_in_memory && zero && congruent
        };
        Ok(self.segments.iter().position(|s| {
            s.is_load() && !s.is_writable() && s.file_size == s.memory_size && fits(s)
        }))
    }

    /// Makes the header of a note into one of a new, still empty segment at the end of the file, so
    /// that the table need not grow. The property note has a second header for its bytes; any other
    /// note is still found by its section.
    fn new_segment(&mut self, size: u64) -> Result<usize, ElfError> {
        let find = |kind| self.segments.iter().position(|s| s.kind == kind);
        let note = find(PT_GNU_PROPERTY).or_else(|| find(PT_NOTE));
        let loads = || self.segments.iter().enumerate().filter(|(_, s)| s.is_load());
        let last = loads().map(|(n, _)| n).next_back();
        let top = loads().map(|(_, s)| s.address + s.memory_size).max();
        let (Some(note), Some(last), Some(top)) = (note, last, top) else {
            return Err(ElfError::NoRoom(size as usize));
        };
        if size >= PAGE {
            return Err(ElfError::NoRoom(size as usize));
        }
        // 16 bytes apart from what the file ends with
        let offset = (self.bytes.len() as u64).next_multiple_of(16);
        let address = top.next_multiple_of(PAGE) + offset % PAGE;
        // segments in memory stand in ascending order: behind the last one of the table
        let n = note.max(last);
        for k in note..n {
            self.set_segment(k, self.segments[k + 1]);
        }
        let new = Segment {
            kind: PT_LOAD,
            flags: READ,
            offset,
            address,
            file_size: 0,
            memory_size: 0,
            align: PAGE,
        };
        self.set_segment(n, new);
        Ok(n)
    }
}
