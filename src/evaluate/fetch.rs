//! `builtins.fetchurl`, `fetchTarball` and `fetchTree`: fixed outputs that are built when they are
//! asked for. Nothing is fetched without a hash; of a git repository (`git`) the revision is one.

mod git;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use clutch_expr::host::{
    AddPath, FetchRequest, FetchValue, Fetched, Host as _, HostError, HostResult,
};

use super::{EvalHost, hash_positions::Given, host::parse};
use crate::git::shown_address;
use crate::{
    derivation::{Draft, DraftOutputs, Fixed, HashMode},
    hash::{Algorithm, Format, Hash},
};

/// Fetches by hash.
pub(super) fn fetch(host: &EvalHost<'_>, request: &FetchRequest) -> HostResult<Fetched> {
    let arguments = Arguments { request };
    match request.builtin.as_str() {
        "fetchurl" => {
            let url = arguments.required("url")?;
            let (hash, given) = arguments.hash("sha256", &url)?;
            let last = url.rsplit('/').next().unwrap_or_default().to_owned();
            let name = arguments.text("name").unwrap_or(last);
            let path =
                build(host, name, url, (Fixed { mode: HashMode::Flat, hash }, given), false)?;
            Ok(Fetched { path, attrs: Vec::new(), later: Vec::new() })
        }
        "fetchTarball" => {
            let url = arguments.required("url")?;
            let (hash, given) = arguments.hash("sha256", &url)?;
            let name = arguments.text("name").unwrap_or_else(|| "source".to_owned());
            let path =
                build(host, name, url, (Fixed { mode: HashMode::Recursive, hash }, given), true)?;
            Ok(Fetched { path, attrs: Vec::new(), later: Vec::new() })
        }
        _ if arguments.is_git() => git::fetch(host, &arguments),
        _ => tree(host, &arguments),
    }
}

/// An attribute that [`fetch`] left for later.
pub(super) fn fetch_later(
    host: &EvalHost<'_>,
    request: &FetchRequest,
    attribute: &str,
) -> HostResult<FetchValue> {
    let arguments = Arguments { request };
    match attribute {
        "revCount" if arguments.is_git() => git::count(host, &arguments),
        other => Err(arguments.refuse(format!("there is no attribute '{other}'"))),
    }
}

fn tree(host: &EvalHost<'_>, arguments: &Arguments<'_>) -> HostResult<Fetched> {
    let kind = arguments.required("type")?;
    let place = match kind.as_str() {
        "file" | "tarball" => "url",
        "path" => "path",
        other => {
            return Err(arguments.refuse(format!(
                "the type '{other}' is left out; the types are 'file', 'git', 'path' and 'tarball'"
            )));
        }
    };
    for (name, _) in &arguments.request.args {
        let known = ["type", place, "narHash", "rev", "revCount", "lastModified"];
        if !known.contains(&name.as_str()) {
            return Err(arguments.refuse(format!("the type '{kind}' has no attribute '{name}'")));
        }
    }
    let from = arguments.required(place)?;
    let (hash, given) = arguments.hash("narHash", &from)?;
    let path = if kind == "path" {
        let path = PathBuf::from(&from);
        if !path.is_absolute() {
            return Err(arguments.refuse(format!("'{from}' is not an absolute path")));
        }
        let sha256 = Some(hash.format(Format::Sri));
        let name = "source".to_owned();
        host.add_path(&AddPath { path, name, recursive: true, sha256, follow: true }, None)?
    } else {
        let fixed = Fixed { mode: HashMode::Recursive, hash };
        build(host, "source".to_owned(), from, (fixed, given), kind == "tarball")?
    };
    Ok(Fetched { path, attrs: attributes(arguments, hash)?, later: Vec::new() })
}

/// What a tree has beside its path: its hash, and what it was said to be.
fn attributes(arguments: &Arguments<'_>, hash: Hash) -> HostResult<Vec<(String, FetchValue)>> {
    let text = |name: &str, text| (name.to_owned(), FetchValue::String(text));
    let mut attrs = vec![text("narHash", hash.format(Format::Sri))];
    if let Some(rev) = arguments.text("rev") {
        if rev.len() < 40 || !rev.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(arguments.refuse(format!("rev: '{rev}' is not a full revision")));
        }
        attrs.extend([text("shortRev", rev[..7].to_owned()), text("rev", rev)]);
    }
    if let Some(count) = arguments.number("revCount") {
        attrs.push(("revCount".to_owned(), FetchValue::Int(count)));
    }
    if let Some(time) = arguments.number("lastModified") {
        attrs.push(("lastModified".to_owned(), FetchValue::Int(time)));
        attrs.push(text("lastModifiedDate", date(time)));
    }
    Ok(attrs)
}

/// Seconds since 1970 as `20261124173000`, in UTC.
fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // days from 1 March of year 0, in eras of 400 years (the proleptic Gregorian calendar)
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// The output of a download, made valid.
fn build(
    host: &EvalHost<'_>,
    name: String,
    url: String,
    (fixed, given): (Fixed, Given),
    unpack: bool,
) -> HostResult<String> {
    // the hash as it was written is for messages
    let mut env = BTreeMap::from([
        ("url".to_owned(), url.into_bytes()),
        ("outputHash".to_owned(), given.text.clone().into_bytes()),
    ]);
    if unpack {
        env.insert("unpack".to_owned(), b"1".to_vec());
    }
    let draft = Draft {
        name,
        system: "builtin".into(),
        builder: b"builtin:fetch".to_vec(),
        args: Vec::new(),
        env,
        structured: None,
        outputs: DraftOutputs::Fixed(fixed),
        input_derivations: BTreeMap::new(),
        input_sources: BTreeSet::new(),
    };
    let (path, derivation) = host.resolve(draft)?;
    host.note().hashes.insert(path.clone(), given);
    host.build(&[(path, BTreeSet::from(["out".to_owned()]))])?;
    Ok(derivation.outputs["out"].path.to_string())
}

/// Refuses addresses with credentials in a fetch: a derivation is a file of the store, which everybody may
/// read and which is copied to other machines.
pub(super) fn check_addresses(draft: &Draft) -> HostResult<()> {
    if draft.builder != b"builtin:fetch" {
        return Ok(());
    }
    let structured = draft.structured.as_deref().and_then(|json| {
        let all: serde_json::Value = serde_json::from_str(json).ok()?;
        Some(["url", "urls", "index"].map(|name| all.get(name).cloned().unwrap_or_default()))
    });
    let mut texts: Vec<Cow<'_, str>> = Vec::new();
    for value in structured.into_iter().flatten() {
        match value {
            serde_json::Value::String(text) => texts.push(text.into()),
            serde_json::Value::Array(items) => {
                texts
                    .extend(items.iter().filter_map(|item| Some(item.as_str()?.to_owned().into())));
            }
            _ => {}
        }
    }
    let flat = ["url", "urls", "index"].iter().filter_map(|name| draft.env.get(*name));
    texts.extend(flat.map(|text| String::from_utf8_lossy(text)));
    for word in texts.iter().flat_map(|text| text.split_whitespace()) {
        if let Cow::Owned(shown) = shown_address(word) {
            return Err(HostError::new(format!(
                "the address '{shown}' is given with a name or password, which everybody could read \
                 in the derivation; put `machine HOST login NAME password PASSWORD` into ~/.netrc \
                 instead"
            )));
        }
    }
    Ok(())
}

struct Arguments<'r> {
    request: &'r FetchRequest,
}

impl Arguments<'_> {
    fn refuse(&self, text: impl std::fmt::Display) -> HostError {
        HostError::new(format!("builtins.{}: {text}", self.request.builtin))
    }

    fn is_git(&self) -> bool {
        let kind = self.text("type");
        self.request.builtin == "fetchGit" || kind.as_deref() == Some("git")
    }

    fn find(&self, name: &str) -> Option<&FetchValue> {
        self.request.args.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.find(name) {
            Some(FetchValue::String(text)) => Some(text.clone()),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<i64> {
        match self.find(name) {
            Some(FetchValue::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// A truth value that may be left out.
    fn flag(&self, name: &str) -> HostResult<Option<bool>> {
        match self.find(name) {
            None => Ok(None),
            Some(FetchValue::Bool(truth)) => Ok(Some(*truth)),
            Some(_) => Err(self.refuse(format!("`{name}` is to be true or false"))),
        }
    }

    fn required(&self, name: &str) -> HostResult<String> {
        self.text(name)
            .ok_or_else(|| self.refuse(format!("the attribute '{name}' is missing, or no text")))
    }

    /// A hash, and how it is written.
    fn hash(&self, name: &str, place: &str) -> HostResult<(Hash, Given)> {
        let text = self.text(name).ok_or_else(|| {
            self.refuse(format!(
                "'{place}' has no hash: give `{name}`, since nothing is fetched without one; with \
                 `{name} = \"\"` the error says the right one"
            ))
        })?;
        let hash = parse(&text, Some(Algorithm::Sha256)).map_err(|e| self.refuse(e))?;
        if hash.algorithm() != Algorithm::Sha256 {
            return Err(self.refuse(format!("`{name}` is to be a SHA-256, not '{text}'")));
        }
        let places = self.request.hash_place.iter().cloned().collect();
        Ok((hash, Given { text, places }))
    }
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // as `date -u -d @N +%Y%m%d%H%M%S` prints them
        assert_eq!(date(0), "19700101000000");
        assert_eq!(date(951_782_399), "20000228235959");
        assert_eq!(date(951_782_400), "20000229000000");
        assert_eq!(date(4_107_542_400), "21000301000000");
        assert_eq!(date(1_795_541_400), "20261124173000");
    }
}
