//! An error as text for people: the message, the lines it is about, what was being done, and
//! advice. The text depends on the error, the sources and the style alone.

mod snippet;

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer};

use crate::error::{Error, Frame};
use crate::eval::library;
use crate::source::{Place, Sources, Span};

/// How an error is shown.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// With the terminal's colours.
    pub colour: bool,
    /// With every step of the trace, each with its line.
    pub trace: bool,
    /// The terminal's width in columns.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { colour: false, trace: false, width: 100 }
    }
}

/// The number of steps that are shown unless the whole trace was asked for.
const FEW: usize = 3;

/// The text of `error`, ending with a newline.
///
/// A failure inside the library is shown at the call of the library, with the steps in the program alone. The steps
/// that the program named itself (`addErrorContext`) come first. Without [`Style::trace`] a few
/// others follow, those in the program before those in the library, innermost first, and how many
/// there are besides.
#[must_use]
pub fn error(error: &Error, sources: &Sources, style: Style) -> String {
    let (named, mut plain): (Vec<&Frame>, Vec<&Frame>) =
        error.trace().partition(|step| step.by_user);
    // innermost first: it is nearest to the message
    plain.reverse();
    let place = place(error, sources);
    let all = plain.len() + error.left_out();
    // once each: a recursion fails through the same steps again and again
    let mut seen = rustc_hash::FxHashSet::default();
    plain.retain(|step| seen.insert((step.span, &step.text)));
    let once = plain.len();
    // how the library does what it was asked for is its own business
    let by_library = place != error.span() && !style.trace && is_library(error.span(), sources);
    if by_library {
        let line = |span| sources.place(span).map(|place| (place.origin, place.line));
        let shown = line(place);
        plain.retain(|step| in_program(step.span, sources) && line(step.span) != shown);
    } else if place != error.span() && !style.trace {
        plain.retain(|step| !is_library(step.span, sources));
    }
    let is_elsewhere = place != error.span() && !by_library;
    let raised = is_elsewhere.then(|| sources.place(error.span())).flatten();
    let mut groups = vec![headline(error, place, raised, sources)];
    // all of them if only one would be left
    let shown = if style.trace || plain.len() <= FEW + 1 { plain.len() } else { FEW };
    let steps = named.iter().rev().chain(plain.iter().take(shown));
    let mut last = place;
    for frame in steps {
        // lines that were just shown are not shown again
        groups.push(step(frame, sources, frame.span != last && frame.span != place));
        last = frame.span;
    }
    let left = all - shown;
    if left > 0 && by_library {
        let text = "`--show-trace` shows the steps that led here";
        groups.push(Group::with_title(Level::NOTE.secondary_title(text)));
    } else if left > 0 {
        let which = match (once - shown, all - once) {
            (0, repeated) if repeated > error.left_out() => ", the same ones again",
            (0, _) => "",
            (_, 0) => "; `--show-trace` shows them",
            _ => "; `--show-trace` shows each once",
        };
        let noun = if left == 1 { "step" } else { "steps" };
        let text = format!("{left} more {noun} led here{which}");
        groups.push(Group::with_title(Level::NOTE.secondary_title(text)));
    }
    let renderer = if style.colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.term_width(style.width).render(&groups);
    text.push('\n');
    text
}

/// A text without the sequences that set a terminal's colours, which libraries put into the messages
/// that they throw.
#[must_use]
pub fn without_colours(text: &str) -> Cow<'_, str> {
    let mut rest = text;
    let mut plain = String::new();
    while let Some(at) = rest.find("\u{1b}[") {
        let sequence = &rest[at + 2..];
        let end = sequence.find(|c: char| !matches!(c, '0'..='9' | ';' | ':'));
        match end {
            Some(end) if sequence[end..].starts_with('m') => {
                plain.push_str(&rest[..at]);
                rest = &sequence[end + 1..];
            }
            // something else, which is shown as what it is
            _ => {
                plain.push_str(&rest[..at + 2]);
                rest = sequence;
            }
        }
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

fn is_library(span: Span, sources: &Sources) -> bool {
    sources.find(span.lo).is_some_and(library::is_source)
}

fn in_program(span: Span, sources: &Sources) -> bool {
    !span.is_none() && !is_library(span, sources)
}

/// The place that an error is about: the place of the failure or, if that is in the library or nowhere, what
/// the program was doing.
#[must_use]
pub fn place(error: &Error, sources: &Sources) -> Span {
    if in_program(error.span(), sources) {
        return error.span();
    }
    let steps = error.trace().map(|step| step.span).filter(|span| in_program(*span, sources));
    steps.last().unwrap_or(error.span())
}

/// The message with its place, the other places that belong to it, the place in the library where
/// it was `raised`, and the advice.
fn headline<'s>(
    error: &'s Error,
    place: Span,
    raised: Option<Place>,
    sources: &'s Sources,
) -> Group<'s> {
    let message = without_colours(error.message());
    let mut group = Group::with_title(Level::ERROR.primary_title(message));
    let marks = std::iter::once((place, AnnotationKind::Primary, None)).chain(
        error
            .labels()
            .iter()
            .map(|(span, text)| (*span, AnnotationKind::Context, Some(text.as_str()))),
    );
    group = group.elements(snippet::all(marks, sources));
    if let Some(place) = raised {
        group = group.element(Level::NOTE.message(format!("it was raised at {place}")));
    }
    if let Some(help) = error.help() {
        group = group.element(Level::HELP.message(help));
    }
    group
}

fn step<'s>(frame: &'s Frame, sources: &'s Sources, with_lines: bool) -> Group<'s> {
    let group = Group::with_title(Level::NOTE.secondary_title(without_colours(&frame.text)));
    if !with_lines {
        return group;
    }
    group.elements(snippet::all([(frame.span, AnnotationKind::Primary, None)], sources))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::source::Origin;

    fn sources() -> Sources {
        let mut sources = Sources::default();
        let text = "let\n  x = 1;\n  y = lenght;\n\tx = [\n    2 ];\nin f y\n";
        sources.add(Origin::File(b"/p/a.nix".to_vec()), text.as_bytes().into());
        sources.add(Origin::Text, b"caf\xe9 + import ./a.nix".as_slice().into());
        sources
    }

    fn span(sources: &Sources, part: &str) -> Span {
        let text = "let\n  x = 1;\n  y = lenght;\n\tx = [\n    2 ];\nin f y\n";
        let lo = text.find(part).unwrap() as u32 + 1;
        assert!(sources.find(lo).is_some());
        Span::new(lo, lo + part.len() as u32)
    }

    #[test]
    fn message_place_and_advice() {
        let sources = sources();
        let at = span(&sources, "lenght");
        let shown = Error::new(ErrorKind::Undefined, at, "undefined variable 'lenght'")
            .with_help("did you mean 'length'?");
        assert_eq!(
            error(&shown, &sources, Style::default()),
            "\
error: undefined variable 'lenght'
 --> /p/a.nix:3:7
  |
3 |   y = lenght;
  |       ^^^^^^
  |
  = help: did you mean 'length'?
"
        );
    }

    #[test]
    fn colours_of_messages_are_left_out() {
        let plain = |text| without_colours(text).into_owned();
        assert_eq!(plain("a \u{1b}[1;35mb\u{1b}[0m c"), "a b c");
        assert_eq!(plain("\u{1b}[m"), "");
        for text in ["", "\u{1b}[2Jx", "\u{1b}[12", "\u{1b}", "\u{1b}[é"] {
            assert_eq!(plain(text), text);
        }
        let shown = Error::new(ErrorKind::Throw, Span::NONE, "\u{1b}[1mbold\u{1b}[0m \u{1b}[2J");
        let text = error(&shown, &sources(), Style::default());
        assert!(text.starts_with("error: bold ") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn both_definitions_are_shown_and_a_long_one_is_cut() {
        let sources = sources();
        let shown = Error::new(ErrorKind::Parse, span(&sources, "x = [\n    2 ]"), "duplicate 'x'")
            .with_label(span(&sources, "x = 1"), "first defined here");
        assert_eq!(
            error(&shown, &sources, Style::default()),
            "\
error: duplicate 'x'
 --> /p/a.nix:4:2
  |
2 |   x = 1;
  |   ----- first defined here
3 |   y = lenght;
4 |     x = [
  |     ^^^^^
"
        );
    }

    #[test]
    fn named_steps_come_first_and_the_others_are_few() {
        let sources = sources();
        let at = span(&sources, "f y");
        let mut shown = Error::new(ErrorKind::Throw, Span::NONE, "two\nlines");
        for n in 0..5 {
            let at = Span::new(at.lo + n % 2 * 2, at.hi);
            shown = shown.within(at, format!("while calling 'f{n}'"));
        }
        let shown = shown.within_user(Span::NONE, "while building the report");
        assert_eq!(
            error(&shown, &sources, Style::default()),
            "\
error: two
       lines
 --> /p/a.nix:6:4
  |
6 | in f y
  |    ^^^
  |
note: while building the report
note: while calling 'f0'
note: while calling 'f1'
 --> /p/a.nix:6:6
  |
6 | in f y
  |      ^
note: while calling 'f2'
note: 2 more steps led here; `--show-trace` shows them
"
        );
        let full = error(&shown, &sources, Style { trace: true, ..Style::default() });
        assert!(full.contains("f4") && !full.contains("more steps"));
        let coloured = error(&shown, &sources, Style { colour: true, ..Style::default() });
        assert!(coloured.contains('\u{1b}'));
    }

    #[test]
    fn bytes_that_are_no_text_do_not_move_the_place() {
        let sources = sources();
        let base = sources.find(60).unwrap().base;
        let shown = Error::new(ErrorKind::Eval, Span::new(base + 7, base + 13), "no");
        let text = error(&shown, &sources, Style::default());
        assert!(text.contains("caf? + import ./a.nix"), "{text}");
        assert!(text.contains("«string»:1:8"), "{text}");
        // every place can be shown, also one inside a character
        let mut sources = Sources::default();
        let text = "é\u{1F600}\r\n\t\u{1}x\u{7f}".as_bytes();
        let text = [text, b"\xff\xe2\x82 \x80\n"].concat();
        sources.add(Origin::Stdin, text.as_slice().into());
        for lo in 1..=text.len() as u32 + 1 {
            for hi in lo..=text.len() as u32 + 1 {
                let shown = Error::new(ErrorKind::Eval, Span::new(lo, hi), "no");
                assert!(error(&shown, &sources, Style::default()).contains("«stdin»"));
            }
        }
    }
}
