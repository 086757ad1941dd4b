//! SOCKS 5 (RFC 1928) with a name and password if the proxy asks for them (RFC 1929): the request
//! for a connection, as bytes on a stream.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
};

/// The server that the proxy is to connect to.
pub(super) enum Target<'a> {
    Address(SocketAddr),
    Name(&'a str, u16),
}

/// Asks a SOCKS 5 proxy for a connection. Afterwards the stream is that connection.
pub(super) fn connect(
    stream: &mut (impl Read + Write),
    user: Option<&(String, String)>,
    target: &Target<'_>,
) -> io::Result<()> {
    let methods: &[u8] = if user.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
    stream.write_all(methods)?;
    let [version, method] = bytes(stream)?;
    if version != 5 {
        return Err(bad("it does not speak SOCKS 5"));
    }
    match (method, user) {
        (0, _) => {}
        (2, Some((name, password))) => {
            let mut request = vec![1];
            push(&mut request, name.as_bytes(), "the name for the proxy")?;
            push(&mut request, password.as_bytes(), "the password for the proxy")?;
            stream.write_all(&request)?;
            let [_, status] = bytes(stream)?;
            if status != 0 {
                return Err(bad("it refuses the name and password"));
            }
        }
        (0xff, None) => return Err(bad("it requires a name and password")),
        _ => return Err(bad("it requires credentials of another kind")),
    }
    let mut request = vec![5, 1, 0];
    match target {
        Target::Address(SocketAddr::V4(address)) => {
            request.push(1);
            request.extend(address.ip().octets());
            request.extend(address.port().to_be_bytes());
        }
        Target::Address(SocketAddr::V6(address)) => {
            request.push(4);
            request.extend(address.ip().octets());
            request.extend(address.port().to_be_bytes());
        }
        Target::Name(name, port) => {
            request.push(3);
            push(&mut request, name.as_bytes(), "the host's name")?;
            request.extend(port.to_be_bytes());
        }
    }
    stream.write_all(&request)?;
    let [_, status, _, kind] = bytes(stream)?;
    let reason = match status {
        0 => None,
        1 => Some("it failed"),
        2 => Some("its rules do not allow this connection"),
        3 => Some("it does not reach the network"),
        4 => Some("it does not reach the host"),
        5 => Some("the host refuses the connection"),
        6 => Some("the host is too many hops away"),
        _ => Some("it does not support this request"),
    };
    if let Some(reason) = reason {
        return Err(bad(reason));
    }
    // the address that the proxy uses, which is not needed
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(bytes::<1>(stream)?[0]),
        _ => return Err(bad("it does not speak SOCKS 5")),
    };
    stream.read_exact(&mut vec![0; length + 2])
}

fn bytes<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A text behind its length in one byte.
fn push(to: &mut Vec<u8>, text: &[u8], what: &str) -> io::Result<()> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length > 0);
    to.push(length.ok_or_else(|| bad(&format!("expected 1 to 255 bytes as {what}")))?);
    to.extend(text);
    Ok(())
}

fn bad(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the SOCKS proxy: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers of a proxy, and the bytes that it was sent.
    struct Script(io::Cursor<Vec<u8>>, Vec<u8>);

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(
        answers: &[u8],
        user: Option<(&str, &str)>,
        target: &Target<'_>,
    ) -> Result<Vec<u8>, String> {
        let mut stream = Script(io::Cursor::new(answers.to_vec()), Vec::new());
        let user = user.map(|(name, password)| (name.to_owned(), password.to_owned()));
        let result = connect(&mut stream, user.as_ref(), target);
        result.map(|()| stream.1).map_err(|e| e.to_string())
    }

    #[test]
    fn a_connection_is_asked_for() {
        let ok = [5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let name = told(&ok, None, &Target::Name("a.b", 258)).unwrap();
        assert_eq!(name, b"\x05\x01\x00\x05\x01\x00\x03\x03a.b\x01\x02");
        let address = Target::Address("[::1]:80".parse().unwrap());
        let answers = [5, 2, 1, 0, 5, 0, 0, 3, 1, b'x', 0, 0];
        let six = told(&answers, Some(("me", "pw")), &address).unwrap();
        assert!(six.starts_with(b"\x05\x02\x00\x02\x01\x02me\x02pw\x05\x01\x00\x04"));
    }

    #[test]
    fn refusals_say_why() {
        let target = Target::Name("a", 1);
        for (answers, reason) in [
            (&b"HT"[..], "does not speak SOCKS 5"),
            (&[5, 0xff], "requires a name"),
            (&[5, 0, 5, 5, 0, 1], "host refuses"),
            (&[5], "fill whole buffer"),
        ] {
            let error = told(answers, None, &target).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let error = told(&[5, 2, 1, 1], Some(("me", "s3cret")), &target).unwrap_err();
        assert!(error.contains("refuses the name") && !error.contains("s3cret"), "{error}");
        let long = "x".repeat(256);
        assert!(told(&[5, 0], None, &Target::Name(&long, 1)).unwrap_err().contains("255"));
    }
}
