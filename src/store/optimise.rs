//! Sharing what is in the store already: for a store that was made where files could not be linked, or
//! before they had an equal.

use std::{collections::BTreeMap, path::Path};

use rayon::prelude::*;

use super::{
    Store, StoreError,
    pool::{SMALLEST, Shareable},
    seal,
};
use crate::{
    archive::{self, Kind, Listing},
    store_path::StorePath,
};

impl Store {
    /// Shares the equal files of these paths with each other and with what is shared already. Gives
    /// the bytes that this saves. `progress` is told the size of each path that is done; any thread
    /// may call it.
    ///
    /// # Errors
    /// Where a path cannot be read or the store cannot be written.
    pub fn optimise(
        &self,
        paths: &[StorePath],
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<u64, StoreError> {
        self.need_writable()?;
        self.keep(paths)?;
        let infos = paths.iter().filter_map(|path| self.info(path).transpose());
        let infos = infos.collect::<Result<Vec<_>, _>>()?;
        let saved = infos.par_iter().map(|info| {
            let saved = self.optimise_one(&info.path)?;
            progress(info.size);
            Ok::<u64, StoreError>(saved)
        });
        saved.sum()
    }

    fn optimise_one(&self, path: &StorePath) -> Result<u64, StoreError> {
        let listing = Listing::read(&self.real(path))?;
        let nodes = listing.nodes();
        let mut folders: BTreeMap<&Path, Vec<Shareable>> = BTreeMap::new();
        let mut buffer = Vec::new();
        for node in nodes.iter().filter(|node| node.kind == Kind::File) {
            if node.path.symlink_metadata()?.len() < SMALLEST {
                continue;
            }
            let Some(leaf) = archive::leaf(node, &mut buffer)? else { continue };
            let (digest, executable) = (leaf.digest, leaf.executable);
            let shareable = Shareable { file: node.path.clone(), digest, executable };
            if !self.pool.has(&shareable) {
                folders.entry(&nodes[node.parent].path).or_default().push(shareable);
            }
        }
        let mut saved = 0;
        for (folder, files) in folders {
            // a folder can only be changed while it is writable, as the store's own always is
            let sealed = nodes[0].kind == Kind::Directory;
            if sealed {
                seal::seal_folder(folder, 0o755)?;
            }
            for file in files {
                let size = file.file.symlink_metadata()?.len();
                // another thread may have put an equal one in just now
                let pool = &self.pool;
                let mut shared = pool.share(&file, &mut buffer);
                shared = shared || (!pool.offer(&file) && pool.share(&file, &mut buffer));
                saved += if shared { size } else { 0 };
            }
            if sealed {
                seal::seal_folder(folder, 0o555)?;
            }
        }
        Ok(saved)
    }
}
