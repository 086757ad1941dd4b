//! The matcher that makes every choice by the module's rules and remembers it.
//!
//! The rest of a match depends only on three things: the instruction, the place in the text, and how
//! often repetitions that can be empty were entered at that place (at most twice, or they would not
//! end). The outcome of each choice is kept under these three, so no choice is made twice.

use rustc_hash::FxHashMap;

use super::program::{At, Instruction, Program};
use super::syntax::EreError;
use crate::limit::{Limit, STEPS};

/// A stretch of the text: start and end in bytes.
pub type Range = (usize, usize);

/// The greatest number of remembered choices, about 40 bytes each.
const MAX_CHOICES: usize = 8_000_000;
/// If more choices are remembered, they are dropped before the next search.
const KEPT_CHOICES: usize = 100_000;

/// Number of a set of counters in [`Counters`]; 0 is the empty one.
type Counts = u32;

type Choice = (At, usize, Counts);

/// The result of a choice: the end of the best match, and true if the first way led there.
#[derive(Clone, Copy)]
struct Outcome {
    end: Option<usize>,
    first: bool,
}

/// A walk over one text.
pub(super) struct Walk<'p, 't> {
    program: &'p Program,
    text: &'t [u8],
    /// True if a match must end with the text.
    whole: bool,
    /// True if the match that was searched for last must not be empty, and so must end after.
    empty_at: Option<usize>,
    known: FxHashMap<Choice, Outcome>,
    counters: Counters,
    pending: Vec<Pending>,
    limit: &'p Limit,
    /// The number of ways followed so far. The limit is checked once in [`STEPS`] of them.
    steps: u32,
}

/// A choice with a pending outcome.
enum Pending {
    First { choice: Choice, second: At },
    Second { choice: Choice, first: Option<usize> },
    Again { choice: Choice, leave: At },
    Leave { choice: Choice },
}

impl<'p, 't> Walk<'p, 't> {
    pub(super) fn new(program: &'p Program, text: &'t [u8], whole: bool, limit: &'p Limit) -> Self {
        Self {
            program,
            text,
            whole,
            empty_at: None,
            known: FxHashMap::default(),
            counters: Counters::default(),
            pending: Vec::new(),
            limit,
            steps: 0,
        }
    }

    /// The end of the match that starts at `start`.
    pub(super) fn run(&mut self, start: usize, not_empty: bool) -> Result<Option<usize>, EreError> {
        let empty_at = not_empty.then_some(start);
        if self.known.len() > KEPT_CHOICES || self.empty_at != empty_at {
            self.known.clear();
            self.empty_at = empty_at;
        }
        self.pending.clear();
        self.step()?;
        let mut result = self.advance(self.program.start, start, 0);
        while let Some(pending) = self.pending.pop() {
            self.step()?;
            result = match pending {
                Pending::First { choice, second } => {
                    self.pending.push(Pending::Second { choice, first: result });
                    self.advance(second, choice.1, choice.2)
                }
                Pending::Second { choice, first } => {
                    let takes_first = first.is_some() && first >= result;
                    let end = if takes_first { first } else { result };
                    self.remember(choice, Outcome { end, first: takes_first })?
                }
                Pending::Again { choice, leave } => match result {
                    Some(_) => self.remember(choice, Outcome { end: result, first: true })?,
                    None => {
                        self.pending.push(Pending::Leave { choice });
                        self.advance(leave, choice.1, choice.2)
                    }
                },
                Pending::Leave { choice } => {
                    self.remember(choice, Outcome { end: result, first: false })?
                }
            };
        }
        Ok(result)
    }

    fn step(&mut self) -> Result<(), EreError> {
        self.steps = self.steps.wrapping_add(1);
        let stopped = self.steps.is_multiple_of(STEPS) && self.limit.is_stopped();
        if stopped { Err(EreError::Stopped) } else { Ok(()) }
    }

    fn remember(&mut self, choice: Choice, outcome: Outcome) -> Result<Option<usize>, EreError> {
        if self.known.len() >= MAX_CHOICES {
            return Err(EreError::TooLarge);
        }
        self.known.insert(choice, outcome);
        Ok(outcome.end)
    }

    /// Continues to the end of the match or of the way. At a choice that is not known yet, follows its
    /// first way and leaves the choice on the stack.
    fn advance(&mut self, mut at: At, mut place: usize, mut counts: Counts) -> Option<usize> {
        loop {
            let choice = (at, place, counts);
            match self.program.code[at as usize] {
                Instruction::Set(set, next) => {
                    if !set.contains(*self.text.get(place)?) {
                        return None;
                    }
                    (at, place, counts) = (next, place + 1, 0);
                }
                Instruction::Open(_, next) | Instruction::Close(_, next) => at = next,
                Instruction::Start(next) if place == 0 => at = next,
                Instruction::End(next) if place == self.text.len() => at = next,
                Instruction::Start(_) | Instruction::End(_) => return None,
                Instruction::Accept => {
                    let ends = !self.whole || place == self.text.len();
                    return (ends && self.empty_at != Some(place)).then_some(place);
                }
                Instruction::Either(first, second) => {
                    if let Some(outcome) = self.known.get(&choice) {
                        return outcome.end;
                    }
                    self.pending.push(Pending::First { choice, second });
                    at = first;
                }
                Instruction::Repeat { again, leave, counted } => {
                    let Some(entered) = self.counters.enter(counts, counted) else {
                        at = leave;
                        continue;
                    };
                    if let Some(outcome) = self.known.get(&choice) {
                        return outcome.end;
                    }
                    self.pending.push(Pending::Again { choice, leave });
                    (at, counts) = (again, entered);
                }
            }
        }
    }

    /// The groups of the match that [`Self::run`] found from `start`, by repeating its choices.
    pub(super) fn groups(&mut self, start: usize, count: usize, groups: &mut Vec<Option<Range>>) {
        groups.clear();
        groups.resize(count, None);
        let mut opened = vec![0; count];
        let (mut at, mut place, mut counts) = (self.program.start, start, 0);
        loop {
            let first = self.known.get(&(at, place, counts)).is_some_and(|outcome| outcome.first);
            match self.program.code[at as usize] {
                Instruction::Accept => return,
                Instruction::Set(_, next) => (at, place, counts) = (next, place + 1, 0),
                Instruction::Start(next) | Instruction::End(next) => at = next,
                Instruction::Open(number, next) => {
                    opened[number as usize] = place;
                    at = next;
                }
                Instruction::Close(number, next) => {
                    groups[number as usize] = Some((opened[number as usize], place));
                    at = next;
                }
                Instruction::Either(one, two) => at = if first { one } else { two },
                Instruction::Repeat { again, leave, counted } => {
                    match self.counters.enter(counts, counted) {
                        Some(entered) if first => (at, counts) = (again, entered),
                        _ => at = leave,
                    }
                }
            }
        }
    }
}

/// Sets of counters, each stored once: the repetitions entered here, and how often.
#[derive(Default)]
struct Counters {
    /// Sorted by the repetition's number.
    sets: Vec<Box<[(u32, u8)]>>,
    entered: FxHashMap<(Counts, u32), Option<Counts>>,
}

impl Counters {
    /// The counters after one more turn; `None` for a third turn in one place.
    fn enter(&mut self, counts: Counts, counted: Option<u32>) -> Option<Counts> {
        let Some(number) = counted else { return Some(counts) };
        if let Some(known) = self.entered.get(&(counts, number)) {
            return *known;
        }
        let empty: &[(u32, u8)] = &[];
        let set = counts.checked_sub(1).map_or(empty, |at| &self.sets[at as usize]);
        let after = match set.binary_search_by_key(&number, |entry| entry.0) {
            Ok(at) if set[at].1 >= 2 => None,
            Ok(at) => {
                let mut more = set.to_vec();
                more[at].1 += 1;
                Some(more)
            }
            Err(at) => {
                let mut more = set.to_vec();
                more.insert(at, (number, 1));
                Some(more)
            }
        };
        let result = after.map(|set| {
            let set = set.into_boxed_slice();
            let known = self.sets.iter().position(|other| *other == set);
            let at = known.unwrap_or_else(|| {
                self.sets.push(set);
                self.sets.len() - 1
            });
            at as Counts + 1
        });
        self.entered.insert((counts, number), result);
        result
    }
}
