//! A package index on the loopback: a project's files as Simple API JSON (or HTML), any other file
//! by its path, and faults on demand.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use sha2::{Digest, Sha256};

/// A fault of one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection ends after so many bytes of the body.
    Truncate(usize),
    /// Another status, with `Retry-After` if seconds are given.
    Status(u16, Option<u64>),
    /// Other bytes than those of the file.
    Wrong(Vec<u8>),
    /// A `Range` is not looked at.
    NoRange,
    /// A pause before the answer.
    Slow(Duration),
    /// A redirection.
    Redirect(String),
    /// The connection ends after so many bytes of another content.
    Part(Vec<u8>, usize),
    /// A `Range` is answered with what is there, whatever `If-Range` says.
    Rest,
    /// One byte of the body at a time, with a pause before each.
    Drip(Duration),
    /// These bytes, said to be encoded.
    Encoded(&'static str, Vec<u8>),
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The path with the query.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
}

#[derive(Default)]
struct State {
    /// Content by path.
    files: BTreeMap<String, Vec<u8>>,
    /// The files of a project: name, more fields of the JSON object.
    projects: BTreeMap<String, Vec<(String, serde_json::Value)>>,
    /// Sets the faults of the next requests for a path.
    faults: BTreeMap<String, Vec<Fault>>,
    html: bool,
    tags: bool,
    seen: Vec<Seen>,
}

/// A running server; it ends when dropped.
pub struct Index {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

impl Index {
    /// Starts an empty index.
    ///
    /// # Panics
    /// If the loopback cannot be used.
    #[must_use]
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback");
        let address = listener.local_addr().expect("the port's number");
        let state: Arc<Mutex<State>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (state.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let state = shared.clone();
                if let Ok(stream) = stream {
                    // a client that goes away is no concern of the server
                    std::thread::spawn(move || drop(answer(&stream, &state)));
                }
            }
        });
        Self { address, state, stop, thread: Some(thread) }
    }

    /// The address of something below the server's root.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base address of the Simple API.
    #[must_use]
    pub fn simple(&self) -> String {
        self.url("simple/")
    }

    /// Puts a file at a path (without a slash in front).
    pub fn file(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.lock().files.insert(format!("/{path}"), content.into());
    }

    /// Puts a file into a project; gives its SHA-256. `more` has further fields of its JSON object
    /// (`yanked`, `requires-python`), or is null.
    pub fn release(
        &self,
        project: &str,
        file: &str,
        content: impl Into<Vec<u8>>,
        more: serde_json::Value,
    ) -> String {
        let content = content.into();
        let sha256 = sha256(&content);
        self.file(&format!("files/{file}"), content);
        let mut state = self.lock();
        state.projects.entry(project.to_owned()).or_default().push((file.to_owned(), more));
        sha256
    }

    /// Answers with HTML from now on.
    pub fn only_html(&self) {
        self.lock().html = true;
    }

    /// Says from now on which version a file is of, and compares it (`ETag`, `If-Range`).
    pub fn tags(&self) {
        self.lock().tags = true;
    }

    /// Adds what goes wrong with the next request for a path (without a slash in front).
    pub fn fault(&self, path: &str, fault: Fault) {
        self.lock().faults.entry(format!("/{path}")).or_default().push(fault);
    }

    /// The requests so far for a path (without a slash in front).
    #[must_use]
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        let path = format!("/{path}");
        self.lock().seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // wakes the thread up
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The SHA-256 of some bytes in hexadecimal.
#[must_use]
pub fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn answer(mut stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut words = first.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let (fault, found, tags) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.seen.push(Seen { path: path.to_owned(), headers: headers.clone() });
        let faults = state.faults.get_mut(path).filter(|faults| !faults.is_empty());
        (faults.map(|faults| faults.remove(0)), content(&state, path), state.tags)
    };
    let mut range = headers.get("range").and_then(|range| {
        let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((start.parse::<usize>().ok()?, end.parse::<usize>().ok()))
    });
    let (mut status, mut extra, mut cut) = (200, String::new(), usize::MAX);
    let (mut kind, mut body) = found.unwrap_or_else(|| {
        status = 404;
        ("text/plain", b"nothing is here".to_vec())
    });
    let (mut rest, mut pause) = (false, None);
    match fault {
        Some(Fault::Truncate(after)) => cut = after,
        Some(Fault::Part(bytes, after)) => (body, cut) = (bytes, after),
        Some(Fault::Rest) => rest = true,
        Some(Fault::Drip(time)) => pause = Some(time),
        Some(Fault::Encoded(how, bytes)) => {
            extra = format!("Content-Encoding: {how}\r\n");
            body = bytes;
        }
        Some(Fault::Wrong(bytes)) => body = bytes,
        Some(Fault::NoRange) => range = None,
        Some(Fault::Slow(pause)) => std::thread::sleep(pause),
        Some(Fault::Status(code, retry)) => {
            (status, kind, body) = (code, "text/plain", b"not now".to_vec());
            if let Some(seconds) = retry {
                extra = format!("Retry-After: {seconds}\r\n");
            }
        }
        Some(Fault::Redirect(to)) => {
            (status, body) = (302, Vec::new());
            extra = format!("Location: {to}\r\n");
        }
        None => {}
    }
    if tags && status == 200 {
        let tag = format!("\"{}\"", sha256(&body));
        range = range.filter(|_| rest || headers.get("if-range").is_none_or(|known| *known == tag));
        extra = format!("{extra}ETag: {tag}\r\n");
    }
    if let (200, Some((start, end))) = (status, range) {
        if start < body.len() {
            let end = end.map_or(body.len(), |end| body.len().min(end + 1));
            extra += &format!("Content-Range: bytes {start}-{}/{}\r\n", end - 1, body.len());
            (status, body) = (206, body[start..end].to_vec());
        } else {
            (status, body) = (416, Vec::new());
        }
    }
    write!(
        stream,
        "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n{extra}\r\n",
        body.len()
    )?;
    if let Some(pause) = pause {
        for byte in body {
            stream.flush()?;
            std::thread::sleep(pause);
            stream.write_all(&[byte])?;
        }
    } else if method != "HEAD" {
        stream.write_all(&body[..body.len().min(cut)])?;
    }
    stream.flush()
}

/// The content at a path, and its type.
fn content(state: &State, path: &str) -> Option<(&'static str, Vec<u8>)> {
    if let Some(file) = state.files.get(path) {
        return Some(("application/octet-stream", file.clone()));
    }
    let project = path.strip_prefix("/simple/")?.strip_suffix('/')?;
    let files = state.projects.get(project)?;
    let hash = |name: &str| sha256(&state.files[&format!("/files/{name}")]);
    if state.html {
        let mut page = "<!DOCTYPE html><html><body>".to_owned();
        for (name, _) in files {
            let _ = write!(page, "<a href=\"../../files/{name}#sha256={}\">{name}</a>", hash(name));
        }
        return Some(("text/html", page.into_bytes()));
    }
    let files: Vec<_> = files
        .iter()
        .map(|(name, more)| {
            let mut file = serde_json::json!({
                "filename": name,
                "url": format!("../../files/{name}"),
                "hashes": {"sha256": hash(name)},
                "size": state.files[&format!("/files/{name}")].len(),
            });
            if let (Some(file), Some(more)) = (file.as_object_mut(), more.as_object()) {
                file.extend(more.clone());
            }
            file
        })
        .collect();
    let page = serde_json::json!({"meta": {"api-version": "1.1"}, "name": project, "files": files});
    Some(("application/vnd.pypi.simple.v1+json", page.to_string().into_bytes()))
}
