//! From a host's name and port to a connection. A name is looked up once a process: every fetch opens a connection of
//! its own, and many lookups at once make some resolvers drop some, which costs their time limit (5 s) each. Neither
//! the resolver nor a connection that is being made can be interrupted, so that both happen on a thread of their own,
//! which is left to itself once its answer is no longer needed.

use std::{
    io,
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;
use ureq::{
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

/// The time after which a wait checks if it was cancelled.
pub(super) const SLICE: Duration = Duration::from_millis(100);

/// The most addresses of one host that are tried.
const ADDRESSES: usize = 16;

/// Gives no address: whoever connects looks them up, since it may be a proxy's that is needed.
#[derive(Debug)]
pub(super) struct Later;

impl Resolver for Later {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

/// The time to wait for something, and the check for cancellation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) until: Instant,
    pub(super) cancelled: fn() -> bool,
}

/// The answers of the system's resolver. Failures are asked again.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Held during a lookup, so that no other thread looks up the same name.
    known: Mutex<FxHashMap<(String, u16), Vec<SocketAddr>>>,
}

impl Names {
    /// The addresses of a host (without brackets).
    pub(super) fn look_up(
        self: &Arc<Self>,
        host: &str,
        port: u16,
        patience: Patience,
    ) -> io::Result<Vec<SocketAddr>> {
        let (names, host) = (self.clone(), host.to_owned());
        waiting(patience, move || names.ask(&host, port))
    }

    /// A connection to a host (without brackets).
    pub(super) fn connect(
        self: &Arc<Self>,
        host: &str,
        port: u16,
        patience: Patience,
    ) -> io::Result<TcpStream> {
        let (names, host) = (self.clone(), host.to_owned());
        waiting(patience, move || {
            let addresses = names.ask(&host, port)?;
            let mut last = io::Error::from(io::ErrorKind::TimedOut);
            for (n, address) in addresses.iter().enumerate() {
                let left = patience.until.saturating_duration_since(Instant::now());
                // half of what is left for each but the last, so that a dead one does not take it all
                let share = if n + 1 < addresses.len() { left / 2 } else { left };
                match TcpStream::connect_timeout(address, share.max(Duration::from_millis(10))) {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = error,
                }
            }
            Err(last)
        })
    }

    fn ask(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (host.to_owned(), port);
        if let Some(addresses) = known.get(&key) {
            return Ok(addresses.clone());
        }
        let no_host = |reason: &str| {
            let text = format!("the host '{host}' has no address: {reason}");
            io::Error::new(io::ErrorKind::NotFound, text)
        };
        let found = (host, port).to_socket_addrs().map_err(|e| no_host(&e.to_string()))?;
        let found: Vec<_> = found.take(ADDRESSES).collect();
        if found.is_empty() {
            return Err(no_host("the resolver found none"));
        }
        known.insert(key, found.clone());
        Ok(found)
    }
}

/// Does something on another thread, and waits for it until the time is over or it is cancelled.
fn waiting<T: Send + 'static>(
    patience: Patience,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (send, receive) = mpsc::sync_channel(1);
    std::thread::Builder::new().spawn(move || {
        // the receiver may be gone
        let _ = send.send(work());
    })?;
    loop {
        match receive.recv_timeout(SLICE) {
            Ok(result) => return result,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("the thread that connects has ended"));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if (patience.cancelled)() {
            return Err(io::Error::other("cancelled"));
        }
        if Instant::now() >= patience.until {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}
