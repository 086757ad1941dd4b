//! The formats of files that hold files, recognised by their first bytes. Nothing if a file is damaged, or too
//! large to be taken apart.

use std::{
    borrow::Cow,
    io::{Cursor, Read},
};

use super::{
    container::{Container, Member},
    pyc,
};
use crate::limits;

/// Takes a file of that name apart, into no more than `most` bytes if it is compressed.
pub(super) fn open<'a>(name: &str, bytes: &'a [u8], most: usize) -> Option<Container<'a>> {
    match bytes {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => zip(bytes, most),
        [0x1f, 0x8b, ..] => gzip(bytes, most),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let flags = liblzma::stream::CONCATENATED;
            let decoder = liblzma::stream::Stream::new_stream_decoder(limits::DECODER, flags);
            inner(liblzma::bufread::XzDecoder::new_stream(bytes, decoder.ok()?), most)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).ok()?;
            decoder.window_log_max(limits::DECODER.ilog2()).ok()?;
            inner(decoder, most)
        }
        [b'B', b'Z', b'h', ..] => inner(bzip2::bufread::MultiBzDecoder::new(bytes), most),
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', b'\n', ..] => ar(bytes),
        _ if bytes.get(257..262) == Some(b"ustar") => tar(bytes),
        _ if std::path::Path::new(name).extension().is_some_and(|e| e == "pyc") => pyc::open(bytes),
        _ => None,
    }
}

/// Reads all of a stream; nothing if that fails or makes more than `left` bytes, which it takes off.
fn read(stream: impl Read, left: &mut usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(*left as u64 + 1).read_to_end(&mut bytes).ok()?;
    *left = left.checked_sub(bytes.len())?;
    Some(bytes)
}

/// A compressed stream without a name for what is in it.
fn inner<'a>(stream: impl Read, mut most: usize) -> Option<Container<'a>> {
    let content = Cow::Owned(read(stream, &mut most)?);
    let member = Member { name: "content".to_owned(), fields: Vec::new(), content };
    Some(Container { fields: Vec::new(), members: vec![member] })
}

fn gzip(bytes: &[u8], most: usize) -> Option<Container<'_>> {
    let decoder = flate2::bufread::GzDecoder::new(bytes);
    let header = decoder.header()?;
    let text =
        |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let fields = vec![
        ("time", header.mtime().to_string()),
        ("file name", text(header.filename())),
        ("comment", text(header.comment())),
        ("operating system", header.operating_system().to_string()),
    ];
    let container = inner(flate2::bufread::MultiGzDecoder::new(bytes), most)?;
    Some(Container { fields, ..container })
}

fn zip(bytes: &[u8], mut left: usize) -> Option<Container<'_>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut members = Vec::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).ok()?;
        let time = entry.last_modified().map_or_else(|| "none".to_owned(), |t| t.to_string());
        let mode = entry.unix_mode().map_or_else(|| "none".to_owned(), |m| format!("{m:o}"));
        let extra = entry.extra_data().unwrap_or_default();
        let fields = vec![
            ("time", time),
            ("mode", mode),
            ("compression", entry.compression().to_string()),
            ("made by version", format!("{:?}", entry.version_made_by())),
            ("extra fields", extra.iter().map(|byte| format!("{byte:02x}")).collect()),
            ("comment", String::from_utf8_lossy(entry.comment_raw()).into_owned()),
        ];
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let content = Cow::Owned(read(&mut entry, &mut left)?);
        members.push(Member { name, fields, content });
    }
    let comment = String::from_utf8_lossy(archive.comment()).into_owned();
    Some(Container { fields: vec![("comment", comment)], members })
}

fn tar(bytes: &[u8]) -> Option<Container<'_>> {
    let mut archive = tar::Archive::new(bytes);
    let mut members = Vec::new();
    for entry in archive.entries().ok()? {
        let entry = entry.ok()?;
        let text =
            |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let number = |n: std::io::Result<u64>| n.map_or_else(|e| e.to_string(), |n| n.to_string());
        let header = entry.header();
        let fields = vec![
            ("type", format!("{:?}", header.entry_type())),
            ("time", number(header.mtime())),
            ("mode", header.mode().map_or_else(|e| e.to_string(), |m| format!("{m:o}"))),
            ("user", number(header.uid())),
            ("group", number(header.gid())),
            ("user's name", text(header.username_bytes())),
            ("group's name", text(header.groupname_bytes())),
            ("link", text(entry.link_name_bytes().as_deref())),
        ];
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let start = usize::try_from(entry.raw_file_position()).ok()?;
        let size = usize::try_from(header.entry_size().ok()?).ok()?;
        let content = Cow::Borrowed(bytes.get(start..)?.get(..size)?);
        members.push(Member { name, fields, content });
    }
    Some(Container { fields: Vec::new(), members })
}

/// An `ar` archive (ar(5)), of Debian packages and static libraries.
fn ar(bytes: &[u8]) -> Option<Container<'_>> {
    const HEADER: usize = 60;
    let mut members = Vec::new();
    let mut rest = &bytes[8..];
    while !rest.is_empty() {
        let (header, after) = rest.split_at_checked(HEADER)?;
        if header[58..] != *b"`\n" {
            return None;
        }
        let text = |from: usize, to: usize| {
            String::from_utf8_lossy(&header[from..to]).trim_end().to_owned()
        };
        let (content, after) = after.split_at_checked(text(48, 58).parse().ok()?)?;
        let fields = vec![
            ("time", text(16, 28)),
            ("user", text(28, 34)),
            ("group", text(34, 40)),
            ("mode", text(40, 48)),
        ];
        let name = text(0, 16);
        // GNU's tables of symbols and of long names are called `/` and `//`
        let name = match name.strip_suffix('/') {
            Some(short) if !short.is_empty() && short != "/" => short.to_owned(),
            _ => name,
        };
        members.push(Member { name, fields, content: Cow::Borrowed(content) });
        // members begin at even places
        rest = after.get(content.len() % 2..).unwrap_or_default();
    }
    Some(Container { fields: Vec::new(), members })
}
