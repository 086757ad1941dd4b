//! What can go wrong: one kind, one message, one place, and the trace that was collected while the
//! evaluation unwound. Everything in it is owned, so that it outlives the evaluation.

use std::sync::Arc;

use crate::source::Span;

/// Results of the evaluator. The box keeps the result of an evaluation step at 16 bytes.
pub type Result<T> = std::result::Result<T, Box<Error>>;

/// What kind of failure this is. `tryEval` catches [`Kind::Throw`] and [`Kind::Assert`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `throw`.
    Throw,
    /// A failed `assert`.
    Assert,
    /// `abort`.
    Abort,
    /// The source is not of the language.
    Parse,
    /// The source ends where more of it is expected.
    Incomplete,
    /// A name that nothing defines.
    Undefined,
    /// A value of another type than expected.
    Type,
    /// A value that depends on itself.
    InfiniteRecursion,
    /// Nesting too deep.
    StackOverflow,
    /// An argument that the command line should have given.
    MissingArgument,
    /// The world outside refused: a file, the network, a build.
    Host,
    /// More memory than the evaluation may take.
    OutOfMemory,
    /// The person who watches stopped it.
    Interrupted,
    /// Everything else.
    Eval,
}

/// A failure.
#[derive(Clone, Debug)]
pub struct Error {
    what: Arc<What>,
    trace: Option<Arc<Node>>,
}

/// The part of an error that never changes.
#[derive(Clone, Debug)]
struct What {
    kind: Kind,
    message: String,
    span: Span,
    help: Option<String>,
    labels: Vec<(Span, String)>,
}

/// One step on the way to the failure.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Where.
    pub span: Span,
    /// What was done there, such as "while calling 'f'".
    pub text: String,
    /// Whether the program asked for this with `addErrorContext`: it is then always shown.
    pub by_user: bool,
}

#[derive(Debug)]
struct Node {
    frame: Frame,
    inner: Option<Arc<Node>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut next = self.inner.take();
        while let Some(mut node) = next.and_then(Arc::into_inner) {
            next = node.inner.take();
        }
    }
}

impl Error {
    /// A failure at a place, which may be [`Span::NONE`].
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    #[cold]
    pub fn new(kind: Kind, span: Span, message: impl Into<String>) -> Box<Self> {
        let what = What { kind, message: message.into(), span, help: None, labels: Vec::new() };
        Box::new(Self { what: Arc::new(what), trace: None })
    }

    /// Adds advice, such as "did you mean 'x'?".
    #[must_use]
    #[cold]
    pub fn with_help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        Arc::make_mut(&mut self.what).help = Some(help.into());
        self
    }

    /// Adds a second place with its own remark.
    #[must_use]
    #[cold]
    pub fn with_label(mut self: Box<Self>, span: Span, text: impl Into<String>) -> Box<Self> {
        Arc::make_mut(&mut self.what).labels.push((span, text.into()));
        self
    }

    /// Says where it happened, unless that is known already.
    #[must_use]
    #[cold]
    pub fn at(mut self: Box<Self>, span: Span) -> Box<Self> {
        if self.what.span.is_none() && !span.is_none() {
            Arc::make_mut(&mut self.what).span = span;
        }
        self
    }

    /// Adds an outer step to the trace.
    #[must_use]
    #[cold]
    pub fn within(mut self: Box<Self>, span: Span, text: impl Into<String>) -> Box<Self> {
        self.push(Frame { span, text: text.into(), by_user: false });
        self
    }

    /// Adds an outer step that the program itself named.
    #[must_use]
    #[cold]
    pub fn within_user(mut self: Box<Self>, span: Span, text: impl Into<String>) -> Box<Self> {
        self.push(Frame { span, text: text.into(), by_user: true });
        self
    }

    fn push(&mut self, frame: Frame) {
        let inner = self.trace.take();
        self.trace = Some(Arc::new(Node { frame, inner }));
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.what.kind
    }

    /// The message, without place and trace.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.what.message
    }

    /// Where it happened.
    #[must_use]
    pub fn span(&self) -> Span {
        self.what.span
    }

    /// Advice.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.what.help.as_deref()
    }

    /// Further places with their remarks.
    #[must_use]
    pub fn labels(&self) -> &[(Span, String)] {
        &self.what.labels
    }

    /// The outermost step so far.
    #[must_use]
    pub fn outermost(&self) -> Option<&Frame> {
        self.trace.as_ref().map(|node| &node.frame)
    }

    /// The trace, outermost step first.
    pub fn trace(&self) -> impl Iterator<Item = &Frame> {
        let mut node = self.trace.as_deref();
        std::iter::from_fn(move || {
            let here = node?;
            node = here.inner.as_deref();
            Some(&here.frame)
        })
    }

    /// Whether the program is what failed, and not the limits that the evaluation has.
    #[must_use]
    pub fn is_of_the_program(&self) -> bool {
        !matches!(self.what.kind, Kind::Interrupted | Kind::OutOfMemory | Kind::StackOverflow)
    }

    /// Whether `tryEval` catches this.
    #[must_use]
    pub fn is_caught(&self) -> bool {
        matches!(self.what.kind, Kind::Throw | Kind::Assert)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.what.message)
    }
}

impl std::error::Error for Error {}
