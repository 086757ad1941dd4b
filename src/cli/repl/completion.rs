//! Tab completion: commands, paths, attributes after a dot, variables.

use std::{path::Path, sync::mpsc, time::Duration};

use super::{
    command::{Command, NAMES},
    evaluator::Evaluator,
};

/// The time limit for evaluating the expression before a dot.
const PATIENCE: Duration = Duration::from_secs(1);

impl Evaluator<'_, '_, '_> {
    /// The candidates for the end of a line, and their start in it. For attributes, evaluates the
    /// expression before the dot; offers nothing if that fails or is slow.
    pub(super) fn complete(&mut self, line: &str) -> (usize, Vec<String>) {
        if line.starts_with(':') && !line.contains(char::is_whitespace) {
            return (0, starting(NAMES.iter().map(|name| (*name).to_owned()), line));
        }
        if let Command::Load(path) = Command::parse(line) {
            return (line.len() - path.len(), self.paths(path));
        }
        let start = word_start(line);
        let word = &line[start..];
        if word.contains('/') {
            return (start, self.paths(word));
        }
        let (subject, name) = match word.rfind('.') {
            Some(dot) => (Some(&word[..dot]), &word[dot + 1..]),
            None => (None, word),
        };
        let names = match subject {
            Some(subject) => self.patiently(|evaluator| evaluator.attributes(subject)),
            None => self.variables(),
        };
        (line.len() - name.len(), starting(names.into_iter(), name))
    }

    /// Runs an evaluation with a time limit, without builds and messages.
    fn patiently<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let limit = self.limit();
        self.set_completing(true);
        let result = std::thread::scope(|scope| {
            let (done, waits) = mpsc::channel::<()>();
            let watched = limit.clone();
            scope.spawn(move || {
                if waits.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                    watched.stop();
                }
            });
            let result = run(self);
            drop(done);
            result
        });
        limit.resume();
        self.set_completing(false);
        result
    }

    /// The entries of the path's folder. Folders end in a slash.
    fn paths(&self, path: &str) -> Vec<String> {
        let (folder, name) = path.rfind('/').map_or(("", path), |at| path.split_at(at + 1));
        let home = std::env::var("HOME").unwrap_or_default();
        let place = match folder.strip_prefix("~/") {
            Some(below) => Path::new(&home).join(below),
            None => Path::new(".").join(folder),
        };
        let entries = fs_err::read_dir(place).into_iter().flatten().filter_map(Result::ok);
        let names = entries.filter_map(|entry| {
            let slash = if entry.path().is_dir() { "/" } else { "" };
            Some(entry.file_name().into_string().ok()? + slash)
        });
        let shown = names.filter(|entry| name.starts_with('.') || !entry.starts_with('.'));
        let found = starting(shown, name);
        found.into_iter().map(|name| format!("{folder}{name}")).collect()
    }
}

/// The start of the last word of a line: a path, or names between dots.
fn word_start(line: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || "_-'./~\"".contains(c);
    line.rfind(|c: char| !is_word(c))
        .map_or(0, |at| at + line[at..].chars().next().map_or(0, char::len_utf8))
}

/// The names with this prefix, in order.
fn starting(names: impl Iterator<Item = String>, start: &str) -> Vec<String> {
    let mut found: Vec<String> = names.filter(|name| name.starts_with(start)).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_names_between_dots_or_paths() {
        let word = |line: &'static str| &line[word_start(line)..];
        assert_eq!(word("map (x: lib.at"), "lib.at");
        assert_eq!(word("[ ./ex"), "./ex");
        assert_eq!(word("1+a.b"), "a.b");
        assert_eq!(word("é = "), "");
        assert_eq!(word("{é"), "é");
        assert_eq!(word(""), "");
    }
}
