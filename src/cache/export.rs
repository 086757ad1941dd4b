//! Writes a closure as one file. The same closure always gives the same bytes.

use std::io::{BufWriter, Seek, Write};

use super::{
    TransferError,
    gzip::Members,
    header::{self, Exported, Header},
};
use crate::{
    closure,
    store::Store,
    store_path::StorePath,
    tree::{self, Listing},
};

/// Writes these paths and all that they need to `out`, which is empty. `progress` gets the bytes
/// done and the total.
///
/// # Errors
/// If a path is not valid or cannot be read, or `out` fails.
pub fn export(
    store: &Store,
    paths: &[StorePath],
    out: impl Write + Seek,
    progress: &dyn Fn(u64, u64),
) -> Result<(), TransferError> {
    store.keep(paths)?;
    let infos = closure::requisites(store, paths)?;
    let mut exported = Vec::with_capacity(infos.len());
    let mut listings = Vec::with_capacity(infos.len());
    for info in infos {
        let listing = Listing::read(&store.real(&info.path))?;
        let entries = listing.nodes().len() as u64;
        exported.push(Exported::of(info, entries));
        listings.push(listing);
    }
    let header = Header { roots: paths.iter().cloned().collect(), paths: exported };
    let all: u64 = header.paths.iter().map(|exported| exported.announced.size).sum();

    let mut members = Members::new(BufWriter::with_capacity(1 << 20, out));
    tree::pack_bytes(header::ENTRY, &header.to_bytes()?, &mut members)?;
    members.end()?;
    let mut done = 0;
    for (exported, listing) in header.paths.iter().zip(&listings) {
        tree::pack(listing, &entry_name(&exported.path), &mut members)?;
        members.end()?;
        done += exported.announced.size;
        progress(done, all);
    }
    tree::pack_end(&mut members)?;
    members.end()?;
    members.finish()?;
    Ok(())
}

/// The common prefix of the names of a path's entries.
pub(super) fn entry_name(path: &StorePath) -> String {
    format!("store/{}", path.base())
}
