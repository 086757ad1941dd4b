//! The profile of an evaluation: the tree of calls with the time spent in each call itself. The clock is
//! read at the beginning and end of every call. A value computed later counts for the call that asked
//! for it.

use std::{io, time::Instant};

use rustc_hash::FxHashMap;

use crate::{source::Span, value::FunctionId};

/// The deepest call with a frame of its own. Deeper calls count for it, which keeps the stacks of a deep
/// recursion readable.
const DEEPEST: usize = 512;

/// An event of the profile.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// A call of a function of the program began.
    Function(FunctionId),
    /// A call of a builtin began.
    Builtin(&'static str),
    /// A step began that counts as a call.
    Nested,
    /// Calls ended.
    Returned,
}

/// The tree of calls.
pub(super) struct Profile {
    nodes: Vec<Node>,
    children: FxHashMap<(u32, Callee, Span), u32>,
    /// The nodes of the running calls; the first is the program itself.
    open: Vec<u32>,
    since: Instant,
}

struct Node {
    parent: u32,
    callee: Callee,
    span: Span,
    nanos: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Callee {
    /// The program itself.
    Program,
    /// A function of the program.
    Function(FunctionId),
    /// A builtin, by its name.
    Builtin(&'static str),
}

impl Profile {
    pub(super) fn new() -> Self {
        let root = Node { parent: 0, callee: Callee::Program, span: Span::NONE, nanos: 0 };
        Self {
            nodes: vec![root],
            children: FxHashMap::default(),
            open: vec![0],
            since: Instant::now(),
        }
    }

    /// Adds the time since the last event to the innermost call. `calls` is the number of running calls;
    /// it alone shows which calls have ended.
    #[cold]
    #[inline(never)]
    pub(super) fn note(&mut self, step: Step, span: Span, calls: u32) {
        let now = Instant::now();
        let passed = now.duration_since(self.since).as_nanos();
        self.since = now;
        let innermost = self.open.last().copied().unwrap_or(0);
        self.nodes[innermost as usize].nanos += u64::try_from(passed).unwrap_or(u64::MAX);
        let callee = match step {
            Step::Returned => {
                self.open.truncate(calls as usize + 1);
                return;
            }
            Step::Function(id) => Some(Callee::Function(id)),
            Step::Builtin(name) => Some(Callee::Builtin(name)),
            Step::Nested => None,
        };
        // the call itself is already counted
        self.open.truncate(calls as usize);
        let parent = self.open.last().copied().unwrap_or(0);
        let node = match callee {
            Some(callee) if self.open.len() <= DEEPEST => self.child(parent, callee, span),
            _ => parent,
        };
        self.open.push(node);
    }

    fn child(&mut self, parent: u32, callee: Callee, span: Span) -> u32 {
        let fresh = self.nodes.len() as u32;
        let node = *self.children.entry((parent, callee, span)).or_insert(fresh);
        if node == fresh {
            self.nodes.push(Node { parent, callee, span, nanos: 0 });
        }
        node
    }

    /// See [`Interpreter::write_profile`](super::Interpreter::write_profile).
    pub(super) fn write(
        &self,
        out: &mut dyn io::Write,
        frame_of: impl Fn(Callee, Span) -> String,
    ) -> io::Result<()> {
        let mut stack = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let micros = node.nanos / 1000;
            if micros == 0 {
                continue;
            }
            let mut next = at;
            while next != 0 {
                stack.push(next);
                next = self.nodes[next].parent as usize;
            }
            write!(out, "(program)")?;
            while let Some(at) = stack.pop() {
                let frame = frame_of(self.nodes[at].callee, self.nodes[at].span);
                // these characters separate frames and lines
                write!(out, ";{}", frame.replace([';', '\n'], "_"))?;
            }
            writeln!(out, " {micros}")?;
        }
        Ok(())
    }
}
