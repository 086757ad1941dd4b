//! Requests over HTTP: one pool of connections for all fetches, the machine's certificates and
//! proxies, timeouts, and errors that say whether another try may help. No message holds
//! credentials.

use std::{
    io::{self, Read},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use fs_err as fs;
use ureq::{
    Agent, Body, Proxy, ResponseExt,
    config::RedirectAuthHeaders,
    http::{Response, header},
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
    unversioned::transport::DefaultConnector,
};

use super::{address::Address, clients, index::Environment, netrc::Netrc, resolver::Remembering};

/// How requests are made.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Refuse every request, saying what would have been fetched.
    pub offline: bool,
    /// A netrc file with credentials.
    pub netrc: Option<PathBuf>,
    /// How often a request that fails for a passing reason is made in all.
    pub attempts: u32,
    /// How long to wait for a connection.
    pub connect: Duration,
    /// How long to wait for more bytes.
    pub read: Duration,
    /// The pause before the second try; it doubles with each.
    pub backoff: Duration,
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
        }
    }
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// `--offline` was given.
    #[error("{0} would have to be fetched, but --offline was given")]
    Offline(Address),
    /// The server's answer is none that we can use.
    #[error("{address}: the server answers {code}")]
    Status {
        /// What was asked for.
        address: Address,
        /// The status.
        code: u16,
        /// How long it wants us to wait.
        retry_after: Option<Duration>,
    },
    /// The connection failed or broke.
    #[error("{address}: {reason}")]
    Connection {
        /// What was asked for.
        address: Address,
        /// What happened.
        reason: String,
        /// Whether another try may help.
        passing: bool,
    },
    /// A file of a `file:` address, or a certificate file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Somebody wants this to stop.
    #[error("cancelled")]
    Cancelled,
}

impl HttpError {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Status { code, .. } => matches!(code, 408 | 425 | 429 | 500..=599),
            Self::Connection { passing, .. } => *passing,
            Self::Offline(_) | Self::Io(_) | Self::Cancelled => false,
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
    /// Where it was found in the end.
    pub address: Address,
    /// The content type without parameters, in lower case.
    pub content_type: String,
    /// The bytes.
    pub body: Vec<u8>,
}

/// Makes requests.
pub struct Http {
    secure: Agent,
    plain: Agent,
    netrc: Netrc,
    settings: HttpSettings,
}

impl Http {
    /// A client with the proxies and certificates that the environment names.
    ///
    /// # Errors
    /// Where the netrc file or the certificates cannot be read, or a proxy's address is no address.
    pub fn new(settings: HttpSettings, environment: &Environment) -> io::Result<Self> {
        let netrc = match &settings.netrc {
            Some(path) => Netrc::read(path)?,
            None => Netrc::default(),
        };
        let tls = TlsConfig::builder().root_certs(root_certificates(environment)?).build();
        let agent = |secure: bool| -> io::Result<Agent> {
            let config = Agent::config_builder()
                .http_status_as_error(false)
                .https_only(secure)
                .redirect_auth_headers(RedirectAuthHeaders::SameHost)
                .proxy(proxy(environment, if secure { "https" } else { "http" })?)
                .tls_config(tls.clone())
                .user_agent(concat!("clutch/", env!("CARGO_PKG_VERSION")))
                .timeout_connect(Some(settings.connect))
                .timeout_recv_response(Some(settings.read))
                .timeout_per_read(Some(settings.read))
                .max_idle_connections_per_host(8)
                .build();
            Ok(Agent::with_parts(config, DefaultConnector::default(), Remembering::default()))
        };
        Ok(Self { secure: agent(true)?, plain: agent(false)?, netrc, settings })
    }

    /// One request, without another try. An answer that is no success is an error; 416 (the range
    /// lies outside) is given back as it is.
    ///
    /// # Errors
    /// Where the connection or the answer fails.
    pub fn request(
        &self,
        address: &Address,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, HttpError> {
        self.send(address, Method::Get, headers)
    }

    fn send(
        &self,
        address: &Address,
        method: Method,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, HttpError> {
        if self.settings.offline {
            return Err(HttpError::Offline(address.clone()));
        }
        let agent = if address.scheme() == "https" { &self.secure } else { &self.plain };
        let mut request = match method {
            Method::Get => agent.get(address.to_string()),
            Method::Head => agent.head(address.to_string()),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some((name, password)) = address.user().or_else(|| self.netrc.find(address.host())) {
            request = request.header(header::AUTHORIZATION, basic(name, password));
        }
        let answer = request.call().map_err(|e| broken(address, &e))?;
        let code = answer.status().as_u16();
        if (200..300).contains(&code) || code == 416 {
            return Ok(answer);
        }
        let retry_after = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        Err(HttpError::Status { address: address.clone(), code, retry_after })
    }

    /// The whole of what is at an address, at most `limit` bytes, with further tries where they may
    /// help.
    ///
    /// # Errors
    /// As [`Http::request`], after the last try.
    pub fn page(&self, address: &Address, accept: &str, limit: u64) -> Result<Page, HttpError> {
        if let Some(path) = address.local_path() {
            let content_type = String::new();
            return Ok(Page { address: address.clone(), content_type, body: fs::read(path)? });
        }
        self.retrying(&|| false, &mut |_| {
            let mut answer = self.request(address, &[("accept", accept)])?;
            let found = Address::parse(&answer.get_uri().to_string());
            let content_type = answer.body().mime_type().unwrap_or_default().to_ascii_lowercase();
            let mut body = Vec::new();
            let mut reader =
                answer.body_mut().with_config().limit(u64::MAX).reader().take(limit + 1);
            reader.read_to_end(&mut body).map_err(|e| interrupted(address, &e))?;
            if body.len() as u64 > limit {
                let reason = format!("it is longer than {limit} bytes");
                let address = address.clone();
                return Err(HttpError::Connection { address, reason, passing: false });
            }
            let mut page =
                Page { address: found.unwrap_or_else(|_| address.clone()), content_type, body };
            if let Ok(same) = address.join(&page.address.to_string()) {
                page.address = same;
            }
            Ok(page)
        })
    }

    /// How many bytes are at an address, by asking for the head only.
    ///
    /// # Errors
    /// As [`Http::page`], and where the server does not say.
    pub fn size(&self, address: &Address) -> Result<u64, HttpError> {
        if let Some(path) = address.local_path() {
            return Ok(fs::metadata(path)?.len());
        }
        self.retrying(&|| false, &mut |_| {
            let answer = self.send(address, Method::Head, &[("accept-encoding", "identity")])?;
            let length = answer.headers().get(header::CONTENT_LENGTH);
            let length = length.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            length.ok_or_else(|| HttpError::Connection {
                address: address.clone(),
                reason: "the server does not say how long it is".to_owned(),
                passing: false,
            })
        })
    }

    /// Calls `work` until it succeeds, fails for a lasting reason or has failed too often, with
    /// growing pauses. `work` is given the number of the try, from 0, and may say by
    /// `Err` what happened; see [`HttpError::is_passing`].
    ///
    /// # Errors
    /// The last error of `work`.
    pub fn retrying<T>(
        &self,
        cancelled: &dyn Fn() -> bool,
        work: &mut dyn FnMut(u32) -> Result<T, HttpError>,
    ) -> Result<T, HttpError> {
        let mut attempt = 0;
        loop {
            match work(attempt) {
                Err(error) if error.is_passing() && attempt + 1 < self.settings.attempts => {
                    self.pause(attempt, &error, cancelled)?;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn pause(
        &self,
        attempt: u32,
        error: &HttpError,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), HttpError> {
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
            if cancelled() {
                return Err(HttpError::Cancelled);
            }
            let slice = left.min(Duration::from_millis(100));
            std::thread::sleep(slice);
            left -= slice;
        }
        Ok(())
    }
}

/// A transfer that broke off: another try may help.
pub(super) fn interrupted(address: &Address, error: &io::Error) -> HttpError {
    let reason = format!("the transfer broke off: {error}");
    HttpError::Connection { address: address.clone(), reason, passing: true }
}

fn broken(address: &Address, error: &ureq::Error) -> HttpError {
    use ureq::Error;
    let passing = match error {
        // a certificate that is not trusted will not be trusted a second later
        Error::Io(e) => e.kind() != io::ErrorKind::InvalidData,
        Error::Timeout(_) | Error::HostNotFound | Error::ConnectionFailed | Error::Protocol(_) => {
            true
        }
        _ => false,
    };
    let reason = match error {
        Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    HttpError::Connection { address: address.clone(), reason, passing }
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{name}:{password}").as_bytes()))
}

/// Base 64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for n in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * n) & 63) as usize];
            out.push(if n <= chunk.len() { digit as char } else { '=' });
        }
    }
    out
}

/// The proxy for a scheme, by the variables that curl and pip read; lower case wins.
fn proxy(environment: &Environment, scheme: &str) -> io::Result<Option<Proxy>> {
    let either = |name: &str| {
        let upper = name.to_ascii_uppercase();
        environment.variable(name).or_else(|| environment.variable(&upper)).map(str::to_owned)
    };
    let name = format!("{scheme}_proxy");
    let Some(url) = either(&name).or_else(|| either("all_proxy")) else { return Ok(None) };
    let bad = || io::Error::other(format!("the variable {name} holds no address of a proxy"));
    let whole = Proxy::new(&url).map_err(|_| bad())?;
    let Some(exceptions) = either("no_proxy") else { return Ok(Some(whole)) };
    let mut builder = Proxy::builder(whole.protocol()).host(whole.host()).port(whole.port());
    if let (Some(user), Some(password)) = (whole.username(), whole.password()) {
        builder = builder.username(user).password(password);
    }
    for entry in exceptions.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        builder = builder.no_proxy(entry);
        // curl and pip take the hosts below a domain to be meant too
        if !entry.starts_with(['.', '*']) {
            builder = builder.no_proxy(&format!(".{entry}"));
        }
    }
    builder.build().map(Some).map_err(|_| bad())
}

fn root_certificates(environment: &Environment) -> io::Result<RootCerts> {
    let Some((path, origin)) = clients::certificates(environment) else {
        return Ok(RootCerts::PlatformVerifier);
    };
    let bytes = fs::read(&path).map_err(|e| {
        io::Error::new(e.kind(), format!("the certificates named by {origin}: {e}"))
    })?;
    let trusted: Vec<_> = parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if trusted.is_empty() {
        let text = format!("{}, named by {origin}, holds no certificate", path.display());
        return Err(io::Error::other(text));
    }
    Ok(RootCerts::Specific(Arc::new(trusted)))
}
