//! Servers on the loopback for what an index does not do: proxies, TLS, and servers that say nothing.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// The certificate of the authority that [`Peer::tls`] is certified by, for `localhost` and 127.0.0.1.
pub const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tls/authority.pem");

/// A server that deals with each connection on a thread of its own, until the test ends.
pub struct Peer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    fn serving(
        serve: impl Fn(TcpStream, &dyn Fn(String)) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback");
        let address = listener.local_addr().expect("the port's number");
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (shared, serve) = (seen.clone(), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, serve) = (shared.clone(), serve.clone());
                // a client that goes away is no concern of the server
                std::thread::spawn(move || drop(serve(stream, &|text| lock(&seen).push(text))));
            }
        });
        Self { address, seen }
    }

    /// Says nothing, after it has said that.
    #[must_use]
    pub fn silent(first: &'static str) -> Self {
        Self::serving(move |mut stream, see| {
            see("connection".to_owned());
            stream.write_all(first.as_bytes())?;
            std::io::copy(&mut stream, &mut std::io::sink())?;
            Ok(())
        })
    }

    /// Accepts no connection: its queue is full.
    #[must_use]
    pub fn full() -> (Self, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback");
        rustix::net::listen(&listener, 0).expect("a shorter queue");
        let address = listener.local_addr().expect("the port's number");
        let patience = std::time::Duration::from_millis(300);
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, patience) {
            waiting.push(stream);
        }
        // the listener stays, and nobody asks it
        std::mem::forget(listener);
        (Self { address, seen: Arc::default() }, waiting)
    }

    /// An HTTP proxy that connects to `to`, whatever it is asked for. Sees the heads of requests.
    #[must_use]
    pub fn proxy(to: SocketAddr) -> Self {
        Self::serving(move |stream, see| {
            let mut client = BufReader::new(stream);
            let head = head(&mut client)?;
            see(head.clone());
            let mut server = TcpStream::connect(to)?;
            if head.starts_with("CONNECT ") {
                client.get_mut().write_all(b"HTTP/1.1 200 yes\r\n\r\n")?;
            } else {
                let (method, rest) = head.split_once(' ').unwrap_or_default();
                let path = rest.split_once("//").map_or(rest, |(_, rest)| rest);
                let path = &path[path.find('/').unwrap_or_default()..];
                server.write_all(format!("{method} {path}").as_bytes())?;
            }
            both_ways(client.into_inner(), server)
        })
    }

    /// A SOCKS 5 proxy that connects to `to`, whatever it is asked for. Sees what that is, and the name and
    /// password, which it wants if there is one.
    #[must_use]
    pub fn socks(to: SocketAddr, with_user: bool) -> Self {
        Self::serving(move |mut stream, see| {
            let [_, count] = bytes(&mut stream)?;
            stream.read_exact(&mut vec![0; count.into()])?;
            stream.write_all(&[5, if with_user { 2 } else { 0 }])?;
            if with_user {
                let [_, length] = bytes(&mut stream)?;
                let name = text(&mut stream, length)?;
                let [length] = bytes(&mut stream)?;
                see(format!("{name}:{}", text(&mut stream, length)?));
                stream.write_all(&[1, 0])?;
            }
            let [_, _, _, kind] = bytes(&mut stream)?;
            let host = match kind {
                1 => format!("{:?}", bytes::<4>(&mut stream)?),
                3 => {
                    let [length] = bytes(&mut stream)?;
                    text(&mut stream, length)?
                }
                _ => format!("{:?}", bytes::<16>(&mut stream)?),
            };
            let port = u16::from_be_bytes(bytes(&mut stream)?);
            see(format!("{host} {port}"));
            let server = TcpStream::connect(to)?;
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
            both_ways(stream, server)
        })
    }

    /// A server that takes one request over TLS and gives it to `to`.
    #[must_use]
    pub fn tls(to: SocketAddr) -> Self {
        let file = |name: &str| format!("{}/src/tls/{name}", env!("CARGO_MANIFEST_DIR"));
        let certificate = CertificateDer::from_pem_file(file("server.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(file("server.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they belong together");
        let config = Arc::new(config);
        Self::serving(move |stream, see| {
            let connection =
                ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
            let mut client = BufReader::new(StreamOwned::new(connection, stream));
            let head = head(&mut client)?;
            see(head.clone());
            let mut server = TcpStream::connect(to)?;
            server.write_all(head.as_bytes())?;
            let stream = client.get_mut();
            std::io::copy(&mut server, stream)?;
            stream.conn.send_close_notify();
            stream.flush()
        })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The lines that it has received so far.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        lock(&self.seen).clone()
    }
}

fn lock(seen: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The head of a request, with the empty line.
fn head(stream: &mut BufReader<impl Read>) -> std::io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn bytes<const N: usize>(stream: &mut TcpStream) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn text(stream: &mut TcpStream, length: u8) -> std::io::Result<String> {
    let mut text = vec![0; length.into()];
    stream.read_exact(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Copies between two connections until both have ended.
fn both_ways(client: TcpStream, server: TcpStream) -> std::io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let (mut from_server, mut to_client) = (server, client);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut from_server, &mut to_client);
    to_client.shutdown(Shutdown::Both)
}
