//! Faults: one kind, one message, one place, and the trace that was collected while the
//! evaluation unwound. Everything in it is owned, so that it outlives the evaluation.

use std::sync::Arc;

use crate::source::Span;

/// Results of the evaluator. The box keeps the result of an evaluation step at 16 bytes.
pub type Result<T> = std::result::Result<T, Box<Error>>;

/// An error of the host's own type behind a failure, for the caller of the evaluation.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// The kind of a failure. `tryEval` catches [`ErrorKind::Throw`] and [`ErrorKind::Assert`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
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
    /// The host refused: a file, the network, a build.
    Host,
    /// More memory than the evaluation may take.
    OutOfMemory,
    /// The user stopped it.
    Interrupted,
    /// Everything else.
    Eval,
}

/// A failure.
#[derive(Clone, Debug)]
pub struct Error {
    details: Arc<Details>,
    trace: Option<Arc<TraceNode>>,
}

/// The part of an error that never changes.
#[derive(Clone, Debug)]
struct Details {
    kind: ErrorKind,
    message: String,
    span: Span,
    help: Option<String>,
    labels: Vec<(Span, String)>,
    cause: Option<Cause>,
}

/// One step on the way to the failure.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its place in the source.
    pub span: Span,
    /// The step that was taken there, such as "while calling 'f'".
    pub text: String,
    /// True if the program asked for this with `addErrorContext`: it is then always shown.
    pub by_user: bool,
}

#[derive(Debug)]
struct TraceNode {
    frame: Frame,
    inner: Option<Arc<TraceNode>>,
    /// How large this step and those inside are, in [`TraceNode::UNIT`] bytes.
    weight: usize,
    /// How many steps were left out between this and the next one inside.
    left_out: usize,
}

impl TraceNode {
    /// About what a step takes besides its text.
    const UNIT: usize = 128;
    /// Steps beyond this weight are left out, all but the outermost.
    const MOST: usize = 10_000;
}

/// The longest text of a step, and the longest message. What is longer is cut.
const LONGEST_STEP: usize = 16 << 10;
const LONGEST_MESSAGE: usize = 1 << 20;

/// A text that is no longer than `most`, or what it starts with.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let left = text.len() - text.floor_char_boundary(most);
        text.truncate(text.len() - left);
        text.shrink_to_fit();
        text += &format!("... ({left} bytes more)");
    }
    text
}

impl Drop for TraceNode {
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
    pub fn new(kind: ErrorKind, span: Span, message: impl Into<String>) -> Box<Self> {
        let message = cut(message.into(), LONGEST_MESSAGE);
        let details = Details { kind, message, span, help: None, labels: Vec::new(), cause: None };
        Box::new(Self { details: Arc::new(details), trace: None })
    }

    /// Adds advice, such as "did you mean 'x'?".
    #[must_use]
    #[cold]
    pub fn with_help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        Arc::make_mut(&mut self.details).help = Some(help.into());
        self
    }

    /// Adds a second place with its own remark.
    #[must_use]
    #[cold]
    pub(crate) fn with_label(
        mut self: Box<Self>,
        span: Span,
        text: impl Into<String>,
    ) -> Box<Self> {
        Arc::make_mut(&mut self.details).labels.push((span, text.into()));
        self
    }

    /// Adds the error of the host that it is about.
    #[must_use]
    #[cold]
    pub(crate) fn with_cause(mut self: Box<Self>, cause: Cause) -> Box<Self> {
        Arc::make_mut(&mut self.details).cause = Some(cause);
        self
    }

    /// Sets the place, unless it is known already.
    #[must_use]
    #[cold]
    pub fn at(mut self: Box<Self>, span: Span) -> Box<Self> {
        if self.details.span.is_none() && !span.is_none() {
            Arc::make_mut(&mut self.details).span = span;
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
    pub(crate) fn within_user(
        mut self: Box<Self>,
        span: Span,
        text: impl Into<String>,
    ) -> Box<Self> {
        self.push(Frame { span, text: text.into(), by_user: true });
        self
    }

    fn push(&mut self, frame: Frame) {
        let frame = Frame { text: cut(frame.text, LONGEST_STEP), ..frame };
        let mut inner = self.trace.take();
        let mut left_out = 0;
        if let Some(node) = &inner
            && node.weight >= TraceNode::MOST
        {
            left_out = node.left_out + 1;
            inner = node.inner.clone();
        }
        let inside = inner.as_ref().map_or(0, |node| node.weight);
        let weight = inside + 1 + frame.text.len() / TraceNode::UNIT;
        self.trace = Some(Arc::new(TraceNode { frame, inner, weight, left_out }));
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        let weight = self.trace.as_ref().map_or(1, |node| 1 + node.weight);
        self.details.message.len() + weight * 2 * TraceNode::UNIT
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.details.kind
    }

    /// The message, without place and trace.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.details.message
    }

    /// The place of the failure.
    #[must_use]
    pub fn span(&self) -> Span {
        self.details.span
    }

    /// Advice.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.details.help.as_deref()
    }

    /// The error of the host that it is about, if that has a type of its own.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.details.cause.as_ref()
    }

    /// Further places with their remarks.
    #[must_use]
    pub fn labels(&self) -> &[(Span, String)] {
        &self.details.labels
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

    /// How many steps the trace lacks, since it would have become too large.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.trace.as_ref().map_or(0, |node| node.left_out)
    }

    /// True if the program is what failed, and not the limits that the evaluation has.
    #[must_use]
    pub fn is_of_the_program(&self) -> bool {
        !matches!(
            self.details.kind,
            ErrorKind::Interrupted | ErrorKind::OutOfMemory | ErrorKind::StackOverflow
        )
    }

    /// True if `tryEval` catches this.
    #[must_use]
    pub(crate) fn is_caught(&self) -> bool {
        matches!(self.details.kind, ErrorKind::Throw | ErrorKind::Assert)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.details.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_a_size() {
        let mut error = Error::new(ErrorKind::Eval, Span::NONE, "é".repeat(1 << 20));
        assert!(error.message().len() < (1 << 20) + 40, "{}", error.message().len());
        assert!(error.message().ends_with("é... (1048576 bytes more)"));
        for n in 0..100_000 {
            error = error.within(Span::NONE, format!("step {n}"));
        }
        let steps: Vec<_> = error.trace().map(|frame| frame.text.as_str()).collect();
        assert_eq!(steps.len() + error.left_out(), 100_000);
        assert_eq!((steps.len(), steps[0], steps[1]), (10_000, "step 99999", "step 9998"));
        assert_eq!(steps.last(), Some(&"step 0"));
        for _ in 0..1000 {
            error = error.within_user(Span::NONE, "x".repeat(1 << 20));
        }
        let size: usize = error.trace().map(|frame| frame.text.len()).sum();
        assert!(size < 4 << 20, "{size}");
    }
}
