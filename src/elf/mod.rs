//! Small edits of ELF files (System V ABI, x86-64): another program interpreter, other paths in the text that a
//! library was compiled with. Nothing that is there moves, so that addresses, symbols, debuggers and `strip` keep
//! working. New text goes behind the last byte of a read-only segment, up to the end of its page, or else into a
//! segment of its own at the end of the file. Knows bytes only, no files.

mod image;
pub(crate) mod loader_cache;
mod references;
mod room;
mod table;

pub(crate) use image::{ElfError, Image};

/// True for the first bytes of an ELF file, of any machine.
#[must_use]
pub(crate) fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// The executable with `path` as its program interpreter (what the kernel starts in its place, the
/// dynamic linker), or nothing if the file needs no change: it is static, a library, already
/// has that interpreter, or wants one of another kind (the file name differs: a program for musl).
///
/// # Errors
/// If the file is not a whole ELF file for x86-64, or has no room for the path.
pub(crate) fn set_interpreter(bytes: &[u8], path: &str) -> Result<Option<Vec<u8>>, ElfError> {
    let file_name = |path: &[u8]| path.rsplit(|b| *b == b'/').next().unwrap_or(path).to_vec();
    let image = Image::parse(bytes.to_vec())?;
    let Some(old) = image.interpreter()? else { return Ok(None) };
    if old == path.as_bytes() || file_name(old) != file_name(path.as_bytes()) {
        return Ok(None);
    }
    let mut image = image;
    image.set_interpreter(path)?;
    Ok(Some(image.into_bytes()))
}

#[cfg(test)]
mod tests;
