//! Connections for requests: to the server, or through a proxy. Every wait is in slices, so that it ends when the
//! user wants it to.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use ureq::{
    Error,
    http::Uri,
    unversioned::transport::{
        Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector,
        Transport, TransportAdapter,
    },
};

use super::{
    headers::{USER_AGENT, basic_auth},
    proxy::{Protocol, Proxies, Proxy, authority},
    resolver::{Names, Patience, SLICE},
    socks,
};

/// The least rate of a transfer, in bytes a second, measured over the read timeout. At a lower rate a file of a few
/// MiB takes an hour, and a server that sends a byte a minute would hold a build for ever.
const LEAST_RATE: u64 = 1 << 10;

/// The longest answer of a proxy to `CONNECT`, in bytes.
const ANSWER: usize = 16 << 10;

/// Opens connections.
#[derive(Debug)]
pub(super) struct Dialer {
    names: Arc<Names>,
    proxies: Arc<Proxies>,
    cancelled: fn() -> bool,
    /// The time over which the least rate is measured.
    window: Duration,
    /// For proxies that are themselves reached over TLS.
    tls: RustlsConnector,
}

impl Dialer {
    pub(super) fn new(proxies: Arc<Proxies>, window: Duration, cancelled: fn() -> bool) -> Self {
        let (names, tls) = (Arc::default(), RustlsConnector::default());
        Self { names, proxies, cancelled, window, tls }
    }

    fn patience(&self, details: &ConnectionDetails<'_>) -> Patience {
        Patience { until: deadline(details.timeout), cancelled: self.cancelled }
    }

    /// A connection to a host (without brackets).
    fn wire(&self, details: &ConnectionDetails<'_>, host: &str, port: u16) -> Result<Wire, Error> {
        let stream = self.names.connect(host, port, self.patience(details))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SLICE))?;
        stream.set_write_timeout(Some(SLICE))?;
        let (input, output) =
            (details.config.input_buffer_size(), details.config.output_buffer_size());
        let buffers = LazyBuffers::new(input, output);
        let pace = Pace { window: self.window, waited: Duration::ZERO, bytes: None };
        Ok(Wire { stream, buffers, pace, cancelled: self.cancelled })
    }

    fn through(
        &self,
        proxy: &Proxy,
        (host, port): (&str, u16),
        details: &ConnectionDetails<'_>,
    ) -> Result<Box<dyn Transport>, Error> {
        let mut transport: Box<dyn Transport> =
            Box::new(self.wire(details, &proxy.host, proxy.port)?);
        if proxy.kind == Protocol::Https {
            let uri = format!("https://{}", proxy.authority()).parse::<Uri>().map_err(other)?;
            let to_proxy = ConnectionDetails {
                uri: &uri,
                addrs: details.resolver.empty(),
                config: details.config,
                request_level: details.request_level,
                resolver: details.resolver,
                now: details.now,
                timeout: details.timeout,
                current_time: details.current_time.clone(),
                run_connector: details.run_connector.clone(),
                register_shutdown: details.register_shutdown.clone(),
            };
            let inner = self.tls.connect(&to_proxy, Some(transport))?;
            transport = Box::new(inner.ok_or(Error::ConnectionFailed)?);
        }
        let is_http = matches!(proxy.kind, Protocol::Http | Protocol::Https);
        if is_http && !details.needs_tls() {
            let place = details.uri.authority().map(ToString::to_string).unwrap_or_default();
            let head = Head {
                place: format!("http://{place}"),
                more: proxy.user.as_ref().map(authorization).unwrap_or_default(),
                is_next: true,
            };
            return Ok(Box::new(Through { inner: transport, head: Some(head) }));
        }
        let mut stream = TransportAdapter::new(transport, details.current_time.clone());
        stream.set_timeout(details.timeout);
        if is_http {
            tunnel(&mut stream, proxy, &authority(host, port))?;
        } else {
            let target = match (proxy.kind, host.parse::<IpAddr>()) {
                (_, Ok(address)) => socks::Target::Address((address, port).into()),
                (Protocol::Socks5Names, _) => socks::Target::Name(host, port),
                _ => {
                    let found = self.names.look_up(host, port, self.patience(details))?;
                    let first = found.first().ok_or(Error::HostNotFound)?;
                    socks::Target::Address(*first)
                }
            };
            socks::connect(&mut stream, proxy.user.as_ref(), &target)?;
        }
        Ok(Box::new(Through { inner: stream.into_inner(), head: None }))
    }
}

impl Connector<()> for Dialer {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let scheme = if details.needs_tls() { "https" } else { "http" };
        let host = details.uri.host().ok_or(Error::HostNotFound)?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let usual = if details.needs_tls() { 443 } else { 80 };
        let port = details.uri.port_u16().unwrap_or(usual);
        Ok(Some(match self.proxies.find(scheme, host) {
            Some(proxy) => self.through(proxy, (host, port), details)?,
            None => Box::new(self.wire(details, host, port)?),
        }))
    }
}

/// Asks for a tunnel.
fn tunnel(stream: &mut (impl Read + Write), proxy: &Proxy, target: &str) -> Result<(), Error> {
    let user = proxy.user.as_ref().map(authorization).unwrap_or_default();
    let request = format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {USER_AGENT}\r\n{user}\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") && !answer.ends_with(b"\n\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
        if answer.len() > ANSWER {
            return Err(io::Error::other("the proxy's answer has no end").into());
        }
    }
    let first = answer.split(|b| *b == b'\n').next().unwrap_or_default();
    let mut words = first.split(|b| *b == b' ');
    let is_http = words.next().is_some_and(|word| word.starts_with(b"HTTP/"));
    match words.next() {
        Some([b'2', _, _]) if is_http => Ok(()),
        Some(b"407") if is_http => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the proxy requires a name and password (407)",
        )
        .into()),
        Some(code) if is_http => {
            let code = String::from_utf8_lossy(code).trim().to_owned();
            Err(io::Error::other(format!("the proxy answers {code}")).into())
        }
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "expected an answer of an HTTP proxy, found something else",
        )
        .into()),
    }
}

fn authorization((name, password): &(String, String)) -> String {
    format!("Proxy-Authorization: {}\r\n", basic_auth(name, password))
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

fn deadline(timeout: NextTimeout) -> Instant {
    // a wait without an end is one of a day
    let day = Duration::from_secs(86_400);
    Instant::now() + if timeout.after.is_not_happening() { day } else { day.min(*timeout.after) }
}

/// A TCP connection.
#[derive(Debug)]
struct Wire {
    stream: TcpStream,
    buffers: LazyBuffers,
    pace: Pace,
    cancelled: fn() -> bool,
}

/// How quickly an answer comes. It is measured here, below TLS and HTTP, so that bytes which these skip count, too.
#[derive(Debug)]
struct Pace {
    /// The time over which the rate is measured.
    window: Duration,
    /// The part of it that was spent waiting.
    waited: Duration,
    /// The bytes that came in that time; nothing before the answer begins, for which the server may take its time.
    bytes: Option<u64>,
}

impl Pace {
    /// # Errors
    /// If too little came for too long.
    fn note(&mut self, count: usize, waited: Duration) -> io::Result<()> {
        let Some(bytes) = self.bytes.as_mut() else {
            self.bytes = Some(count as u64);
            return Ok(());
        };
        *bytes += count as u64;
        self.waited += waited;
        if self.waited < self.window || count == 0 {
            return Ok(());
        }
        let (bytes, seconds) = (*bytes, self.waited.as_secs());
        (self.bytes, self.waited) = (Some(0), Duration::ZERO);
        if bytes < LEAST_RATE.saturating_mul(seconds) {
            return Err(io::Error::other(format!("only {bytes} bytes came in {seconds} s")));
        }
        Ok(())
    }

    /// A request goes out.
    fn restart(&mut self) {
        (self.bytes, self.waited) = (None, Duration::ZERO);
    }
}

impl Wire {
    fn check(&self) -> Result<(), Error> {
        if (self.cancelled)() { Err(io::Error::other("cancelled").into()) } else { Ok(()) }
    }

    /// Succeeds if a read or write that gave this error is to be tried again.
    fn goes_on(&self, error: io::Error, until: Instant, timeout: NextTimeout) -> Result<(), Error> {
        use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
        if !matches!(error.kind(), Interrupted | TimedOut | WouldBlock) {
            return Err(error.into());
        }
        self.check()?;
        if Instant::now() >= until { Err(Error::Timeout(timeout.reason)) } else { Ok(()) }
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.check()?;
        self.pace.restart();
        let timeout = timeout.for_write();
        let until = deadline(timeout);
        let mut done = 0;
        while done < amount {
            match (&self.stream).write(&self.buffers.output()[done..amount]) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(count) => done += count,
                Err(error) => self.goes_on(error, until, timeout)?,
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        if timeout.after.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        // data that comes without a pause must not keep it from stopping
        self.check()?;
        let (start, until) = (Instant::now(), deadline(timeout));
        loop {
            match (&self.stream).read(self.buffers.input_append_buf()) {
                Ok(count) => {
                    self.pace.note(count, start.elapsed())?;
                    self.buffers.input_appended(count);
                    return Ok(count > 0);
                }
                Err(error) => self.goes_on(error, until, timeout)?,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        let quiet = |stream: &TcpStream| {
            stream.set_nonblocking(true)?;
            let read = stream.peek(&mut [0]);
            stream.set_nonblocking(false)?;
            // bytes that are there were not asked for, and none to come is the end
            Ok::<_, io::Error>(read.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock))
        };
        quiet(&self.stream).unwrap_or(false)
    }
}

/// A connection through a proxy. To its users it looks like one without TLS.
#[derive(Debug)]
struct Through {
    inner: Box<dyn Transport>,
    /// For a proxy that is asked for the whole address.
    head: Option<Head>,
}

/// The parts of a request to a proxy that one to a server lacks (RFC 9112, section 3.2.2).
struct Head {
    /// The text in front of the path.
    place: String,
    /// Lines of the head.
    more: String,
    /// True if the next output is the beginning of a request.
    is_next: bool,
}

/// Without the lines, which hold credentials.
impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Head").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Transport for Through {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let Some(head) = self.head.as_mut().filter(|head| head.is_next) else {
            return self.inner.transmit_output(amount, timeout);
        };
        head.is_next = false;
        let output = self.inner.buffers().output();
        let plain = output[..amount].to_vec();
        let ends = |pattern: &[u8]| {
            let at = plain.windows(pattern.len()).position(|part| part == pattern)?;
            Some(at + pattern.len())
        };
        let (Some(method), Some(line)) = (ends(b" "), ends(b"\r\n")) else {
            return Err(io::Error::other("the request is too long for a proxy").into());
        };
        let parts: [&[u8]; 5] = [
            &plain[..method],
            head.place.as_bytes(),
            &plain[method..line],
            head.more.as_bytes(),
            &plain[line..],
        ];
        let whole = parts.concat();
        let Some(room) = output.get_mut(..whole.len()) else {
            return Err(io::Error::other("the request is too long for a proxy").into());
        };
        room.copy_from_slice(&whole);
        self.inner.transmit_output(whole.len(), timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if let Some(head) = &mut self.head {
            head.is_next = true;
        }
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }
}
