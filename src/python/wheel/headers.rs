//! The files of header lines in a distribution: `METADATA` (core metadata) and `WHEEL`.

/// Header lines, in order; names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Reads the lines up to the first empty one. A line that starts with white space continues
    /// the one before.
    ///
    /// # Errors
    /// The reason: not UTF-8, or a line without a colon.
    pub fn parse(content: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            if line.is_empty() {
                break;
            }
            if line.starts_with([' ', '\t'])
                && let Some((_, value)) = headers.last_mut()
            {
                value.push('\n');
                value.push_str(line.trim());
                continue;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| format!("line '{line}' is not 'Name: value'"))?;
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Self(headers))
    }

    /// The value of the only header of that name (lower case).
    ///
    /// # Errors
    /// The reason: there is none, or more than one with different values.
    pub fn one(&self, name: &str) -> Result<&str, String> {
        let mut values = self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let first = values.next().ok_or_else(|| format!("it has no header '{name}'"))?;
        match values.find(|other| *other != first) {
            None => Ok(first),
            Some(other) => Err(format!("header '{name}' is both '{first}' and '{other}'")),
        }
    }

    /// The values of the headers of that name (lower case).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read() {
        let text =
            b"Name: Flask\r\nRequires-Dist: a\nrequires-dist: b ;\n  python_version<'3'\n\nX: y\n";
        let headers = Headers::parse(text).unwrap();
        assert_eq!(headers.one("name"), Ok("Flask"));
        assert_eq!(
            headers.all("requires-dist").collect::<Vec<_>>(),
            ["a", "b ;\npython_version<'3'"]
        );
        assert!(headers.one("x").is_err() && headers.one("requires-dist").is_err());
    }

    #[test]
    fn what_is_no_header_is_refused() {
        assert!(Headers::parse(b"Name Flask\n").is_err());
        assert!(Headers::parse(b" Name: Flask\n").is_ok());
        assert!(Headers::parse(b"Name: \xff\n").is_err());
    }
}
