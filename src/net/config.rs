//! clutch's own configuration file, `config.toml` (README, "Indexes"). It has one table, `[index]`. Anything else is
//! an error, with its line.

use std::{collections::BTreeMap, ops::Range, path::PathBuf};

use clutch_expr::suggest::did_you_mean;
use toml::de::DeTable;

use super::{
    config_file::{self, ConfigFileError},
    host::HostEnvironment,
};

/// The tables that the file may have.
const TABLES: [&str; 1] = ["index"];

/// The settings of the file.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// Name of an index to its address.
    pub(super) indexes: BTreeMap<String, String>,
    /// The file, for messages.
    pub(super) file: PathBuf,
}

impl Config {
    /// The user's file; an empty one if there is none.
    ///
    /// # Errors
    /// Names the file and the line of the mistake.
    pub(super) fn read(environment: &HostEnvironment) -> Result<Self, ConfigFileError> {
        let Some(file) = environment.clutch_config() else { return Ok(Self::default()) };
        let text = config_file::read(&file)?.unwrap_or_default();
        Self::parse(file, &text)
    }

    fn parse(file: PathBuf, text: &str) -> Result<Self, ConfigFileError> {
        let fail =
            |span: Range<usize>, reason: String| ConfigFileError::at(&file, text, &span, reason);
        let config =
            DeTable::parse(text).map_err(|e| ConfigFileError::not_toml(&file, text, &e))?;
        let mut indexes = BTreeMap::new();
        for (key, value) in config.get_ref() {
            if !TABLES.contains(&&**key.get_ref()) {
                let near = did_you_mean(key.get_ref(), TABLES.iter().map(ToString::to_string));
                let advice = near.unwrap_or_else(|| "expected the table [index]".to_owned());
                let reason = format!("unknown setting '{}'; {advice}", key.get_ref());
                return Err(fail(key.span(), reason));
            }
            let table = value.get_ref().as_table();
            let reason = || "expected a table [index] of names and addresses".to_owned();
            for (name, url) in table.ok_or_else(|| fail(value.span(), reason()))? {
                let name = name.get_ref();
                let text = url.get_ref().as_str().ok_or_else(|| {
                    fail(url.span(), format!("expected a string for '{name}' in the table [index]"))
                })?;
                indexes.insert(name.to_string(), text.to_owned());
            }
        }
        Ok(Self { indexes, file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_told_with_its_line() {
        let parse = |text| Config::parse("c.toml".into(), text).map_err(|e| e.to_string());
        let config =
            parse("[index]\npypi = \"http://a.test\"\nmine = \"http://b.test\"\n").unwrap();
        assert_eq!(config.indexes["mine"], "http://b.test");
        for (text, expected) in [
            ("\n[indx]\npypi = 'x'\n", "c.toml:2: unknown setting 'indx'; did you mean 'index'?"),
            ("jobs = 3\n", "c.toml:1: unknown setting 'jobs'; expected the table [index]"),
            ("index = 'http://u:s3cret@h'", "c.toml:1: expected a table"),
            ("[index]\n\npypi = 3", "c.toml:3: expected a string for 'pypi'"),
            ("[index]\npypi = 'http://u:s3cret@h' x", "c.toml:2: not TOML"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
    }
}
