//! `sort`: peeksort, the natural merge sort of Munro and Wild ("Nearly-Optimal Mergesorts", ESA 2018),
//! which makes the same comparisons in the same order as Nix. Programs notice both: a comparison can
//! fail, and the result of one that is not an order depends on the elements that it compared.

use super::Builtin;
use crate::{
    error::Result,
    eval::Interpreter,
    source::Span,
    value::{Value, share},
};

pub(super) const TABLE: &[Builtin] = &[Builtin::new("__sort", 2, sort).computes(1)];

fn sort<'a>(it: &mut Interpreter<'a>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let list = it.list(args[1])?;
    if list.is_empty() {
        return Ok(Value::List(list));
    }
    let comparator = it.function(args[0])?;
    it.room_for(3 * list.len())?;
    let mut values = Vec::with_capacity(list.len());
    for slot in list.items {
        it.force(slot)?;
        values.push(share(slot));
    }
    let by_order = matches!(comparator, Value::Builtin(builtin) if builtin.name() == "lessThan");
    peeksort(&mut values, |a, b| {
        if by_order {
            it.step()?;
            return it.less(*a, *b);
        }
        let truth = it.call(comparator, &[*a, *b], Span::NONE)?;
        it.as_bool(truth)
    })?;
    Ok(it.new_list(&values))
}

/// Sorts, stably if `less` is an order. Whatever it says, the result has the same elements.
fn peeksort<T: Copy>(values: &mut [T], mut less: impl FnMut(&T, &T) -> Result<bool>) -> Result<()> {
    match values {
        [] | [_] => Ok(()),
        [first, second] => {
            if less(second, first)? {
                std::mem::swap(first, second);
            }
            Ok(())
        }
        _ => {
            let end = values.len();
            Sorter { values, left: Vec::with_capacity(end), less }.sort(0, end, 0, end)
        }
    }
}

struct Sorter<'v, T, F> {
    values: &'v mut [T],
    /// The left run of the two that are being merged.
    left: Vec<T>,
    less: F,
}

impl<T: Copy, F: FnMut(&T, &T) -> Result<bool>> Sorter<'_, T, F> {
    /// Stretches up to this length are sorted by insertion.
    const SHORT: usize = 16;

    /// True if the element at `a` is less than that at `b`.
    fn less(&mut self, a: usize, b: usize) -> Result<bool> {
        (self.less)(&self.values[a], &self.values[b])
    }

    /// Sorts `start..end`, of which `start..head` and `tail..end` are known to be sorted. The run in
    /// the middle is looked for, and the stretch is split at its end.
    fn sort(&mut self, start: usize, end: usize, head: usize, tail: usize) -> Result<()> {
        if head == end || tail == start {
            return Ok(());
        }
        if end - start <= Self::SHORT {
            return self.insert(start, end);
        }
        let middle = start + (end - start) / 2;
        if middle <= head {
            self.sort(head, end, head + 1, tail)?;
            return self.merge(start, head, end);
        }
        if middle >= tail {
            self.sort(start, tail, head, tail - 1)?;
            return self.merge(start, tail, end);
        }
        let falls = self.less(middle, middle - 1)?;
        let (mut from, mut to) = (middle - 1, middle);
        while from > head && self.less(from, from - 1)? == falls {
            from -= 1;
        }
        // the pair in the middle is asked about again, as Nix does
        to -= 1;
        while to + 1 != tail && self.less(to + 1, to)? == falls {
            to += 1;
        }
        to += 1;
        if falls {
            self.values[from..to].reverse();
        }
        if from == start && to == end {
            return Ok(());
        }
        let split = if middle - from < to - middle { from } else { to };
        if split == from {
            self.sort(start, from, head, from.saturating_sub(1))?;
            self.sort(from, end, to, tail)?;
        } else {
            self.sort(start, to, head, from)?;
            self.sort(to, end, to + 1, tail)?;
        }
        self.merge(start, split, end)
    }

    fn insert(&mut self, start: usize, end: usize) -> Result<()> {
        for next in start + 1..end {
            let mut at = next;
            while at > start && self.less(at, at - 1)? {
                self.values.swap(at, at - 1);
                at -= 1;
            }
        }
        Ok(())
    }

    /// Merges the runs `start..middle` and `middle..end`; of equal elements the left one comes first.
    fn merge(&mut self, start: usize, middle: usize, end: usize) -> Result<()> {
        self.left.clear();
        self.left.extend_from_slice(&self.values[start..middle]);
        let (mut left, mut right, mut out) = (0, middle, start);
        while left < self.left.len() && right < end {
            if (self.less)(&self.values[right], &self.left[left])? {
                self.values[out] = self.values[right];
                right += 1;
            } else {
                self.values[out] = self.left[left];
                left += 1;
            }
            out += 1;
        }
        // what is left of the right run is where it belongs
        self.values[out..right].copy_from_slice(&self.left[left..]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_stably_and_keeps_the_elements(
            keys in proptest::collection::vec(0..12_u8, 0..200),
            chaos in any::<u64>(),
        ) {
            let given: Vec<(u8, usize)> = keys.into_iter().zip(0..).collect();
            let (mut ours, mut expected) = (given.clone(), given.clone());
            expected.sort_by_key(|pair| pair.0);
            peeksort(&mut ours, |a, b| Ok(a.0 < b.0)).unwrap();
            prop_assert_eq!(&ours, &expected);
            // no order at all
            let mut state = chaos | 1;
            let mut odd = given.clone();
            peeksort(&mut odd, |_, _| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                Ok(state >> 63 == 1)
            }).unwrap();
            odd.sort_by_key(|pair| pair.1);
            prop_assert_eq!(odd, given);
        }
    }
}
