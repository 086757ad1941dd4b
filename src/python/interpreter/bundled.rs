//! The wheels that `ensurepip` installs (pip, and setuptools before 3.12). Debian's pip reads the
//! host's certificates; here it reads the prefix's. The other files are copied as they are,
//! compressed bytes included, so that the result does not depend on a compressor.

use std::{io::Write as _, path::Path};

use fs_err as fs;
use sha2::{Digest as _, Sha256};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::{
    build::task::TaskError,
    limits,
    python::wheel::record,
    regular::{self, Link},
    unpack::{ArchiveError, zip_file::Zip},
};

/// The folder of the wheels, from the prefix.
const FOLDER: &str = "share/python-wheels";

/// The file in pip's wheel that names the place of the certificates, and the host's place in it.
const CERTIFICATES: &str = "pip/_vendor/certifi/core.py";
const HOST: &str = "'/etc/ssl/certs/ca-certificates.crt'";

/// Makes the bundled pip find the prefix's certificates.
pub(super) fn use_certificates(prefix: &Path, logical: &str) -> Result<(), TaskError> {
    let folder = prefix.join(FOLDER);
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_pip =
            path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("pip-"));
        if is_pip {
            let wheel = edit(&path, &format!("'{logical}/etc/ssl/cert.pem'"))?;
            fs::write(&path, wheel)?;
        }
    }
    Ok(())
}

/// The wheel with `place` (Python source) as the place of the certificates.
fn edit(path: &Path, place: &str) -> Result<Vec<u8>, TaskError> {
    let wrong = |reason: String| TaskError::from(ArchiveError::archive(path, reason));
    // our reader checks it before the library copies from it
    let file = regular::open(path, Link::Refuse)?;
    let checked = Zip::open_wheel(&file)?;
    let read = |name: &str| -> Result<String, TaskError> {
        let entry = checked.find(name).ok_or_else(|| wrong(format!("it has no '{name}'")))?;
        if entry.size > limits::METADATA {
            return Err(wrong(format!("'{name}' has {} bytes", entry.size)));
        }
        let content = checked.read(entry)?.into_owned();
        String::from_utf8(content).map_err(|_| wrong(format!("'{name}' is not UTF-8")))
    };
    let old = read(CERTIFICATES)?;
    if old.matches(HOST).count() != 1 {
        return Err(wrong(format!("'{CERTIFICATES}' does not hold {HOST} once")));
    }
    let new = old.replace(HOST, place);

    let names = checked.entries().iter().map(|entry| entry.name.as_str());
    let record_name = { names }.find(|name| name.ends_with(".dist-info/RECORD"));
    let record_name = record_name.ok_or_else(|| wrong("it has no RECORD".to_owned()))?;
    let mut rows =
        record::parse(read(record_name)?.as_bytes()).map_err(|e| wrong(e.to_string()))?;
    rows.retain(|row| row.path != CERTIFICATES);
    let sum = Sha256::digest(&new).into();
    rows.push(record::Row::of(CERTIFICATES.to_owned(), &sum, new.len() as u64));
    let rows = record::format(&mut rows);

    let failed = |e: zip::result::ZipError| wrong(e.to_string());
    let mut source = ZipArchive::new(file).map_err(failed)?;
    let mut out = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let plain = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    for n in 0..source.len() {
        let entry = source.by_index_raw(n).map_err(failed)?;
        let name = entry.name().map_err(failed)?.into_owned();
        let content = match name.as_str() {
            CERTIFICATES => &new,
            name if name == record_name => &rows,
            _ => {
                out.raw_copy_file(entry).map_err(failed)?;
                continue;
            }
        };
        out.start_file(name, plain).map_err(failed)?;
        out.write_all(content.as_bytes())?;
    }
    Ok(out.finish().map_err(failed)?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel(files: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, text) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn the_certificates_change_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        let core = format!("PLACE = {HOST}\n");
        let rows =
            format!("{CERTIFICATES},sha256=x,1\npip/a.py,sha256=y,2\np.dist-info/RECORD,,\n");
        let files =
            [(CERTIFICATES, core.as_str()), ("pip/a.py", "a = 1\n"), ("p.dist-info/RECORD", &rows)];
        let path = folder.join("pip-1-py3-none-any.whl");
        fs::write(&path, wheel(&files)).unwrap();
        fs::write(folder.join("setuptools-1.whl"), "not touched").unwrap();
        use_certificates(dir.path(), "/clutch/store/x").unwrap();

        let zip = Zip::open_wheel(&fs::File::open(&path).unwrap()).unwrap();
        let text =
            |name| String::from_utf8(zip.read(zip.find(name).unwrap()).unwrap().into_owned());
        let new = "PLACE = '/clutch/store/x/etc/ssl/cert.pem'\n";
        assert_eq!(text(CERTIFICATES).unwrap(), new);
        assert_eq!(text("pip/a.py").unwrap(), "a = 1\n");
        let rows = record::parse(text("p.dist-info/RECORD").unwrap().as_bytes()).unwrap();
        let row = |path: &str| rows.iter().find(|row| row.path == path).unwrap().clone();
        let sum = Sha256::digest(new).into();
        assert_eq!(row(CERTIFICATES), record::Row::of(CERTIFICATES.into(), &sum, new.len() as u64));
        assert_eq!(row("pip/a.py").hash, "sha256=y");

        let error = use_certificates(dir.path(), "/clutch/store/y").unwrap_err().to_string();
        assert!(error.contains("does not hold"), "{error}");
    }
}
