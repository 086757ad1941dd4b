//! The lines of source that a message is about.

use annotate_snippets::{Annotation, AnnotationKind, Element, Snippet};

use crate::source::{Source, Sources, Span};

/// A place, how it is marked, and the remark beside it.
type Mark<'s> = (Span, AnnotationKind, Option<&'s str>);

/// One snippet a source, in the order in which the marks name them; a mark without place is none.
pub(super) fn all<'s>(
    marks: impl IntoIterator<Item = Mark<'s>>,
    sources: &'s Sources,
) -> Vec<Element<'s>> {
    let mut files: Vec<(&Source, Vec<Mark<'s>>)> = Vec::new();
    for mark in marks {
        let Some(source) = sources.find(mark.0.lo) else { continue };
        match files.iter_mut().find(|(known, _)| known.base == source.base) {
            Some((_, marks)) => marks.push(mark),
            None => files.push((source, vec![mark])),
        }
    }
    files.into_iter().map(|(source, marks)| snippet(source, &marks).into()).collect()
}

fn snippet<'s>(source: &'s Source, marks: &[Mark<'s>]) -> Snippet<'s, Annotation<'s>> {
    let text = &source.text[..];
    let ranges: Vec<_> = marks.iter().map(|(span, ..)| first_line(source, *span)).collect();
    let first = ranges.iter().map(|range| range.0).min().unwrap_or(0);
    let last = ranges.iter().map(|range| range.1).max().unwrap_or(0);
    let (from, to) = source.whole_lines(first, last);
    Snippet::source(printable(&text[from..to]))
        .line_start(source.place(source.base + from as u32).line as usize)
        .path(source.origin.to_string())
        .annotations(
            ranges
                .iter()
                .zip(marks)
                .map(|((lo, hi), (_, kind, label))| kind.span(lo - from..hi - from).label(*label)),
        )
}

/// The span in bytes of its source, cut at the end of its first line.
fn first_line(source: &Source, span: Span) -> (usize, usize) {
    let text = &source.text[..];
    let lo = (span.lo.saturating_sub(source.base) as usize).min(text.len());
    let hi = (span.hi.saturating_sub(source.base) as usize).clamp(lo, text.len());
    let hi = memchr::memchr2(b'\n', b'\r', &text[lo..hi]).map_or(hi, |at| lo + at);
    // whole characters only
    let inside = |at: &usize| text.get(*at).is_some_and(|byte| (0x80..0xc0).contains(byte));
    let lo = (0..=lo).rev().find(|at| !inside(at)).unwrap_or(0);
    let hi = (hi..=text.len()).find(|at| !inside(at)).unwrap_or(text.len());
    (lo, hi)
}

/// The text with a question mark for each byte that is part of no character, and a line feed for a
/// carriage return that ends a line, so that all places stay where they are.
fn printable(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '?'));
    }
    if out.contains('\r') {
        let mut rest = out.chars().peekable();
        let mut lines = String::with_capacity(out.len());
        while let Some(c) = rest.next() {
            lines.push(if c == '\r' && rest.peek() != Some(&'\n') { '\n' } else { c });
        }
        return lines;
    }
    out
}
