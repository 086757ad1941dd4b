//! Info that is added to a path after its insertion, and the effect of another tree on it.

use super::*;

impl Space {
    /// Puts a signature of what is known of a path into the index.
    fn sign(&self, path: &StorePath) -> PathInfo {
        let mut info = self.store.info(path).unwrap().unwrap();
        info.signatures.insert(Signature { key: "key".to_owned(), bytes: [7; 64] });
        self.store.index.write(|writer| writer.change(&info)).unwrap();
        self.store.info(path).unwrap().unwrap()
    }

    fn replace(&self, path: &StorePath, text: &str) -> PathInfo {
        let scratch = self.store.scratch().unwrap();
        let source = scratch.path().join("file");
        fs_err::write(&source, text).unwrap();
        self.store.replace(vec![insertion(path, source, &[])]).unwrap();
        self.store.info(path).unwrap().unwrap()
    }
}

#[test]
fn a_nar_hash_is_computed_once() {
    let space = space();
    let path = path(1, "tree");
    assert_eq!(space.file(&path, "text", &[]).nar, None);
    let nar = space.store.nar(&path).unwrap();
    // `nix-archive-1`, `(`, `type`, `regular`, `contents`, the content, `)`: each padded behind its length
    assert_eq!(nar.size, 120);
    assert_eq!(space.store.info(&path).unwrap().unwrap().nar, Some(nar));
    // what is known is not read again
    fs_err::remove_file(space.store.real(&path)).unwrap();
    assert_eq!(space.store.nar(&path).unwrap(), nar);
}

#[test]
fn signatures_and_the_nar_hash_end_with_the_tree() {
    let space = space();
    let path = path(1, "tree");
    space.file(&path, "text", &[]);
    let nar = space.store.nar(&path).unwrap();
    let signed = space.sign(&path);
    assert_eq!((signed.signatures.len(), signed.nar), (1, Some(nar)));
    assert_eq!(signed.to_string().parse::<PathInfo>().unwrap().signatures, signed.signatures);
    // a repair with the same tree keeps them
    assert_eq!(space.replace(&path, "text"), signed);
    let other = space.replace(&path, "another text");
    assert!(other.signatures.is_empty());
    assert_eq!(other.nar, None);
    assert_ne!(space.store.nar(&path).unwrap(), nar);
}

#[test]
fn an_index_that_is_made_anew_keeps_signatures() {
    let space = space();
    let path = path(1, "tree");
    space.file(&path, "text", &[]);
    let signed = space.sign(&path);
    let root = space.store.root().to_owned();
    let Space { _dir, store } = space;
    drop(store);
    // a table that is missing makes it anew
    let index = rusqlite::Connection::open(root.join("var/index.sqlite")).unwrap();
    index.execute_batch("DROP TABLE refs").unwrap();
    index.close().unwrap();
    let (store, _) = Store::rebuild(&root).unwrap();
    assert_eq!(store.info(&path).unwrap().unwrap(), signed);
}
