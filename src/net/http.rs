//! Requests over HTTP: one pool of connections for all fetches, the machine's certificates and
//! proxies, timeouts, and errors that say if another try may help. Redirects are followed here and
//! not by the library, since they decide which server gets credentials. No message holds
//! credentials.

use std::{
    error::Error as _,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use fs_err as fs;
use ureq::{
    Agent, Body, Timeout,
    http::{Response, header},
    tls::TlsConfig,
    unversioned::transport::{Connector as _, RustlsConnector},
};

use super::{
    address::Address,
    authorities,
    connection::Dialer,
    headers::{USER_AGENT, basic_auth},
    host::HostEnvironment,
    netrc::Netrc,
    proxy::Proxies,
    resolver::Later,
};
use crate::regular::{self, Link};

/// The most redirects of one request.
const REDIRECTS: usize = 10;

/// The settings of requests.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Refuse every request, with its address.
    pub offline: bool,
    /// A netrc file with credentials.
    pub netrc: Option<PathBuf>,
    /// The most tries of a request that fails for a passing reason.
    pub attempts: u32,
    /// How long to wait for a connection.
    pub connect: Duration,
    /// How long to wait for more bytes.
    pub read: Duration,
    /// The pause before the second try; it doubles with each.
    pub backoff: Duration,
    /// Says if everything is to stop. Every wait asks often.
    pub cancelled: fn() -> bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            offline: false,
            netrc: None,
            attempts: 5,
            connect: Duration::from_secs(20),
            read: Duration::from_secs(60),
            backoff: Duration::from_millis(500),
            cancelled: || false,
        }
    }
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// `--offline` was given.
    #[error("{0} has to be fetched, but --offline was given")]
    Offline(Address),
    /// The server's answer is an error.
    #[error("{address}: the server answers {code}{advice}")]
    Status {
        /// The address that was asked for.
        address: Address,
        /// The status.
        code: u16,
        /// The time to wait that it asks for.
        retry_after: Option<Duration>,
        /// Nothing, or advice, behind a semicolon.
        advice: String,
    },
    /// A redirect that is not followed.
    #[error("{address}: the server redirects to {to}: {reason}")]
    Redirect {
        /// The address that was asked for.
        address: Address,
        /// The target, without its path, which may hold a secret.
        to: String,
        /// The reason.
        reason: String,
    },
    /// The connection failed or broke.
    #[error("{address}: {reason}")]
    Connection {
        /// The address that was asked for.
        address: Address,
        /// The cause.
        reason: String,
        /// True if another try may help.
        passing: bool,
    },
    /// A file of a `file:` address, or a certificate file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The request was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl HttpError {
    /// True if the same request may succeed a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Status { code, .. } => matches!(code, 408 | 425 | 429 | 500..=599),
            Self::Connection { passing, .. } => *passing,
            Self::Offline(_) | Self::Redirect { .. } | Self::Io(_) | Self::Cancelled => false,
        }
    }
}

#[derive(Clone, Copy)]
enum Method {
    Get,
    Head,
}

/// A whole answer in memory.
pub struct Page {
    /// The address after all redirects.
    pub address: Address,
    /// The content type without parameters, in lower case.
    pub content_type: String,
    /// The bytes.
    pub body: Vec<u8>,
}

/// Makes requests.
pub struct Http {
    agent: Agent,
    proxies: Arc<Proxies>,
    netrc: Netrc,
    settings: HttpSettings,
}

impl Http {
    /// A client with the proxies and certificates that the environment names.
    ///
    /// # Errors
    /// If the netrc file or the certificates cannot be read, or a proxy's address is not one.
    pub fn new(settings: HttpSettings, environment: &HostEnvironment) -> io::Result<Self> {
        let netrc = match &settings.netrc {
            Some(path) => Netrc::read(path)?,
            None => Netrc::default(),
        };
        let proxies = Arc::new(Proxies::of(environment)?);
        let tls = TlsConfig::builder().root_certs(authorities::trusted(environment)?).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .tls_config(tls)
            .user_agent(USER_AGENT)
            .timeout_connect(Some(settings.connect))
            .timeout_send_request(Some(settings.read))
            .timeout_recv_response(Some(settings.read))
            .timeout_per_read(Some(settings.read))
            .max_idle_connections_per_host(8)
            .build();
        let dialer = Dialer::new(proxies.clone(), settings.read, settings.cancelled);
        let connector = ().chain(dialer).chain(RustlsConnector::default());
        let agent = Agent::with_parts(config, connector, Later);
        Ok(Self { agent, proxies, netrc, settings })
    }

    /// One request, without another try. An answer other than success is an error; 416 (the range
    /// lies outside) is given back as it is.
    ///
    /// # Errors
    /// If the connection or the answer fails.
    pub fn request(
        &self,
        address: &Address,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, HttpError> {
        Ok(self.send(address, Method::Get, headers)?.0)
    }

    /// Sends a request, follows its redirects, and gives the last address, too.
    fn send(
        &self,
        address: &Address,
        method: Method,
        headers: &[(&str, &str)],
    ) -> Result<(Response<Body>, Address), HttpError> {
        if self.settings.offline {
            return Err(HttpError::Offline(address.clone()));
        }
        let mut at = address.clone();
        for _ in 0..=REDIRECTS {
            let user = self.credentials(address, &at);
            let mut request = match method {
                Method::Get => self.agent.get(at.to_string()),
                Method::Head => self.agent.head(at.to_string()),
            };
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some((name, password)) = user {
                request = request.header(header::AUTHORIZATION, basic_auth(name, password));
            }
            let answer = request.call().map_err(|e| self.broken(address, &at, &e))?;
            let code = answer.status().as_u16();
            if (200..300).contains(&code) || code == 416 {
                return Ok((answer, at));
            }
            let location = answer.headers().get(header::LOCATION).map(|to| to.to_str());
            let Some(Ok(to)) = location.filter(|_| matches!(code, 301 | 302 | 303 | 307 | 308))
            else {
                return Err(self.status(&answer, address, &at, user.is_some()));
            };
            at = redirected(address, &at, to)?;
        }
        let reason = format!("more than {REDIRECTS} redirects");
        Err(HttpError::Redirect { address: address.clone(), to: at.origin(), reason })
    }

    /// The credentials for a server. If the request leads to another scheme, host or port than it
    /// was made for, not the credentials for that.
    fn credentials<'a>(&'a self, address: &'a Address, at: &Address) -> Option<(&'a str, &'a str)> {
        if at.is_beside(address) {
            return address.user().or_else(|| self.netrc.find(address.host()));
        }
        if at.host() == address.host() { None } else { self.netrc.machine(at.host()) }
    }

    fn status(
        &self,
        answer: &Response<Body>,
        address: &Address,
        at: &Address,
        had_user: bool,
    ) -> HttpError {
        let code = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let host = at.host();
        let proxy = self.proxies.find(at.scheme(), bare(host));
        let advice = match (code, proxy) {
            (401 | 403, _) if had_user => {
                "; it refuses the name and password that are set for it".to_owned()
            }
            (401 | 403, _) => format!(
                "; if it requires a name and password, put `machine {host} login NAME password \
                 PASSWORD` into ~/.netrc"
            ),
            (407, Some(proxy)) => format!(
                "; the proxy {proxy} requires a name and password: \
                 {}=http://NAME:PASSWORD@{}",
                proxy.variable,
                proxy.authority()
            ),
            (_, Some(proxy)) => format!(", through the proxy {proxy}"),
            (_, None) => String::new(),
        };
        let advice = format!("{}{advice}", elsewhere(address, at));
        HttpError::Status { address: address.clone(), code, retry_after, advice }
    }

    /// The bytes of an answer, as they were sent.
    pub(super) fn body(answer: &mut Response<Body>) -> impl Read + '_ {
        answer.body_mut().with_config().limit(u64::MAX).reader()
    }

    /// The whole of what is at an address, at most `limit` bytes, with further tries if they may
    /// help.
    ///
    /// # Errors
    /// As [`Http::request`], after the last try.
    pub fn page(&self, address: &Address, accept: &str, limit: u64) -> Result<Page, HttpError> {
        let too_long = || HttpError::Connection {
            address: address.clone(),
            reason: format!("it has more than {limit} bytes"),
            passing: false,
        };
        if let Some(path) = address.local_path() {
            let body = regular::read(Path::new(&path), Link::Follow, limit)?;
            let content_type = String::new();
            return Ok(Page { address: address.clone(), content_type, body });
        }
        self.retrying(&mut |_| {
            let headers = [("accept", accept), ("accept-encoding", "gzip")];
            let (mut answer, at) = self.send(address, Method::Get, &headers)?;
            let at = at.clone().with_user_of(Some(address).filter(|address| at.is_beside(address)));
            let content_type = answer.body().mime_type().unwrap_or_default().to_ascii_lowercase();
            let coding = answer.headers().get(header::CONTENT_ENCODING);
            let coding = coding.and_then(|value| value.to_str().ok()).unwrap_or_default();
            let is_gzip = match coding.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => false,
                "gzip" | "x-gzip" => true,
                other => {
                    let reason = format!("it is encoded as '{other}', expected no encoding");
                    let address = address.clone();
                    return Err(HttpError::Connection { address, reason, passing: false });
                }
            };
            if !is_gzip && answer.body().content_length().is_some_and(|length| length > limit) {
                return Err(too_long());
            }
            let mut body = Vec::new();
            let mut reader = Self::body(&mut answer);
            let read = if is_gzip {
                flate2::read::MultiGzDecoder::new(reader).take(limit + 1).read_to_end(&mut body)
            } else {
                reader.by_ref().take(limit + 1).read_to_end(&mut body)
            };
            read.map_err(|e| self.interrupted(address, &e))?;
            if body.len() as u64 > limit {
                return Err(too_long());
            }
            Ok(Page { address: at, content_type, body })
        })
    }

    /// How many bytes are at an address, by asking for the head only.
    ///
    /// # Errors
    /// As [`Http::page`], and if the server does not say.
    pub fn size(&self, address: &Address) -> Result<u64, HttpError> {
        if let Some(path) = address.local_path() {
            return Ok(fs::metadata(path)?.len());
        }
        self.retrying(&mut |_| {
            let (answer, _) =
                self.send(address, Method::Head, &[("accept-encoding", "identity")])?;
            let length = answer.headers().get(header::CONTENT_LENGTH);
            let length = length.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            length.ok_or_else(|| HttpError::Connection {
                address: address.clone(),
                reason: "the server does not say how long it is".to_owned(),
                passing: false,
            })
        })
    }

    /// True if the request is to stop.
    pub(super) fn is_cancelled(&self) -> bool {
        (self.settings.cancelled)()
    }

    /// Calls `work` until it succeeds, fails for a lasting reason or has failed too often, with
    /// growing pauses. `work` is given the number of the try, from 0, and may say by
    /// `Err` what happened; see [`HttpError::is_passing`].
    ///
    /// # Errors
    /// The last error of `work`.
    pub fn retrying<T>(
        &self,
        work: &mut dyn FnMut(u32) -> Result<T, HttpError>,
    ) -> Result<T, HttpError> {
        let mut attempt = 0;
        loop {
            match work(attempt) {
                Err(error) if error.is_passing() && attempt + 1 < self.settings.attempts => {
                    self.pause(attempt, &error)?;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn pause(&self, attempt: u32, error: &HttpError) -> Result<(), HttpError> {
        let doubled = self.settings.backoff.saturating_mul(1 << attempt.min(10));
        // between 75 % and 125 %, so that many clients do not come back at once
        let nanos = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |t| t.subsec_nanos());
        let jittered = doubled.mul_f64(0.75 + f64::from(nanos % 1000) / 2000.0);
        let wanted = match error {
            HttpError::Status { retry_after: Some(wanted), .. } => *wanted,
            _ => Duration::ZERO,
        };
        let mut left = jittered.max(wanted).min(Duration::from_secs(60));
        while !left.is_zero() {
            if self.is_cancelled() {
                return Err(HttpError::Cancelled);
            }
            let slice = left.min(Duration::from_millis(100));
            std::thread::sleep(slice);
            left -= slice;
        }
        Ok(())
    }

    /// A transfer that broke off: another try may help.
    pub(super) fn interrupted(&self, address: &Address, error: &io::Error) -> HttpError {
        if self.is_cancelled() {
            return HttpError::Cancelled;
        }
        let reason = match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
            Some(error) => self.said(error),
            None => error.to_string(),
        };
        let reason = format!("the transfer broke off: {reason}{}", self.via(address));
        HttpError::Connection { address: address.clone(), reason, passing: true }
    }

    /// A request without an answer.
    fn broken(&self, address: &Address, at: &Address, error: &ureq::Error) -> HttpError {
        use ureq::Error;
        if self.is_cancelled() {
            return HttpError::Cancelled;
        }
        let reason = self.said(error);
        let certificate = reason.contains("certificate");
        let passing = match error {
            // a lack of trust or a refusal does not change a second later
            Error::Io(e) => {
                !matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::PermissionDenied)
            }
            Error::Timeout(_)
            | Error::HostNotFound
            | Error::ConnectionFailed
            | Error::Protocol(_) => true,
            _ => false,
        };
        let advice = if certificate {
            "; if its authority is to be trusted, name a file with the authority's certificate by the \
             variable SSL_CERT_FILE, or add it to those of the machine"
        } else {
            ""
        };
        let reason = format!("{reason}{}{}{advice}", elsewhere(address, at), self.via(at));
        HttpError::Connection { address: address.clone(), reason, passing: passing && !certificate }
    }

    /// The error in words.
    fn said(&self, error: &ureq::Error) -> String {
        let seconds = |time: Duration| format!("{} s", time.as_secs_f64());
        match error {
            ureq::Error::Timeout(Timeout::Connect) => {
                format!("no connection within {}", seconds(self.settings.connect))
            }
            ureq::Error::Timeout(Timeout::RecvResponse) => {
                format!("no answer within {}", seconds(self.settings.read))
            }
            ureq::Error::Timeout(_) => {
                format!("nothing came for {}", seconds(self.settings.read))
            }
            ureq::Error::Io(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
                match (inner, error.kind()) {
                    (Some(inner), _) => self.said(inner),
                    (None, io::ErrorKind::TimedOut) if error.source().is_none() => {
                        format!("no connection within {}", seconds(self.settings.connect))
                    }
                    _ => error.to_string(),
                }
            }
            other => other.to_string(),
        }
    }

    /// The proxy between us and a server, if there is one.
    fn via(&self, address: &Address) -> String {
        match self.proxies.find(address.scheme(), bare(address.host())) {
            Some(proxy) => format!(" (through the proxy {proxy})"),
            None => String::new(),
        }
    }
}

/// The server that a request ended at, if it is not the one that was asked. The path may hold a secret.
fn elsewhere(address: &Address, at: &Address) -> String {
    if at == address { String::new() } else { format!(" (redirected to {})", at.origin()) }
}

/// A host as it stands in an address, without brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The target of a redirect, found at `at`, of a request for `address`.
fn redirected(address: &Address, at: &Address, to: &str) -> Result<Address, HttpError> {
    let fail = |to: String, reason: &str| {
        Err(HttpError::Redirect { address: address.clone(), to, reason: reason.to_owned() })
    };
    let next = match at.join(to) {
        Ok(next) => next.with_user_of(None),
        Err(error) => return fail("an unknown place".to_owned(), &error.to_string()),
    };
    match (at.scheme(), next.scheme()) {
        (_, "file") => fail("a file of this machine".to_owned(), "it is not read"),
        ("https", "http") => fail(
            next.origin(),
            "the way there is not encrypted, that to the server is; it is not followed",
        ),
        _ => Ok(next),
    }
}
