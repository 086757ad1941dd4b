//! A pattern's tree as a list of instructions for [`super::walk`].

use super::syntax::{ByteSet, Node};

/// The index of an instruction.
pub(super) type At = u32;

#[derive(Clone, Copy, Debug)]
pub(super) enum Instruction {
    /// Takes a byte of the set.
    Set(ByteSet, At),
    /// Tries both, the first one first.
    Either(At, At),
    /// Takes one more turn if the rest then matches, else leaves. A repetition whose turn can be empty
    /// has a number, and its turns are counted.
    Repeat {
        again: At,
        leave: At,
        counted: Option<u32>,
    },
    Open(u32, At),
    Close(u32, At),
    Start(At),
    End(At),
    Accept,
}

/// The instructions; the walk begins at `start`.
pub(super) struct Program {
    pub(super) code: Vec<Instruction>,
    pub(super) start: At,
    counters: u32,
}

impl Program {
    pub(super) fn new(node: &Node) -> Self {
        let mut program = Self { code: vec![Instruction::Accept], start: 0, counters: 0 };
        program.start = program.node(node, 0);
        program
    }

    fn push(&mut self, instruction: Instruction) -> At {
        self.code.push(instruction);
        (self.code.len() - 1) as At
    }

    /// Adds `node`, after which `next` follows; returns its first instruction.
    fn node(&mut self, node: &Node, next: At) -> At {
        match node {
            Node::Set(set) => self.push(Instruction::Set(*set, next)),
            Node::Start => self.push(Instruction::Start(next)),
            Node::End => self.push(Instruction::End(next)),
            Node::Group(number, inner) => {
                let close = self.push(Instruction::Close(*number as u32, next));
                let begin = self.node(inner, close);
                self.push(Instruction::Open(*number as u32, begin))
            }
            Node::Concat(nodes) => {
                nodes.iter().rev().fold(next, |next, node| self.node(node, next))
            }
            // nested as in Nix's matcher: ((a|b)|c)
            Node::Either(nodes) => {
                let branches: Vec<At> = nodes.iter().map(|node| self.node(node, next)).collect();
                branches
                    .into_iter()
                    .reduce(|first, second| self.push(Instruction::Either(first, second)))
                    .unwrap_or(next)
            }
            Node::Repeat(inner, min, max) => {
                let counts = inner.can_be_empty();
                let mut begin = match max {
                    // {n,m}: up to m - n optional turns, one inside the other
                    Some(max) => (*min..*max).fold(next, |after, _| {
                        let counted = self.counter(counts);
                        let again = self.node(inner, after);
                        self.push(Instruction::Repeat { again, leave: next, counted })
                    }),
                    None => {
                        let counted = self.counter(counts);
                        let again = 0;
                        let repeat = self.push(Instruction::Repeat { again, leave: next, counted });
                        let again = self.node(inner, repeat);
                        self.code[repeat as usize] =
                            Instruction::Repeat { again, leave: next, counted };
                        // `+` shares the turn's instructions with the loop
                        if *min == 1 {
                            return again;
                        }
                        repeat
                    }
                };
                for _ in 0..*min {
                    begin = self.node(inner, begin);
                }
                begin
            }
        }
    }

    fn counter(&mut self, needed: bool) -> Option<u32> {
        needed.then(|| {
            self.counters += 1;
            self.counters - 1
        })
    }
}
