//! Result links: links of the user that lead into the store and keep what they lead to.

use std::path::Path;

use super::failure::{Failure, Kind, whole_text};
use crate::{store::Store, store_path::StorePath};

/// Makes a result link, or has one lead to that path.
pub(super) fn make(store: &Store, link: &Path, path: &StorePath) -> Result<(), Failure> {
    // what is wrong is wrong with the user's folder, not with the store
    store.link_root(link, path).map_err(|error| {
        let (link, error) = (link.display(), whole_text(&error));
        Failure::new(Kind::Failed, format!("cannot make the link '{link}': {error}"))
            .hint("choose another place with -o LINK; the result is in the store")
    })
}
