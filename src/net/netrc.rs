//! Credentials from a netrc file (the form that ftp, curl and pip read). They are sent to their own
//! host only, and never shown.

use std::path::Path;

use fs_err as fs;

/// The machines of a netrc file.
#[derive(Default)]
pub(crate) struct Netrc {
    /// Host name (nothing for `default`), login, password.
    machines: Vec<(Option<String>, String, String)>,
}

impl Netrc {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read; a file of another form has no machines.
    pub(crate) fn read(path: &Path) -> std::io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string(path)?))
    }

    /// Reads the text of such a file. Macros (`macdef`) are passed over.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Self {
        let mut machines: Vec<(Option<String>, String, String)> = Vec::new();
        let mut in_macro = false;
        for line in text.lines() {
            if in_macro {
                in_macro = !line.trim().is_empty();
                continue;
            }
            let mut words = line.split_whitespace();
            while let Some(word) = words.next() {
                match word {
                    "machine" => {
                        let Some(host) = words.next() else { break };
                        machines.push((
                            Some(host.to_ascii_lowercase()),
                            String::new(),
                            String::new(),
                        ));
                    }
                    "default" => machines.push((None, String::new(), String::new())),
                    "login" | "password" | "account" => {
                        let value = words.next().unwrap_or_default().to_owned();
                        match (machines.last_mut(), word) {
                            (Some(machine), "login") => machine.1 = value,
                            (Some(machine), "password") => machine.2 = value,
                            _ => {}
                        }
                    }
                    "macdef" => {
                        in_macro = true;
                        break;
                    }
                    _ if word.starts_with('#') => break,
                    _ => {}
                }
            }
        }
        Self { machines }
    }

    /// Login and password for a host.
    #[must_use]
    pub(crate) fn find(&self, host: &str) -> Option<(&str, &str)> {
        self.first(|machine| machine.is_none_or(|name| name == host))
    }

    /// Login and password for a host that the file names, which `default` does not.
    #[must_use]
    pub(crate) fn machine(&self, host: &str) -> Option<(&str, &str)> {
        self.first(|machine| machine == Some(host))
    }

    fn first(&self, fits: impl Fn(Option<&str>) -> bool) -> Option<(&str, &str)> {
        let (_, login, password) = self.machines.iter().find(|(name, ..)| fits(name.as_deref()))?;
        Some((login, password))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_machine_of_that_name_counts() {
        let text = "# a comment\nmachine a.test login me\n  password p#1\nmacdef x\n machine b.test\n\n\
                    machine a.test login two password 2\ndefault login any password none\n";
        let netrc = Netrc::parse(text);
        assert_eq!(netrc.find("a.test"), Some(("me", "p#1")));
        assert_eq!(netrc.find("b.test"), Some(("any", "none")));
        assert_eq!((netrc.machine("a.test"), netrc.machine("b.test")), (Some(("me", "p#1")), None));
        assert_eq!(Netrc::parse("machine").find("x"), None);
    }
}
