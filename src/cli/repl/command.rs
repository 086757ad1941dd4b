//! The commands of the repl: lines that start with a colon.

/// A line that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'t> {
    /// An expression or bindings.
    Line(&'t str),
    /// `:a`: the attributes of a set become variables.
    Add(&'t str),
    /// `:b`: builds.
    Build(&'t str),
    /// `:doc`
    Document(&'t str),
    /// `:l`
    Load(&'t str),
    /// `:p`: prints in full.
    Print(&'t str),
    /// `:q`
    Quit,
    /// `:r`
    Reload,
    /// `:t`
    Type(&'t str),
    /// `:te`: whether errors are shown with every step.
    Trace(&'t str),
    /// `:?`
    Help,
    /// `:lf`
    LoadFlake,
    /// No command.
    Unknown(&'t str),
}

/// Every name of a command, for completion.
pub(super) const NAMES: &[&str] = &[
    ":?", ":a", ":add", ":b", ":build", ":doc", ":help", ":l", ":load", ":p", ":print", ":q",
    ":quit", ":r", ":reload", ":t", ":te", ":type",
];

/// What `:?` says.
pub(super) const HELP: &str = "\
EXPRESSION         evaluates and prints one level of the value
NAME = EXPRESSION  defines; so do `a = 1; b = 2` and `inherit (set) name`
:a EXPRESSION      makes the attributes of a set variables
:b EXPRESSION      builds a derivation and prints its outputs
:doc EXPRESSION    shows what a builtin is for, or a function's comment /** ... */
:l PATH            loads a file and makes the attributes of its value variables
:p EXPRESSION      evaluates and prints in full
:r                 forgets everything and loads the files again
:t EXPRESSION      shows the type of a value
:te [true|false]   shows every step that led to an error, or does not
:q                 quits, as Ctrl-D does
:?                 shows this
Tab completes names, attributes, paths and commands. Ctrl-C ends an evaluation.
";

impl<'t> Command<'t> {
    /// What a line asks for.
    pub(super) fn parse(line: &'t str) -> Self {
        let text = line.trim_start();
        if !text.starts_with(':') {
            return Self::Line(line);
        }
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let rest = rest.trim();
        match name {
            ":a" | ":add" => Self::Add(rest),
            ":b" | ":build" => Self::Build(rest),
            ":doc" => Self::Document(rest),
            ":l" | ":load" => Self::Load(rest),
            ":lf" | ":load-flake" => Self::LoadFlake,
            ":p" | ":print" => Self::Print(rest),
            ":q" | ":quit" => Self::Quit,
            ":r" | ":reload" => Self::Reload,
            ":t" | ":type" => Self::Type(rest),
            ":te" | ":trace-enable" => Self::Trace(rest),
            ":?" | ":h" | ":help" => Self::Help,
            other => Self::Unknown(other),
        }
    }

    /// The part of the line that is of the language.
    pub(super) fn expression(self) -> Option<&'t str> {
        match self {
            Self::Line(text)
            | Self::Add(text)
            | Self::Build(text)
            | Self::Document(text)
            | Self::Print(text)
            | Self::Type(text) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_at_the_start_makes_a_command() {
        assert_eq!(Command::parse("  :p x "), Command::Print("x"));
        assert_eq!(Command::parse(":t\n{ }"), Command::Type("{ }"));
        assert_eq!(Command::parse("x: x"), Command::Line("x: x"));
        assert_eq!(Command::parse(":nope 1"), Command::Unknown(":nope"));
        for name in NAMES {
            assert!(!matches!(Command::parse(name), Command::Unknown(_)), "{name}");
            let helps = name.len() > 3 || HELP.contains(&format!("{name} ")) || *name == ":doc";
            assert!(helps, "{name}");
        }
    }
}
