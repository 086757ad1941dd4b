//! Proxies, by the variables of curl and pip: `http_proxy`, `https_proxy`, `all_proxy` and the
//! exceptions in `no_proxy` (curl's manual, "ENVIRONMENT"); lower case wins over upper case. Knows
//! text only; `connection` talks to them.

use std::{fmt, io, net::IpAddr};

use super::{address::decoded, host::HostEnvironment};

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP: a request with a whole address, or a tunnel made by `CONNECT` (RFC 9110, section 9.3.6).
    Http,
    /// The same inside TLS.
    Https,
    /// SOCKS 5 (RFC 1928) with addresses that are looked up here.
    Socks5,
    /// SOCKS 5 with names that the proxy looks up.
    Socks5Names,
}

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) kind: Protocol,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Name and password.
    pub(super) user: Option<(String, String)>,
    /// The variable that has it.
    pub(super) variable: String,
}

/// The proxies of this process.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<Exception>,
}

/// Hosts that are reached without a proxy.
#[derive(Debug, PartialEq, Eq)]
enum Exception {
    All,
    /// A domain with all hosts below it, or one address of IPv6 or IPv4.
    Name(String),
    /// A network: address and number of leading bits.
    Network(IpAddr, u32),
}

impl Proxies {
    /// # Errors
    /// Names the variable that is not the address of a proxy, or of an unknown kind of proxy.
    pub(super) fn of(environment: &HostEnvironment) -> io::Result<Self> {
        let either = |name: &str| {
            [name.to_owned(), name.to_ascii_uppercase()]
                .into_iter()
                .find_map(|name| Some((environment.variable(&name)?.to_owned(), name)))
        };
        let proxy = |scheme: &str| {
            let found = either(&format!("{scheme}_proxy")).or_else(|| either("all_proxy"));
            found.map(|(text, variable)| Proxy::parse(&text, variable)).transpose()
        };
        let exceptions = either("no_proxy").map(|(text, _)| text).unwrap_or_default();
        let words = exceptions.split([',', ' ', '\t']).filter(|word| !word.is_empty());
        Ok(Self {
            http: proxy("http")?,
            https: proxy("https")?,
            exceptions: words.map(Exception::parse).collect(),
        })
    }

    /// The proxy through which a host (without brackets) is reached; nothing if it is reached
    /// directly.
    pub(super) fn find(&self, scheme: &str, host: &str) -> Option<&Proxy> {
        let proxy = if scheme == "https" { &self.https } else { &self.http };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        proxy.as_ref().filter(|_| !self.exceptions.iter().any(|exception| exception.holds(&host)))
    }
}

impl Proxy {
    fn parse(text: &str, variable: String) -> io::Result<Self> {
        let fail = |reason: &str| {
            let text = format!("the variable {variable} is not the address of a proxy: {reason}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        };
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("http", text.trim()));
        let (kind, port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Protocol::Http, 80),
            "https" => (Protocol::Https, 443),
            "socks5" => (Protocol::Socks5, 1080),
            "socks5h" => (Protocol::Socks5Names, 1080),
            "socks" | "socks4" | "socks4a" => {
                return fail("SOCKS 4 is not supported; write 'socks5h://' if the proxy speaks it");
            }
            _ => return fail("expected 'http://', 'https://', 'socks5://' or 'socks5h://'"),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        let user = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (decoded(name), decoded(password))
        });
        let (host, port) = match place.rsplit_once(':') {
            Some((host, digits)) if !digits.ends_with(']') => match digits.parse() {
                Ok(port) => (host, port),
                Err(_) => return fail("expected a number behind the last colon"),
            },
            _ => (place, port),
        };
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains(|c: char| c <= ' ' || "/?#@[]".contains(c)) {
            return fail("expected the name of a host");
        }
        Ok(Self { kind, host: host.to_ascii_lowercase(), port, user, variable })
    }

    /// Host and port, as in an address.
    pub(super) fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// A host (without brackets) and a port, as in an address.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Without credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Protocol::Http => "http",
            Protocol::Https => "https",
            Protocol::Socks5 => "socks5",
            Protocol::Socks5Names => "socks5h",
        };
        write!(f, "{scheme}://{} (the variable {})", self.authority(), self.variable)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Exception {
    fn parse(word: &str) -> Self {
        if word == "*" {
            return Self::All;
        }
        if let Some((address, bits)) = word.split_once('/')
            && let (Ok(address), Ok(bits)) = (address.parse(), bits.parse())
        {
            return Self::Network(address, bits);
        }
        let name = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')).unwrap_or(word);
        Self::Name(name.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase())
    }

    fn holds(&self, host: &str) -> bool {
        match self {
            Self::All => true,
            Self::Name(name) => {
                let below = host.strip_suffix(name.as_str());
                let address = host.parse::<IpAddr>();
                match (address, name.parse::<IpAddr>()) {
                    (Ok(host), Ok(name)) => host == name,
                    // a domain is not part of an address
                    (Ok(_), _) => false,
                    _ => below.is_some_and(|below| below.is_empty() || below.ends_with('.')),
                }
            }
            Self::Network(network, bits) => match (host.parse(), network) {
                (Ok(IpAddr::V4(host)), IpAddr::V4(network)) => {
                    let differ = u32::from(host) ^ u32::from(*network);
                    *bits <= 32 && differ.leading_zeros() >= *bits
                }
                (Ok(IpAddr::V6(host)), IpAddr::V6(network)) => {
                    let differ = u128::from(host) ^ u128::from(*network);
                    *bits <= 128 && differ.leading_zeros() >= *bits
                }
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> io::Result<Proxies> {
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Proxies::of(&HostEnvironment { variables, root: "/nowhere".into() })
    }

    #[test]
    fn variables_are_read_as_curl_does() {
        let all = proxies(&[
            ("https_proxy", "lower.test:1"),
            ("HTTPS_PROXY", "upper.test:2"),
            ("ALL_PROXY", "socks5h://me:p%40ss@[::1]/"),
        ])
        .unwrap();
        let shown = |scheme, host| all.find(scheme, host).map(ToString::to_string);
        assert_eq!(shown("https", "x").unwrap(), "http://lower.test:1 (the variable https_proxy)");
        assert_eq!(shown("http", "x").unwrap(), "socks5h://[::1]:1080 (the variable ALL_PROXY)");
        assert_eq!(all.http.as_ref().unwrap().user, Some(("me".to_owned(), "p@ss".to_owned())));
        assert!(!format!("{all:?}").contains("p@ss"));
        for (text, reason) in [
            ("ftp://x", "expected 'http://'"),
            ("http://me:s3cret@:8080", "name of a host"),
            ("http://me:s3cret@x:y", "expected a number"),
            ("socks4://x", "SOCKS 4 is not supported"),
            ("http://a b", "name of a host"),
        ] {
            let error = proxies(&[("http_proxy", text)]).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("http_proxy"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn exceptions_are_those_of_curl() {
        for (exceptions, direct, proxied) in [
            ("*", &["a", "1.2.3.4"][..], &[][..]),
            (
                "a.test",
                &["a.test", "b.a.test", "A.TEST", "a.test."],
                &["ba.test", "test", "a.test.x"],
            ),
            (".a.test , c", &["a.test", "b.a.test", "c"], &["xc", "d"]),
            ("10.0.0.0/8", &["10.1.2.3"], &["11.0.0.1", "10.a.test"]),
            ("10.0.0.1 ::1", &["10.0.0.1", "::1", "0:0::1"], &["110.0.0.1", "::2"]),
            ("[::1],fe80::/10", &["::1", "fe80::9"], &["fec0::1"]),
            ("0.1", &[], &["10.0.0.1"]),
            ("10.0.0.0/33,x/y", &["x/y"], &["10.0.0.0"]),
            ("*.a.test", &[], &["b.a.test"]),
            ("", &[], &["a"]),
        ] {
            let all = proxies(&[("http_proxy", "p"), ("no_proxy", exceptions)]).unwrap();
            for host in direct {
                assert!(all.find("http", host).is_none(), "{host} by {exceptions}");
            }
            for host in proxied {
                assert!(all.find("http", host).is_some(), "{host} by {exceptions}");
            }
        }
    }
}
