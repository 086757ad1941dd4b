//! Records every question of an evaluation and its answer. If all answers are the same later, so is the
//! result. [`Recording`] sits between the language and the host, so every answer passes through it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bincode::{Decode, Encode};
use clutch_expr::host::{
    AddPath, DerivationPaths, DerivationRequest, FetchRequest, FetchValue, Fetched, FileType,
    Filter, Host, HostResult, Imported, Reference,
};
use rustc_hash::FxHashMap;

use super::EvalHost;

/// A question whose answer may change. Settings such as the search path and the platform are known before
/// the evaluation and are not questions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub(super) enum Question {
    /// The bytes of a file.
    File(PathBuf),
    /// The names and kinds in a folder.
    Folder(PathBuf),
    /// The kind of file at a path.
    Type(PathBuf),
    /// The target of a link.
    Link(PathBuf),
    /// A path with its links followed.
    Resolved(PathBuf),
    /// The store path of a tree.
    Tree(Tree),
    /// The store path that contains a path.
    StorePath(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// The home folder.
    Home,
}

/// A tree that is copied to the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub(super) struct Tree {
    path: PathBuf,
    name: String,
    recursive: bool,
    sha256: Option<String>,
    follow: bool,
    /// The entries that the filter left out, if there was a filter.
    left_out: Option<BTreeSet<PathBuf>>,
}

impl Tree {
    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }
}

/// The digest of an answer, refusals included.
pub(super) type Answer = [u8; 32];

/// A message, and true if it is a warning.
pub(super) type Message = (String, bool);

/// All questions and messages of an evaluation.
#[derive(Default)]
pub(super) struct Answers {
    /// Each question once, in order.
    pub(super) answers: Vec<(Question, Answer)>,
    pub(super) messages: Vec<Message>,
    known: FxHashMap<Question, Answer>,
    /// True if an answer cannot be repeated: the clock, or a file that changed while it was read.
    unsteady: bool,
}

/// A host that records its answers.
pub struct Recording<'a> {
    host: &'a EvalHost<'a>,
    answers: Mutex<Answers>,
}

impl<'a> Recording<'a> {
    /// Starts recording.
    #[must_use]
    pub fn new(host: &'a EvalHost<'a>) -> Self {
        Self { host, answers: Mutex::default() }
    }

    /// The recorded host.
    pub(super) fn host(&self) -> &EvalHost<'_> {
        self.host
    }

    /// The record; `None` if an answer cannot be repeated.
    pub(super) fn into_answers(self) -> Option<Answers> {
        let answers = self.answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        (!answers.unsteady).then_some(answers)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, question: Question, answer: Answer) {
        let mut answers = self.answers();
        if let Some(before) = answers.known.insert(question.clone(), answer) {
            answers.unsteady |= before != answer;
        } else {
            answers.answers.push((question, answer));
        }
    }
}

/// Asks a question again.
pub(super) fn ask(host: &EvalHost<'_>, question: &Question) -> Answer {
    match question {
        Question::File(path) => {
            let mut digest = FileDigest::default();
            let result = host.stream_file(path, &mut |piece| digest.take(piece));
            digest.answer(&result)
        }
        Question::Folder(path) => digest(&host.read_dir(path)),
        Question::Type(path) => digest(&host.file_type(path)),
        Question::Link(path) => digest(&host.read_link(path)),
        Question::Resolved(path) => digest(&Host::resolve(host, path)),
        Question::StorePath(path) => digest(&host.store_path(path)),
        Question::Variable(name) => digest(&Ok(host.variable(name))),
        Question::Home => digest(&Ok(host.home())),
        Question::Tree(tree) => {
            let Tree { path, name, recursive, sha256, follow, left_out } = tree.clone();
            let request = AddPath { path, name, recursive, sha256, follow };
            match left_out {
                None => digest(&host.add_path(&request, None)),
                Some(left_out) => {
                    let mut filter = |path: &Path, _| Ok(!left_out.contains(path));
                    filtered(host, &request, &mut filter).1
                }
            }
        }
    }
}

/// The store path of a filtered tree. The answer covers that path and every call of the filter.
fn filtered(
    host: &EvalHost<'_>,
    request: &AddPath,
    filter: &mut Filter<'_>,
) -> (HostResult<String>, Answer) {
    let mut asked = blake3::Hasher::new();
    let found = host.add_path(
        request,
        Some(&mut |path: &Path, kind: FileType| {
            feed(&mut asked, path.as_os_str().as_encoded_bytes());
            feed(&mut asked, kind.name().as_bytes());
            filter(path, kind)
        }),
    );
    asked.update(&digest(&found));
    (found, *asked.finalize().as_bytes())
}

/// A value that can be an answer: different answers give different bytes.
trait Feed {
    fn feed(&self, hasher: &mut blake3::Hasher);
}

fn feed(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
}

fn digest<T: Feed>(found: &HostResult<T>) -> Answer {
    let mut hasher = blake3::Hasher::new();
    match found {
        Ok(answer) => {
            hasher.update(b"+");
            answer.feed(&mut hasher);
        }
        Err(refused) => feed(hasher.update(b"-"), refused.text().as_bytes()),
    }
    *hasher.finalize().as_bytes()
}

/// The answer to a question for a file's bytes, read piece by piece.
#[derive(Default)]
struct FileDigest(blake3::Hasher);

impl FileDigest {
    /// Adds bytes.
    fn take(&mut self, piece: &[u8]) -> bool {
        self.0.update(piece);
        true
    }

    fn answer<T>(&self, result: &HostResult<T>) -> Answer {
        // hash twice, so that no content gives the digest of an error
        let bytes = result.as_ref().map(|_| self.0.finalize().as_bytes().to_vec());
        digest(&bytes.map_err(Clone::clone))
    }
}

impl Feed for Vec<u8> {
    fn feed(&self, hasher: &mut blake3::Hasher) {
        feed(hasher, self);
    }
}

impl Feed for String {
    fn feed(&self, hasher: &mut blake3::Hasher) {
        feed(hasher, self.as_bytes());
    }
}

impl Feed for PathBuf {
    fn feed(&self, hasher: &mut blake3::Hasher) {
        feed(hasher, self.as_os_str().as_encoded_bytes());
    }
}

impl Feed for FileType {
    fn feed(&self, hasher: &mut blake3::Hasher) {
        feed(hasher, self.name().as_bytes());
    }
}

impl<T: Feed> Feed for Option<T> {
    fn feed(&self, hasher: &mut blake3::Hasher) {
        hasher.update(if self.is_some() { b"+" } else { b"-" });
        if let Some(value) = self {
            value.feed(hasher);
        }
    }
}

impl Feed for Vec<(Vec<u8>, FileType)> {
    fn feed(&self, hasher: &mut blake3::Hasher) {
        // a folder lists its entries in any order
        let mut entries: Vec<_> = self.iter().map(|(name, kind)| (name, kind.name())).collect();
        entries.sort_unstable();
        for (name, kind) in entries {
            feed(hasher, name);
            feed(hasher, kind.as_bytes());
        }
    }
}

impl Host for Recording<'_> {
    fn read_file(&self, path: &Path, most: u64) -> HostResult<Vec<u8>> {
        let found = self.host.read_file(path, most);
        let mut digest = FileDigest::default();
        if let Ok(bytes) = &found {
            digest.take(bytes);
        }
        self.note(Question::File(path.to_owned()), digest.answer(&found));
        found
    }

    fn stream_file(&self, path: &Path, take: &mut dyn FnMut(&[u8]) -> bool) -> HostResult<()> {
        let mut digest = FileDigest::default();
        let found = self.host.stream_file(path, &mut |piece| {
            digest.take(piece);
            take(piece)
        });
        self.note(Question::File(path.to_owned()), digest.answer(&found));
        found
    }

    fn read_link(&self, path: &Path) -> HostResult<Option<PathBuf>> {
        let found = self.host.read_link(path);
        self.note(Question::Link(path.to_owned()), digest(&found));
        found
    }

    fn read_dir(&self, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        let found = self.host.read_dir(path);
        self.note(Question::Folder(path.to_owned()), digest(&found));
        found
    }

    fn file_type(&self, path: &Path) -> HostResult<Option<FileType>> {
        let found = self.host.file_type(path);
        self.note(Question::Type(path.to_owned()), digest(&found));
        found
    }

    fn resolve(&self, path: &Path) -> HostResult<PathBuf> {
        let found = Host::resolve(self.host, path);
        self.note(Question::Resolved(path.to_owned()), digest(&found));
        found
    }

    fn search_path(&self) -> Vec<(String, String)> {
        self.host.search_path()
    }

    fn variable(&self, name: &str) -> Option<String> {
        let found = self.host.variable(name);
        if self.host.impure.is_some() {
            self.note(Question::Variable(name.to_owned()), digest(&Ok(found.clone())));
        }
        found
    }

    fn home(&self) -> Option<PathBuf> {
        let found = self.host.home();
        if self.host.impure.is_some() {
            self.note(Question::Home, digest(&Ok(found.clone())));
        }
        found
    }

    fn current_system(&self) -> Option<String> {
        self.host.current_system()
    }

    fn has_clock(&self) -> bool {
        self.host.has_clock()
    }

    fn current_time(&self) -> i64 {
        self.answers().unsteady = true;
        self.host.current_time()
    }

    fn store_dir(&self) -> &str {
        self.host.store_dir()
    }

    fn placeholder(&self, output: &str) -> String {
        self.host.placeholder(output)
    }

    fn add_text(&self, name: &str, text: &[u8], references: &[String]) -> HostResult<String> {
        self.host.add_text(name, text, references)
    }

    fn add_path(&self, request: &AddPath, filter: Option<&mut Filter<'_>>) -> HostResult<String> {
        let AddPath { path, name, recursive, sha256, follow } = request.clone();
        let tree =
            |left_out| Question::Tree(Tree { path, name, recursive, sha256, follow, left_out });
        let Some(filter) = filter else {
            let found = self.host.add_path(request, None);
            self.note(tree(None), digest(&found));
            return found;
        };
        let mut left_out = BTreeSet::new();
        let (found, answer) = filtered(self.host, request, &mut |path, kind| {
            let kept = filter(path, kind)?;
            if !kept {
                left_out.insert(path.to_owned());
            }
            Ok(kept)
        });
        self.note(tree(Some(left_out)), answer);
        found
    }

    fn derivation(&self, request: DerivationRequest) -> HostResult<DerivationPaths> {
        self.host.derivation(request)
    }

    fn realise(&self, references: &[Reference]) -> HostResult<()> {
        // reading the result is a question of its own
        self.host.realise(references)
    }

    fn imported(&self, path: &Path) -> HostResult<Option<Imported>> {
        // pure evaluation knows what it made; impure evaluation finds what exists
        self.answers().unsteady |= self.host.impure.is_some();
        self.host.imported(path)
    }

    fn store_path(&self, path: &Path) -> HostResult<String> {
        let found = self.host.store_path(path);
        self.note(Question::StorePath(path.to_owned()), digest(&found));
        found
    }

    fn references(&self, path: &Path) -> HostResult<Vec<String>> {
        // they change only with the file's content, which is a question of its own
        self.host.references(path)
    }

    fn fetch(&self, request: &FetchRequest) -> HostResult<Fetched> {
        let found = self.host.fetch(request);
        // a fetch by hash always gives the same; an impure one may change
        self.answers().unsteady |= self.host.impure.is_some();
        found
    }

    fn fetch_later(&self, request: &FetchRequest, attribute: &str) -> HostResult<FetchValue> {
        self.host.fetch_later(request, attribute)
    }

    fn trace(&self, text: &str) {
        self.answers().messages.push((text.to_owned(), false));
        self.host.trace(text);
    }

    fn warn(&self, text: &str) {
        self.answers().messages.push((text.to_owned(), true));
        self.host.warn(text);
    }
}
