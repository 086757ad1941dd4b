//! The Simple API of package indexes: PEP 503 (HTML), 691 (JSON), 592 (yanked), 658 and 714
//! (metadata beside a file), 700 (sizes). Reads a project's page into its files.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    address::{Address, AddressError},
    html::{Attributes, tag, unescaped},
    http::{Http, HttpError, Page},
};
use crate::limits;

/// The content types that are accepted, JSON first.
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
                      application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// A file of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The file's name.
    pub name: String,
    /// Its address.
    pub address: Address,
    /// Its SHA-256 in lower-case hexadecimal, if the page has it: always 64 digits.
    pub sha256: Option<String>,
    /// Its size in bytes, if the page has it.
    pub size: Option<u64>,
    /// The Python versions it asks for.
    pub requires_python: Option<String>,
    /// Why it was yanked (the text may be empty).
    pub yanked: Option<String>,
    /// True if its METADATA is at its address with `.metadata` appended (PEP 658).
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
    /// It is not a page of the Simple API.
    #[error("{address}: not a page of the Simple API: {reason}")]
    Page {
        /// The page.
        address: Address,
        /// The problem.
        reason: Box<PageError>,
    },
}

/// Why a page is not one of the Simple API that can be used.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// It has another content type.
    #[error("its content type is '{0}', expected JSON or HTML")]
    ContentType(String),
    /// It is not JSON, or lacks something.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A version of the API that is not known.
    #[error("version '{0}' of the Simple API is not supported, only 1.x")]
    Version(String),
    /// A link that cannot be followed.
    #[error(transparent)]
    Link(#[from] AddressError),
    /// A link from a server to a file of this machine.
    #[error("it links to a file of this machine: {0}")]
    LocalFile(Address),
    /// More files than any project has.
    #[error("{}", too_many())]
    Files,
    /// Addresses that would take too much memory.
    #[error("the addresses of its files have more than {} bytes", limits::PAGE_ADDRESSES)]
    Addresses,
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
/// If the page cannot be fetched or read.
pub fn project(http: &Http, index: &Address, project: &str) -> Result<Vec<File>, SimpleError> {
    let address = index.below(&format!("{project}/"));
    // a folder served by `file:` has its page in index.html
    let address = if address.scheme() == "file" { address.below("index.html") } else { address };
    match http.page(&address, ACCEPT, limits::PAGE) {
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
/// If it is not a page of the Simple API, or has a later major version than 1.
pub fn files(page: &Page) -> Result<Vec<File>, SimpleError> {
    let fail =
        |reason| SimpleError::Page { address: page.address.clone(), reason: Box::new(reason) };
    let json = page.content_type.ends_with("+json") || page.content_type == "application/json";
    if json {
        return from_json(page).map_err(fail);
    }
    let html = page.content_type.contains("html") || page.content_type.is_empty();
    if !html {
        return Err(fail(PageError::ContentType(page.content_type.clone())));
    }
    let text = String::from_utf8_lossy(&page.body);
    from_html(&page.address, &text).map_err(fail)
}

#[derive(Deserialize)]
struct JsonPage {
    meta: JsonMeta,
    #[serde(deserialize_with = "files_of")]
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
    hashes: Sha256,
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

/// The SHA-256 of a table of hashes.
#[derive(Default)]
struct Sha256(Option<String>);

/// `false`, `true`, a text, or something that counts as true, such as a table of hashes.
#[derive(Default)]
enum Flag {
    #[default]
    No,
    Yes,
    Text(String),
}

/// Reads a list up to the number of files that a page may have, and nothing that is not needed into
/// memory.
fn files_of<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<JsonFile>, D::Error> {
    struct Files;
    impl<'de> Visitor<'de> for Files {
        type Value = Vec<JsonFile>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of files")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut files = Vec::new();
            while let Some(file) = list.next_element()? {
                if files.len() == limits::PAGE_FILES {
                    return Err(A::Error::custom(too_many()));
                }
                files.push(file);
            }
            Ok(files)
        }
    }
    from.deserialize_seq(Files)
}

fn too_many() -> String {
    format!("it lists more than {} files", limits::PAGE_FILES)
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = Sha256;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of hashes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Sha256, A::Error> {
                let mut found = None;
                while let Some(name) = table.next_key::<String>()? {
                    if name == "sha256" {
                        found = sha256(&table.next_value::<String>()?);
                    } else {
                        table.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Sha256(found))
            }
        }
        from.deserialize_map(Table)
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, a text or a table")
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Flag, E> {
                Ok(if flag { Flag::Yes } else { Flag::No })
            }

            fn visit_unit<E>(self) -> Result<Flag, E> {
                Ok(Flag::No)
            }

            fn visit_str<E>(self, text: &str) -> Result<Flag, E> {
                Ok(Flag::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Flag, A::Error> {
                while table.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Flag::Yes)
            }
        }
        from.deserialize_any(Any)
    }
}

/// A SHA-256 in hexadecimal; nothing for any other text.
fn sha256(text: &str) -> Option<String> {
    let is_one = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_one.then(|| text.to_ascii_lowercase())
}

/// The addresses of a page's files. If all of them are below a long one, they take many times the memory of the page.
#[derive(Default)]
struct Links {
    bytes: usize,
}

impl Links {
    /// Resolves a link on `page`, whose relative links start at `base`.
    fn find(&mut self, page: &Address, base: &Address, link: &str) -> Result<Address, PageError> {
        let address = base.join(link)?;
        if address.scheme() == "file" && page.scheme() != "file" {
            return Err(PageError::LocalFile(address));
        }
        self.bytes += address.path().len();
        if self.bytes > limits::PAGE_ADDRESSES {
            return Err(PageError::Addresses);
        }
        Ok(address)
    }
}

fn check_version(version: &str) -> Result<(), PageError> {
    match version.split('.').next() {
        Some("1") => Ok(()),
        _ => Err(PageError::Version(version.to_owned())),
    }
}

fn from_json(page: &Page) -> Result<Vec<File>, PageError> {
    let json: JsonPage = serde_json::from_slice(&page.body)?;
    check_version(&json.meta.api_version)?;
    let mut links = Links::default();
    let file = |file: JsonFile| {
        Ok(File {
            address: links.find(&page.address, &page.address, &file.url)?,
            name: file.filename,
            sha256: file.hashes.0,
            size: file.size,
            requires_python: file.requires_python,
            yanked: match file.yanked {
                Flag::Text(reason) => Some(reason),
                Flag::Yes => Some(String::new()),
                Flag::No => None,
            },
            metadata: ![file.core_metadata, file.dist_info_metadata]
                .iter()
                .all(|flag| matches!(flag, Flag::No)),
        })
    };
    json.files.into_iter().map(file).collect()
}

fn from_html(page: &Address, text: &str) -> Result<Vec<File>, PageError> {
    let mut base = page.clone();
    let (mut files, mut links) = (Vec::new(), Links::default());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let (name, attributes, after) = tag(rest);
        rest = after;
        if name.eq_ignore_ascii_case("meta") {
            if attributes.get("name").is_some_and(|n| n == "pypi:repository-version") {
                check_version(attributes.get("content").unwrap_or_default())?;
            }
        } else if name.eq_ignore_ascii_case("base") {
            if let Some(href) = attributes.get("href") {
                base = page.join(href)?;
            }
        } else if name.eq_ignore_ascii_case("a")
            && let Some(href) = attributes.get("href")
        {
            if files.len() == limits::PAGE_FILES {
                return Err(PageError::Files);
            }
            let end = rest.find('<').unwrap_or(rest.len());
            let shown = unescaped(rest[..end].trim());
            let (url, fragment) = href.split_once('#').unwrap_or((href, ""));
            let address = links.find(page, &base, url)?;
            files.push(link(address, shown, fragment, &attributes));
        }
    }
    Ok(files)
}

fn link(address: Address, shown: String, fragment: &str, attributes: &Attributes) -> File {
    let hash = fragment.split('&').find_map(|part| part.strip_prefix("sha256="));
    // the text is the file's name (PEP 503); pages made by hand sometimes differ
    let last = address.path().split('?').next().unwrap_or_default().rsplit('/').next();
    let name = if shown.is_empty() { last.unwrap_or_default().to_owned() } else { shown };
    let metadata = ["data-core-metadata", "data-dist-info-metadata"];
    File {
        name,
        sha256: hash.and_then(sha256),
        size: None,
        requires_python: attributes.get("data-requires-python").map(str::to_owned),
        yanked: attributes.get("data-yanked").map(str::to_owned),
        metadata: metadata.iter().any(|n| attributes.get(n).is_some_and(|v| v != "false")),
        address,
    }
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
        let hash = "ab".repeat(32);
        let json = r#"{"meta": {"api-version": "1.1"}, "name": "x", "files": [
            {"filename": "x-1-py3-none-any.whl", "url": "../../f/x-1-py3-none-any.whl",
             "hashes": {"md5": 1, "sha256": "ABAB"}, "requires-python": ">=3.8", "yanked": "a & b",
             "core-metadata": {"sha256": "00"}},
            {"filename": "x-2.tar.gz", "url": "http://other.test/x-2.tar.gz", "hashes": {}}]}"#;
        let html = r#"<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0">
            </head><body><!-- <a href="no">no</a> --><h1>Links</h1>
            <a href="../../f/x-1-py3-none-any.whl#sha256=ABAB" data-requires-python="&gt;=3.8"
               data-yanked='a &amp; b' data-core-metadata="sha256=00">x-1-py3-none-any.whl</a><br/>
            <A HREF=http://other.test/x-2.tar.gz>x-2.tar.gz</A></body></html>"#;
        let (json, html) = (json.replace("ABAB", &hash), html.replace("ABAB", &hash));
        let from_json = files(&page("application/vnd.pypi.simple.v1+json", &json)).unwrap();
        let from_html = files(&page("text/html", &html)).unwrap();
        assert_eq!(from_json, from_html);
        assert_eq!(from_html[0].address.to_string(), "http://index.test/f/x-1-py3-none-any.whl");
        assert_eq!(from_html[0].yanked.as_deref(), Some("a & b"));
        assert!(from_html[0].metadata && !from_html[1].metadata);
        assert_eq!((from_html[0].sha256.as_ref(), &from_html[1].sha256), (Some(&hash), &None));
    }

    #[test]
    fn what_is_no_hash_is_none() {
        for hash in ["", "ab", "../../x", &"g".repeat(64), &"ab".repeat(33), &"é".repeat(32)] {
            let json = format!(
                r#"{{"meta": {{"api-version": "1.0"}}, "files": [
                    {{"filename": "x", "url": "x", "hashes": {{"sha256": "{hash}"}}, "yanked": null}}]}}"#
            );
            let file = files(&page("application/json", &json)).unwrap().remove(0);
            assert_eq!((file.sha256, file.yanked), (None, None), "{hash}");
            let html = format!("<a href='x#sha256={hash}'>x</a>");
            assert_eq!(files(&page("text/html", &html)).unwrap()[0].sha256, None, "{hash}");
        }
    }

    #[test]
    fn a_page_of_a_server_links_to_no_file_of_this_machine() {
        for html in ["<a href='file:///etc/x'>x</a>", "<base href='file:///etc/'><a href=x>x</a>"] {
            let error = files(&page("text/html", html)).unwrap_err().to_string();
            assert!(error.contains("file of this machine: file:///etc/x"), "{error}");
        }
        let json =
            r#"{"meta": {"api-version": "1.0"}, "files": [{"filename": "x", "url": "file:/x"}]}"#;
        assert!(files(&page("application/json", json)).is_err());
        let mut local = page("", "<a href='file:///etc/x'>x</a><a href=y>y</a>");
        local.address = Address::parse("file:///srv/x/index.html").unwrap();
        assert_eq!(files(&local).unwrap()[1].address.local_path().unwrap(), "/srv/x/y");
    }

    #[test]
    fn large_pages_take_little() {
        let start = std::time::Instant::now();
        let json = |files: &str| {
            let text = format!(r#"{{"meta": {{"api-version": "1.0"}}, "files": [{files}]}}"#);
            files_or_reason("application/json", &text)
        };
        fn files_or_reason(kind: &str, text: &str) -> String {
            match files(&page(kind, text)) {
                Ok(files) => files.len().to_string(),
                Err(error) => error.to_string(),
            }
        }
        let file = r#"{"filename":"","url":""},"#;
        let most = limits::PAGE_FILES;
        assert_eq!(json(file.repeat(most).trim_end_matches(',')), most.to_string());
        assert!(json(file.repeat(most + 1).trim_end_matches(',')).contains("more than"));
        // what is not needed is not kept, however large
        let zeros = format!("[{}0]", "0,".repeat(512 << 10));
        let more = format!(
            r#"{{"filename":"x","url":"x","hashes":{{"a":{zeros}}},"core-metadata":{{"b":{zeros}}}}}"#
        );
        assert_eq!(json(&more), "1");
        let html = |text: &str| files_or_reason("text/html", text);
        assert!(html(&"<a href=x>x</a>".repeat(most + 1)).contains("more than"));
        // each of these took a time that grew with the square of its length
        let amps = "&".repeat(512 << 10);
        assert!(html(&format!("<a href='x?{amps}'>x</a>")).contains("too long"));
        assert_eq!(html(&format!("<a href=x data-yanked='{amps}'>{amps}</a>")), "1");
        for text in ["<", "<a ", "<a href=x ", "a ", "<!--", "<a href='", "&#", "<a href=x>&"] {
            html(&text.repeat((512 << 10) / text.len()));
        }
        // a long base in front of many links
        let base = format!("<base href='/{}/'>", "x".repeat(limits::ADDRESS - 100));
        let many = format!("{base}{}", "<a href=x>x</a>".repeat(most));
        assert!(html(&many).contains("addresses of its files"), "{}", html(&many));
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "{:?}", start.elapsed());
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
