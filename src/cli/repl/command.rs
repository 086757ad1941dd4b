//! The commands of the repl: lines that start with a colon.

/// A parsed line.
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
    /// `:te`: shows or hides the trace of errors.
    Trace(&'t str),
    /// `:?`
    Help,
    /// `:lf`
    LoadFlake,
    /// An unknown command.
    Unknown(&'t str),
}

/// All command names, for completion.
pub(super) const NAMES: &[&str] = &[
    ":?", ":a", ":add", ":b", ":build", ":doc", ":help", ":l", ":load", ":p", ":print", ":q",
    ":quit", ":r", ":reload", ":t", ":te", ":type",
];

/// The text of `:?`.
pub(super) const HELP: &str = "\
EXPRESSION         Evaluate an expression and print one level of its value
NAME = EXPRESSION  Define a variable; `a = 1; b = 2` and `inherit (set) name` work, too
:a EXPRESSION      Add the attributes of a set as variables
:b EXPRESSION      Build a derivation and print its outputs
:doc EXPRESSION    Show the documentation of a builtin or a function
:l PATH            Load a file and add the attributes of its value as variables
:p EXPRESSION      Evaluate an expression and print its whole value
:r                 Forget all variables and load the files again
:t EXPRESSION      Show the type of a value
:te [true|false]   Show or hide the trace of errors
:q                 Quit; Ctrl-D does the same
:?                 Show this help
Press Tab to complete names, attributes, paths and commands, Ctrl-C to stop an evaluation.
";

impl<'t> Command<'t> {
    /// Parses a line.
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

    /// The part of the line that is an expression.
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
