//! The Simple API of package indexes: PEP 503 (HTML), 691 (JSON), 592 (yanked), 658 and 714
//! (metadata beside a file), 700 (sizes). Reads a project's page into its files.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use super::{
    address::Address,
    http::{Http, HttpError, Page},
};

/// What we accept, JSON first.
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
                      application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// A page larger than this is refused; the largest of today have about 30 MB.
const MAX_PAGE: u64 = 256 << 20;

/// A file of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The file's name.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// Its SHA-256 in lower-case hexadecimal, where the page says it.
    pub sha256: Option<String>,
    /// Its size in bytes, where the page says it.
    pub size: Option<u64>,
    /// The Python versions it asks for.
    pub requires_python: Option<String>,
    /// Why it was yanked (the text may be empty).
    pub yanked: Option<String>,
    /// Whether its METADATA is found at its address and `.metadata` behind.
    pub metadata: bool,
}

/// Why a project's page cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SimpleError {
    /// It cannot be fetched.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The index has no such project.
    #[error("the index at {index} has no project '{project}'")]
    NoProject {
        /// The index.
        index: Address,
        /// The normalised name.
        project: String,
    },
    /// It is no page of the Simple API.
    #[error("{address}: not a page of the Simple API: {reason}")]
    Page {
        /// The page.
        address: Address,
        /// What is wrong.
        reason: String,
    },
}

/// A project's name as indexes write it (PEP 503): lower case, one dash for every run of `-`, `_`
/// and `.`.
#[must_use]
pub fn normalised(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// The files of a project, whose name is normalised (PEP 503).
///
/// # Errors
/// Where the page cannot be fetched or read.
pub fn project(http: &Http, index: &Address, project: &str) -> Result<Vec<File>, SimpleError> {
    let address = index.below(&format!("{project}/"));
    // a folder served by `file:` has its page in index.html
    let address = if address.scheme() == "file" { address.below("index.html") } else { address };
    match http.page(&address, ACCEPT, MAX_PAGE) {
        Ok(page) => files(&page),
        Err(HttpError::Status { code: 404, .. }) => {
            Err(SimpleError::NoProject { index: index.clone(), project: project.to_owned() })
        }
        Err(error) => Err(error.into()),
    }
}

/// The files that a page lists.
///
/// # Errors
/// Where it is no page of the Simple API, or of a later major version than 1.
pub fn files(page: &Page) -> Result<Vec<File>, SimpleError> {
    let fail = |reason: String| SimpleError::Page { address: page.address.clone(), reason };
    let json = page.content_type.ends_with("+json") || page.content_type == "application/json";
    if json {
        return from_json(page).map_err(fail);
    }
    let html = page.content_type.contains("html") || page.content_type.is_empty();
    if !html {
        return Err(fail(format!("its content type is '{}'", page.content_type)));
    }
    let text = String::from_utf8_lossy(&page.body);
    from_html(&page.address, &text).map_err(fail)
}

#[derive(Deserialize)]
struct JsonPage {
    meta: JsonMeta,
    files: Vec<JsonFile>,
}

#[derive(Deserialize)]
struct JsonMeta {
    #[serde(rename = "api-version")]
    api_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct JsonFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    size: Option<u64>,
    requires_python: Option<String>,
    #[serde(default)]
    yanked: Flag,
    #[serde(default)]
    core_metadata: Flag,
    // the name that PEP 714 replaces
    #[serde(default)]
    dist_info_metadata: Flag,
}

/// `false`, `true`, a text, or hashes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Text(String),
    Hashes(IgnoredAny),
}

impl Default for Flag {
    fn default() -> Self {
        Self::Bool(false)
    }
}

impl Flag {
    fn is_set(&self) -> bool {
        !matches!(self, Self::Bool(false))
    }
}

fn check_version(version: &str) -> Result<(), String> {
    match version.split('.').next() {
        Some("1") => Ok(()),
        _ => Err(format!("its version is '{version}', only 1.x is known")),
    }
}

fn from_json(page: &Page) -> Result<Vec<File>, String> {
    let json: JsonPage = serde_json::from_slice(&page.body).map_err(|e| e.to_string())?;
    check_version(&json.meta.api_version)?;
    let file = |file: JsonFile| {
        let sha256 = file.hashes.get("sha256").map(|hash| hash.to_ascii_lowercase());
        Ok(File {
            address: page.address.join(&file.url).map_err(|e| e.to_string())?,
            name: file.filename,
            sha256,
            size: file.size,
            requires_python: file.requires_python,
            yanked: match file.yanked {
                Flag::Text(reason) => Some(reason),
                Flag::Bool(true) | Flag::Hashes(_) => Some(String::new()),
                Flag::Bool(false) => None,
            },
            metadata: file.core_metadata.is_set() || file.dist_info_metadata.is_set(),
        })
    };
    json.files.into_iter().map(file).collect()
}

fn from_html(page: &Address, text: &str) -> Result<Vec<File>, String> {
    let mut base = page.clone();
    let mut files = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let (name, attributes, after) = tag(rest);
        rest = after;
        match name.as_str() {
            "meta" if attributes.get("name").is_some_and(|n| n == "pypi:repository-version") => {
                check_version(attributes.get("content").map_or("", String::as_str))?;
            }
            "base" => {
                if let Some(href) = attributes.get("href") {
                    base = page.join(href).map_err(|e| e.to_string())?;
                }
            }
            "a" => {
                let end = rest.find('<').unwrap_or(rest.len());
                let shown = unescaped(rest[..end].trim());
                if let Some(href) = attributes.get("href") {
                    files.push(link(&base, &shown, href, &attributes)?);
                }
            }
            _ => {}
        }
    }
    Ok(files)
}

fn link(
    base: &Address,
    shown: &str,
    href: &str,
    attributes: &BTreeMap<String, String>,
) -> Result<File, String> {
    let (url, fragment) = href.split_once('#').unwrap_or((href, ""));
    let sha256 = fragment.split('&').find_map(|part| part.strip_prefix("sha256="));
    let address = base.join(url).map_err(|e| e.to_string())?;
    // the text is the file's name (PEP 503); pages made by hand sometimes differ
    let last = address.path().split('?').next().unwrap_or_default().rsplit('/').next();
    let name = if shown.is_empty() { last.unwrap_or_default() } else { shown };
    let metadata = ["data-core-metadata", "data-dist-info-metadata"];
    Ok(File {
        name: name.to_owned(),
        sha256: sha256.map(str::to_ascii_lowercase),
        size: None,
        requires_python: attributes.get("data-requires-python").cloned(),
        yanked: attributes.get("data-yanked").cloned(),
        metadata: metadata.iter().any(|n| attributes.get(*n).is_some_and(|v| v != "false")),
        address,
    })
}

/// A tag's name and attributes in lower case, and what follows its `>`. `text` starts behind `<`.
fn tag(text: &str) -> (String, BTreeMap<String, String>, &str) {
    let end = text.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(text.len());
    let name = text[..end].trim_end_matches('/').to_ascii_lowercase();
    let mut attributes = BTreeMap::new();
    let mut rest = &text[end..];
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            return (name, attributes, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (name, attributes, after);
        }
        let stop = |c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/');
        // at least one character, so that the loop always moves on
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let end = rest[first..].find(stop).map_or(rest.len(), |at| at + first);
        let key = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            rest = after.trim_start();
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
            (value, rest) = match quote {
                Some(quote) => rest[1..].split_once(quote).unwrap_or((&rest[1..], "")),
                None => {
                    let end = rest.find(|c: char| c.is_whitespace() || c == '>');
                    rest.split_at(end.unwrap_or(rest.len()))
                }
            };
        }
        attributes.entry(key).or_insert_with(|| unescaped(value));
    }
}

/// The character references that pages of the Simple API have.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(';').unwrap_or(0);
        let character = match rest.get(1..end.max(1)).unwrap_or_default() {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            number => number.strip_prefix('#').and_then(|number| {
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)
            }),
        };
        match character {
            Some(character) => {
                out.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(content_type: &str, body: &str) -> Page {
        Page {
            address: Address::parse("http://index.test/simple/x/").unwrap(),
            content_type: content_type.to_owned(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn both_forms_give_the_same_files() {
        let json = r#"{"meta": {"api-version": "1.1"}, "name": "x", "files": [
            {"filename": "x-1-py3-none-any.whl", "url": "../../f/x-1-py3-none-any.whl",
             "hashes": {"sha256": "AB"}, "requires-python": ">=3.8", "yanked": "a & b",
             "core-metadata": {"sha256": "00"}},
            {"filename": "x-2.tar.gz", "url": "http://other.test/x-2.tar.gz", "hashes": {}}]}"#;
        let html = r#"<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0">
            </head><body><!-- <a href="no">no</a> --><h1>Links</h1>
            <a href="../../f/x-1-py3-none-any.whl#sha256=ab" data-requires-python="&gt;=3.8"
               data-yanked='a &amp; b' data-core-metadata="sha256=00">x-1-py3-none-any.whl</a><br/>
            <A HREF=http://other.test/x-2.tar.gz>x-2.tar.gz</A></body></html>"#;
        let from_json = files(&page("application/vnd.pypi.simple.v1+json", json)).unwrap();
        let from_html = files(&page("text/html", html)).unwrap();
        assert_eq!(from_json, from_html);
        assert_eq!(from_html[0].address.to_string(), "http://index.test/f/x-1-py3-none-any.whl");
        assert_eq!(from_html[0].yanked.as_deref(), Some("a & b"));
        assert!(from_html[0].metadata && !from_html[1].metadata);
        assert_eq!(from_html[1].sha256, None);
    }

    #[test]
    fn other_pages_are_refused() {
        for (content_type, body, reason) in [
            ("application/vnd.pypi.simple.v1+json", "{}", "missing field"),
            (
                "application/vnd.pypi.simple.v1+json",
                r#"{"meta": {"api-version": "2.0"}, "files": []}"#,
                "'2.0'",
            ),
            ("text/html", r#"<meta name="pypi:repository-version" content="2.0">"#, "'2.0'"),
            ("image/png", "", "'image/png'"),
            ("text/html", r#"<a href="ftp://x/y">y</a>"#, "scheme"),
        ] {
            let error = files(&page(content_type, body)).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_page_makes_it_panic(body in "[<>a-z=\"'&#;/! é-]{0,60}") {
            let _ = files(&page("text/html", &body));
        }
    }
}
