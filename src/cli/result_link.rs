//! Result links: links in the user's folders that lead into the store and keep their targets.

use std::path::Path;

use super::failure::{Failure, Kind, whole_text};
use crate::{store::Store, store_path::StorePath};

/// Creates or replaces a result link.
pub(super) fn make(store: &Store, link: &Path, path: &StorePath) -> Result<(), Failure> {
    // the problem is in the user's folder, not in the store
    store.link_root(link, path).map_err(|error| {
        let (link, error) = (link.display(), whole_text(&error));
        Failure::new(Kind::Failed, format!("cannot create the link '{link}': {error}"))
            .hint("the result is in the store; choose another link with -o LINK")
    })
}
