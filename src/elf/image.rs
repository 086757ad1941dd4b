//! An ELF file in memory: its headers, checked, and the edits that need nothing but them.

use std::ops::Range;

/// Of the file header.
const HEADER: usize = 64;
/// Of one program header.
const PROGRAM_HEADER: usize = 56;
/// Of one section header.
const SECTION_HEADER: usize = 64;

/// Program header types.
pub(super) const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
pub(super) const PT_NOTE: u32 = 4;
pub(super) const PT_GNU_PROPERTY: u32 = 0x6474_e553;

/// The type of a section that has no bytes in the file.
const SHT_NOBITS: u32 = 8;

/// Tags of the dynamic section.
const DT_NULL: u64 = 0;
const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;

/// Why an ELF file cannot be read or edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ElfError {
    /// Another machine, another word size, or not ELF.
    #[error("not an ELF executable or library for x86-64")]
    Kind,
    /// A header points outside the file.
    #[error("{0} lies outside the file")]
    Outside(&'static str),
    /// A header contradicts another or the format.
    #[error("{0}")]
    Malformed(&'static str),
    /// A text that should be replaced does not occur.
    #[error("expected the text '{0}', found none")]
    Missing(String),
    /// A text occurs, but no instruction or relocation that uses it was found.
    #[error("no use of the text '{0}' was found")]
    Unused(String),
    /// A program at a fixed address refers to its texts in ways that are not followed.
    #[error("texts of a program at a fixed address cannot move")]
    FixedAddress,
    /// There is no place for more text.
    #[error(
        "no room for {0} bytes: no read-only segment ends before its page does, and no header can become a new one"
    )]
    NoRoom(usize),
}

/// One entry of the program header table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) file_size: u64,
    pub(super) memory_size: u64,
    pub(super) align: u64,
}

impl Segment {
    pub(super) fn is_load(&self) -> bool {
        self.kind == PT_LOAD
    }

    pub(super) fn is_executable(&self) -> bool {
        self.flags & 1 != 0
    }

    pub(super) fn is_writable(&self) -> bool {
        self.flags & 2 != 0
    }

    /// Its bytes in the file; checked when the image was read.
    pub(super) fn file_range(&self) -> Range<usize> {
        self.offset as usize..(self.offset + self.file_size) as usize
    }
}

/// An ELF file for x86-64 whose header tables are whole.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(super) bytes: Vec<u8>,
    pub(super) segments: Vec<Segment>,
    /// The offset of the program header table.
    table: usize,
}

impl Image {
    /// Reads the headers.
    ///
    /// # Errors
    /// If it is not a whole ELF file for x86-64.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, ElfError> {
        // class 64, little endian, version 1; machine 62 is x86-64; 2 and 3 are EXEC and DYN
        let known = bytes.len() >= HEADER
            && bytes.starts_with(b"\x7fELF\x02\x01\x01")
            && matches!(bytes[16], 2 | 3)
            && bytes[17] == 0
            && bytes[18..20] == [62, 0];
        if !known {
            return Err(ElfError::Kind);
        }
        let mut image = Self { bytes, segments: Vec::new(), table: 0 };
        let count = usize::from(image.u16(56)?);
        if count > 0 && usize::from(image.u16(54)?) != PROGRAM_HEADER {
            return Err(ElfError::Malformed("the program headers are not of 56 bytes"));
        }
        image.table = to_usize(image.u64(32)?, "the program header table")?;
        for n in 0..count {
            let segment = image.read_segment(n)?;
            image.segments.push(segment);
        }
        // each is searched: thousands that share all bytes of a file would take forever
        let loads = image.segments.iter().filter(|segment| segment.is_load());
        let loaded = loads.fold(0u64, |sum, segment| sum.saturating_add(segment.file_size));
        if loaded > 4 * image.bytes.len() as u64 {
            return Err(ElfError::Malformed("its segments share too much of the file"));
        }
        image.sections()?;
        Ok(image)
    }

    fn read_segment(&self, n: usize) -> Result<Segment, ElfError> {
        let at = self.table.saturating_add(n * PROGRAM_HEADER);
        let segment = Segment {
            kind: self.u32(at)?,
            flags: self.u32(at + 4)?,
            offset: self.u64(at + 8)?,
            address: self.u64(at + 16)?,
            file_size: self.u64(at + 32)?,
            memory_size: self.u64(at + 40)?,
            align: self.u64(at + 48)?,
        };
        let end = segment.offset.checked_add(segment.file_size);
        if end.is_none_or(|end| end > self.bytes.len() as u64) {
            return Err(ElfError::Outside("a segment"));
        }
        // half the address space is the kernel's; so sums of two such numbers do not overflow
        if segment.address >= 1 << 62 || segment.memory_size >= 1 << 62 {
            return Err(ElfError::Malformed("a segment's address is not a user's"));
        }
        if segment.is_load() && segment.memory_size < segment.file_size {
            return Err(ElfError::Malformed("a segment is smaller in memory than in the file"));
        }
        Ok(segment)
    }

    /// The edited file.
    #[must_use]
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// True for an executable or library at a fixed address.
    pub(super) fn is_at_fixed_address(&self) -> bool {
        self.bytes[16] == 2
    }

    /// The program interpreter, without its NUL; nothing in a library or a static program.
    ///
    /// # Errors
    /// If there are two, or it is not UTF-8.
    pub(crate) fn interpreter(&self) -> Result<Option<&[u8]>, ElfError> {
        let Some(n) = self.interpreter_segment()? else { return Ok(None) };
        let text = &self.bytes[self.segments[n].file_range()];
        match text.split_last() {
            Some((0, path)) if !path.contains(&0) => Ok(Some(path)),
            // padded, as after an earlier edit by another tool
            Some((0, path)) => Ok(path.split(|b| *b == 0).next()),
            _ => Err(ElfError::Malformed("the program interpreter does not end with a NUL")),
        }
    }

    fn interpreter_segment(&self) -> Result<Option<usize>, ElfError> {
        let mut found = self.segments.iter().enumerate().filter(|(_, s)| s.kind == PT_INTERP);
        let first = found.next().map(|(n, _)| n);
        if found.next().is_some() {
            return Err(ElfError::Malformed("it has two program interpreters"));
        }
        Ok(first)
    }

    /// Changes the program interpreter of a program that has one. The section `.interp` follows.
    ///
    /// # Errors
    /// If there is none, or no room for the text.
    pub(crate) fn set_interpreter(&mut self, path: &str) -> Result<(), ElfError> {
        let n = self.interpreter_segment()?;
        let n = n.ok_or(ElfError::Malformed("it has no program interpreter to change"))?;
        let old = self.segments[n];
        let section = self.sections()?.into_iter().find(|at| {
            self.u64(at + 24) == Ok(old.offset) && self.u64(at + 32) == Ok(old.file_size)
        });
        self.bytes[old.file_range()].fill(0);
        let mut text = path.as_bytes().to_vec();
        text.push(0);
        let size = text.len() as u64;
        let (offset, address) = if size <= old.file_size {
            self.bytes[old.file_range()][..text.len()].copy_from_slice(&text);
            (old.offset, old.address)
        } else {
            self.add_text(&text)?
        };
        // a new segment may have changed the order of the table
        let n = self.interpreter_segment()?.unwrap_or(n);
        let new =
            Segment { offset, address, file_size: size, memory_size: size, ..self.segments[n] };
        self.set_segment(n, new);
        if let Some(at) = section {
            self.put_u64(at + 16, address);
            self.put_u64(at + 24, offset);
            self.put_u64(at + 32, size);
        }
        Ok(())
    }

    /// The name by which other files ask for this library.
    ///
    /// # Errors
    /// If the dynamic section is damaged.
    pub(crate) fn soname(&self) -> Result<Option<&str>, ElfError> {
        let dynamic = self.dynamic()?;
        let Some(name) = tag(&dynamic, DT_SONAME) else { return Ok(None) };
        let table =
            tag(&dynamic, DT_STRTAB).ok_or(ElfError::Malformed("it has no table of names"))?;
        let start = table.checked_add(name).and_then(|address| self.offset_of(address));
        let rest = start.and_then(|start| self.bytes.get(start..));
        let rest = rest.ok_or(ElfError::Outside("the library's name"))?;
        let text = rest.split(|b| *b == 0).next().unwrap_or_default();
        let text = std::str::from_utf8(text).ok().filter(|t| !t.is_empty() && t.len() < 256);
        text.map(Some).ok_or(ElfError::Malformed("the library's name is not UTF-8"))
    }

    /// The dynamic section: tags and values.
    pub(super) fn dynamic(&self) -> Result<Vec<(u64, u64)>, ElfError> {
        let Some(segment) = self.segments.iter().find(|s| s.kind == PT_DYNAMIC) else {
            return Ok(Vec::new());
        };
        let range = segment.file_range();
        let mut found = Vec::new();
        for at in range.clone().step_by(16).filter(|at| at + 16 <= range.end) {
            let (tag, value) = (self.u64(at)?, self.u64(at + 8)?);
            if tag == DT_NULL {
                break;
            }
            found.push((tag, value));
        }
        Ok(found)
    }

    /// The offset of each section's header; checked.
    pub(super) fn sections(&self) -> Result<Vec<usize>, ElfError> {
        let (table, count) = (self.u64(40)?, usize::from(self.u16(60)?));
        if count == 0 {
            return Ok(Vec::new());
        }
        if usize::from(self.u16(58)?) != SECTION_HEADER {
            return Err(ElfError::Malformed("the section headers are not of 64 bytes"));
        }
        let table = to_usize(table, "the section header table")?;
        if table.checked_add(count * SECTION_HEADER).is_none_or(|end| end > self.bytes.len()) {
            return Err(ElfError::Outside("the section header table"));
        }
        Ok((0..count).map(|n| table + n * SECTION_HEADER).collect())
    }

    /// The parts of the file that are in use: both tables, every section, every segment.
    pub(super) fn extents(&self) -> Result<Vec<Range<u64>>, ElfError> {
        let sections = self.sections()?;
        let tables = [
            (self.table as u64, (self.segments.len() * PROGRAM_HEADER) as u64),
            (self.u64(40)?, (sections.len() * SECTION_HEADER) as u64),
        ];
        let mut found: Vec<_> = tables.iter().map(|(at, size)| *at..at + size).collect();
        for at in sections {
            if self.u32(at + 4)? != SHT_NOBITS {
                let (offset, size) = (self.u64(at + 24)?, self.u64(at + 32)?);
                found.push(offset..offset.saturating_add(size));
            }
        }
        found.extend(self.segments.iter().map(|s| s.offset..s.offset + s.file_size));
        found.retain(|extent| !extent.is_empty());
        Ok(found)
    }

    /// The offset in the file of the byte at that address.
    pub(super) fn offset_of(&self, address: u64) -> Option<usize> {
        let holds =
            |s: &&Segment| s.is_load() && address.checked_sub(s.address) < Some(s.file_size);
        let segment = self.segments.iter().filter(|s| s.address <= address).find(holds)?;
        Some((segment.offset + (address - segment.address)) as usize)
    }

    /// Writes an entry of the program header table.
    pub(super) fn set_segment(&mut self, n: usize, segment: Segment) {
        let at = self.table + n * PROGRAM_HEADER;
        self.bytes[at..at + 4].copy_from_slice(&segment.kind.to_le_bytes());
        self.bytes[at + 4..at + 8].copy_from_slice(&segment.flags.to_le_bytes());
        let words = [
            segment.offset,
            segment.address,
            // the physical address, which has no meaning here and is the same by custom
            segment.address,
            segment.file_size,
            segment.memory_size,
            segment.align,
        ];
        for (k, word) in words.into_iter().enumerate() {
            self.put_u64(at + 8 + 8 * k, word);
        }
        self.segments[n] = segment;
    }

    pub(super) fn u16(&self, at: usize) -> Result<u16, ElfError> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&self, at: usize) -> Result<u32, ElfError> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&self, at: usize) -> Result<u64, ElfError> {
        self.array(at).map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], ElfError> {
        let bytes = self.bytes.get(at..).and_then(<[u8]>::first_chunk);
        bytes.copied().ok_or(ElfError::Outside("a header"))
    }

    /// The place was read before, so it is in the file.
    pub(super) fn put_u64(&mut self, at: usize, value: u64) {
        self.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
}

/// The value of the first entry with that tag.
pub(super) fn tag(dynamic: &[(u64, u64)], wanted: u64) -> Option<u64> {
    dynamic.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value)
}

fn to_usize(value: u64, what: &'static str) -> Result<usize, ElfError> {
    usize::try_from(value).ok().filter(|v| *v < 1 << 62).ok_or(ElfError::Outside(what))
}
