//! The evaluation cache: keeps the result of an evaluation with every question that it asked the host. A
//! cached result is valid if the expression and the settings are the same and every question has the same
//! answer as before. Anything else, including a damaged record, is a miss (docs/formats.md, "Evaluations").

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use bincode::{Decode, Encode};

use super::{
    EvalHost, Recording, Target,
    recording::{Answer, Message, Question, ask},
};
use crate::{
    codec::{self, RecordKind},
    files,
    hash::{Purpose, encode_nix32},
    store::{Store, StoreError},
    store_path::StorePath,
};

const KIND: RecordKind = RecordKind { magic: *b"clutchev", version: 2, what: "an evaluation" };

/// The key of an evaluation in the cache: its expression and settings.
#[derive(Clone, Debug)]
pub struct Key(blake3::Hasher);

impl Default for Key {
    fn default() -> Self {
        Self(Purpose::Evaluation.hasher())
    }
}

impl Key {
    /// Adds a list of texts. The same lists in the same order give the same key.
    pub fn add<T: AsRef<[u8]>>(&mut self, texts: impl IntoIterator<Item = T>) -> &mut Self {
        let mut number: u64 = 0;
        for text in texts {
            let text = text.as_ref();
            self.0.update(&(text.len() as u64).to_le_bytes()).update(text);
            number += 1;
        }
        // a length that no text can have ends the list
        self.0.update(&u64::MAX.to_le_bytes()).update(&number.to_le_bytes());
        self
    }

    fn file(&self, store: &Store) -> PathBuf {
        store.evaluations().join(encode_nix32(&self.0.finalize().as_bytes()[..20]))
    }
}

#[derive(Encode, Decode)]
struct Record {
    answers: Vec<(Question, Answer)>,
    messages: Vec<Message>,
    targets: Vec<TargetRecord>,
    /// The store paths that it made and was allowed to read.
    opened: Vec<String>,
}

#[derive(Encode, Decode)]
struct TargetRecord {
    derivation: String,
    outputs: Vec<String>,
    main_program: Option<String>,
    environment: Option<String>,
    name: String,
}

/// The cached result, if it is still valid. Its derivations are valid and protected from collection.
/// Repeats the messages of the evaluation.
///
/// # Errors
/// The store cannot be read.
pub fn find(
    store: &Store,
    host: &EvalHost<'_>,
    key: &Key,
) -> Result<Option<Vec<Target>>, StoreError> {
    let Some(record) = read(store, key) else { return Ok(None) };
    let Some(targets) = record.targets.iter().map(TargetRecord::target).collect::<Option<_>>()
    else {
        return Ok(None);
    };
    let targets: Vec<Target> = targets;
    // files in the store count only if their path is valid
    let mut needed: BTreeSet<StorePath> = targets.iter().map(|t| t.derivation.clone()).collect();
    needed.extend(record.answers.iter().filter_map(|(question, _)| question.in_store()));
    let opened: Option<BTreeSet<StorePath>> =
        record.opened.iter().map(|base| StorePath::from_base(base).ok()).collect();
    let Some(opened) = opened else { return Ok(None) };
    if store.valid(&needed)?.len() < needed.len() {
        return Ok(None);
    }
    let before = std::mem::replace(&mut *host.access.opened(), opened);
    host.access.opened().extend(before.iter().cloned());
    let same = record.answers.iter().all(|(question, answer)| ask(host, question) == *answer);
    *host.access.opened() = before;
    if !same {
        return Ok(None);
    }
    for (text, warning) in &record.messages {
        host.realiser.message(text, *warning);
    }
    Ok(Some(targets))
}

/// Saves a result for [`find`], unless the evaluation cannot be repeated. The derivations must be in the
/// store.
///
/// # Errors
/// The record cannot be written.
pub fn save(
    store: &Store,
    recording: Recording<'_>,
    key: &Key,
    targets: &[Target],
) -> io::Result<()> {
    let opened = recording.host().access.opened().clone();
    let Some(answers) = recording.into_answers() else { return Ok(()) };
    let targets = targets.iter().map(TargetRecord::of).collect();
    let asked: BTreeSet<StorePath> =
        answers.answers.iter().filter_map(|(question, _)| question.in_store()).collect();
    let opened = opened.intersection(&asked).map(|path| path.base().to_owned()).collect();
    let record = Record { answers: answers.answers, messages: answers.messages, targets, opened };
    // not worth an error: paths that are not UTF-8, or a record too large to read
    let Ok(bytes) = codec::seal(KIND, &record) else { return Ok(()) };
    let folder = store.evaluations();
    fs_err::create_dir_all(&folder)?;
    let file = tempfile::NamedTempFile::new_in(&folder)?;
    fs_err::write(file.path(), bytes)?;
    file.persist(key.file(store)).map_err(|e| e.error)?;
    Ok(())
}

/// Removes records that name a derivation that is no longer valid. Leaves files that cannot be removed.
///
/// # Errors
/// The store cannot be read.
pub fn sweep(store: &Store) -> Result<(), StoreError> {
    let entries = match fs_err::read_dir(store.evaluations()) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let path = entry?.path();
        if !is_record(&path) {
            continue;
        }
        let record: Option<Record> =
            files::read_regular(&path).ok().and_then(|bytes| codec::unseal(KIND, &bytes));
        let targets: Option<Vec<Target>> =
            record.and_then(|r| r.targets.iter().map(TargetRecord::target).collect());
        let paths = targets.iter().flatten().map(|target| &target.derivation);
        let whole = match &targets {
            Some(targets) => store.glimpse_valid(paths)?.len() == targets.len(),
            None => false,
        };
        if !whole {
            let _ = fs_err::remove_file(&path);
        }
    }
    Ok(())
}

fn read(store: &Store, key: &Key) -> Option<Record> {
    codec::unseal(KIND, &files::read_regular(&key.file(store)).ok()?)
}

/// True if a file has the name of a record or of an unfinished one.
fn is_record(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let is_digest = name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_digest || name.starts_with(".tmp")
}

impl Question {
    /// The store path in question.
    fn in_store(&self) -> Option<StorePath> {
        let path = match self {
            Self::File(path)
            | Self::Folder(path)
            | Self::Type(path)
            | Self::Link(path)
            | Self::Resolved(path)
            | Self::StorePath(path) => path,
            Self::Tree(tree) => tree.path(),
            Self::Variable(_) | Self::Home => return None,
        };
        Some(StorePath::split(path.to_str()?).ok()?.0)
    }
}

impl TargetRecord {
    fn of(target: &Target) -> Self {
        Self {
            derivation: target.derivation.base().to_owned(),
            outputs: target.outputs.iter().cloned().collect(),
            main_program: target.main_program.clone(),
            environment: target.environment.as_ref().map(|path| path.base().to_owned()),
            name: target.name.clone(),
        }
    }

    fn target(&self) -> Option<Target> {
        let environment = self.environment.as_deref().map(StorePath::from_base);
        Some(Target {
            derivation: StorePath::from_base(&self.derivation).ok()?,
            outputs: self.outputs.iter().cloned().collect(),
            main_program: self.main_program.clone(),
            environment: environment.transpose().ok()?,
            name: self.name.clone(),
        })
    }
}
