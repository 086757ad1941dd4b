//! Hashes as the language and derivations write them: algorithm, bytes, and their text forms
//! (base 16, Nix's base 32, base 64, SRI). Knows nothing of files or stores.

use std::fmt;

/// A hash algorithm that a fixed output or `builtins.hashString` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// 128 bits; only for old pins.
    Md5,
    /// 160 bits; only for old pins.
    Sha1,
    /// 256 bits; what indexes and locks use.
    Sha256,
    /// 512 bits.
    Sha512,
    /// 256 bits of BLAKE3.
    Blake3,
}

impl Algorithm {
    /// Every algorithm, in the order in which messages list them.
    pub const ALL: [Self; 5] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512, Self::Blake3];

    /// The name used in expressions and in SRI strings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name)
    }

    /// How many bytes a hash has.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Blake3 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The hash of `data`.
    #[must_use]
    pub fn digest(self, data: &[u8]) -> Hash {
        let mut hasher = Hasher::new(self);
        hasher.update(data);
        hasher.finish()
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A hash that is fed piece by piece.
pub struct Hasher(Inner);

enum Inner {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// An empty hash of that algorithm.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Md5 => Inner::Md5(md5::Digest::new()),
            Algorithm::Sha1 => Inner::Sha1(sha1::Digest::new()),
            Algorithm::Sha256 => Inner::Sha256(sha2::Digest::new()),
            Algorithm::Sha512 => Inner::Sha512(sha2::Digest::new()),
            Algorithm::Blake3 => Inner::Blake3(Box::new(blake3::Hasher::new())),
        })
    }

    /// Feeds bytes.
    pub fn update(&mut self, data: &[u8]) {
        use sha2::Digest as _;
        match &mut self.0 {
            Inner::Md5(h) => h.update(data),
            Inner::Sha1(h) => h.update(data),
            Inner::Sha256(h) => h.update(data),
            Inner::Sha512(h) => h.update(data),
            Inner::Blake3(h) => {
                h.update(data);
            }
        }
    }

    /// The hash of all that was fed.
    #[must_use]
    pub fn finish(self) -> Hash {
        use sha2::Digest as _;
        match self.0 {
            Inner::Md5(h) => Hash::from_slice(Algorithm::Md5, &h.finalize()),
            Inner::Sha1(h) => Hash::from_slice(Algorithm::Sha1, &h.finalize()),
            Inner::Sha256(h) => Hash::from_slice(Algorithm::Sha256, &h.finalize()),
            Inner::Sha512(h) => Hash::from_slice(Algorithm::Sha512, &h.finalize()),
            Inner::Blake3(h) => Hash::from_slice(Algorithm::Blake3, h.finalize().as_bytes()),
        }
    }
}

impl std::io::Write for Hasher {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.update(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A hash with its algorithm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash {
    algorithm: Algorithm,
    bytes: [u8; 64],
}

/// How the text of a hash is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lower-case hexadecimal.
    Base16,
    /// Nix's base 32.
    Nix32,
    /// Base 64 with padding (RFC 4648).
    Base64,
    /// `algorithm-base64` (Subresource Integrity).
    Sri,
}

/// Why a text is not a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseHashError {
    /// The algorithm's name is none of ours.
    #[error("unknown hash algorithm '{0}', expected 'blake3', 'md5', 'sha1', 'sha256' or 'sha512'")]
    Algorithm(String),
    /// Neither an SRI string nor `algorithm:text`, and no algorithm was given.
    #[error("hash '{0}' does not include a type, nor is the type otherwise known from context")]
    NoAlgorithm(String),
    /// The text names one algorithm, the context asks for another.
    #[error("hash '{0}' should have type '{1}'")]
    Mismatch(String, Algorithm),
    /// The length fits no form of that algorithm.
    #[error("hash '{0}' has wrong length for hash algorithm '{1}'")]
    Length(String, Algorithm),
    /// A character is outside the form's alphabet.
    #[error("invalid {1} hash '{0}'")]
    Digit(String, &'static str),
}

impl Hash {
    /// The hash with these bytes; panics if their number is not the algorithm's (a caller's bug).
    #[must_use]
    pub fn from_slice(algorithm: Algorithm, slice: &[u8]) -> Self {
        assert_eq!(slice.len(), algorithm.size(), "{algorithm} has {} bytes", algorithm.size());
        let mut bytes = [0; 64];
        bytes[..slice.len()].copy_from_slice(slice);
        Self { algorithm, bytes }
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The bytes, as many as the algorithm has.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.size()]
    }

    /// Reads `algo:text`, `algo-base64` (SRI) or a bare text in base 16, 32 or 64 for `algorithm`,
    /// as Nix's manual describes `outputHash`.
    ///
    /// # Errors
    /// The text is none of these, or names another algorithm than `algorithm`.
    pub fn parse(text: &str, algorithm: Option<Algorithm>) -> Result<Self, ParseHashError> {
        let split =
            text.find([':', '-']).map(|at| (&text[..at], text.as_bytes()[at], &text[at + 1..]));
        let (algo, sri, rest) = match split {
            Some((name, separator, rest)) => {
                let found = Algorithm::from_name(name)
                    .ok_or_else(|| ParseHashError::Algorithm(name.to_owned()))?;
                if algorithm.is_some_and(|wanted| wanted != found) {
                    return Err(ParseHashError::Mismatch(
                        text.to_owned(),
                        algorithm.unwrap_or(found),
                    ));
                }
                (found, separator == b'-', rest)
            }
            None => (
                algorithm.ok_or_else(|| ParseHashError::NoAlgorithm(text.to_owned()))?,
                false,
                text,
            ),
        };
        let size = algo.size();
        let bytes = if sri || rest.len() == base64_len(size) {
            decode_base64(rest).ok_or_else(|| ParseHashError::Digit(text.to_owned(), "base-64"))?
        } else if rest.len() == size * 2 {
            decode_base16(rest).ok_or_else(|| ParseHashError::Digit(text.to_owned(), "base-16"))?
        } else if rest.len() == nix32_len(size) {
            decode_nix32(rest).ok_or_else(|| ParseHashError::Digit(text.to_owned(), "base-32"))?
        } else {
            return Err(ParseHashError::Length(text.to_owned(), algo));
        };
        if bytes.len() != size {
            return Err(ParseHashError::Length(text.to_owned(), algo));
        }
        Ok(Self::from_slice(algo, &bytes))
    }

    /// The text in that form, without the algorithm (SRI has it by its nature).
    #[must_use]
    pub fn format(&self, format: Format) -> String {
        match format {
            Format::Base16 => encode_base16(self.bytes()),
            Format::Nix32 => encode_nix32(self.bytes()),
            Format::Base64 => encode_base64(self.bytes()),
            Format::Sri => format!("{}-{}", self.algorithm, encode_base64(self.bytes())),
        }
    }
}

/// The SRI form.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(Format::Sri))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Nix's base-32 alphabet: no e, o, u, t.
pub const NIX32: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// How many characters Nix's base 32 has for that many bytes.
#[must_use]
pub(crate) const fn nix32_len(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

const fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Nix's base 32: five bits a character, the last ones of the little-endian number first.
#[must_use]
pub fn encode_nix32(bytes: &[u8]) -> String {
    (0..nix32_len(bytes.len()))
        .rev()
        .map(|n| {
            let bit = n * 5;
            let (at, shift) = (bit / 8, bit % 8);
            let low = u16::from(bytes[at]);
            let high = u16::from(bytes.get(at + 1).copied().unwrap_or(0));
            NIX32[usize::from((high << 8 | low) >> shift & 31)] as char
        })
        .collect()
}

/// The bytes of a Nix base-32 text; `None` if a character or a left-over bit does not fit.
#[must_use]
pub fn decode_nix32(text: &str) -> Option<Vec<u8>> {
    let size = text.len() * 5 / 8;
    let mut out = vec![0u8; size];
    for (n, c) in text.bytes().rev().enumerate() {
        let digit = NIX32.iter().position(|d| *d == c)? as u16;
        let (at, shift) = (n * 5 / 8, n * 5 % 8);
        let wide = digit << shift;
        let (low, high) = (wide as u8, (wide >> 8) as u8);
        match out.get_mut(at) {
            Some(byte) => *byte |= low,
            None if low != 0 => return None,
            None => {}
        }
        match out.get_mut(at + 1) {
            Some(byte) => *byte |= high,
            None if high != 0 => return None,
            None => {}
        }
    }
    Some(out)
}

/// Lower-case hexadecimal.
#[must_use]
pub fn encode_base16(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [HEX[usize::from(b >> 4)] as char, HEX[usize::from(b & 15)] as char])
        .collect()
}

/// The bytes of a hexadecimal text of either case.
#[must_use]
pub fn decode_base16(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The digits of base 64 that need no escape in URLs and names of files.
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base 64 with padding (RFC 4648, section 4).
#[must_use]
pub fn encode_base64(bytes: &[u8]) -> String {
    let mut out = base64_digits(bytes, BASE64);
    while out.len() < base64_len(bytes.len()) {
        out.push('=');
    }
    out
}

/// Base 64 with the digits for URLs, without padding (RFC 4648, section 5).
#[must_use]
pub fn encode_base64_url(bytes: &[u8]) -> String {
    base64_digits(bytes, BASE64_URL)
}

fn base64_digits(bytes: &[u8], digits: &[u8; 64]) -> String {
    let mut out = String::with_capacity(base64_len(bytes.len()));
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for n in 0..=chunk.len() {
            out.push(digits[(word >> (18 - 6 * n) & 63) as usize] as char);
        }
    }
    out
}

/// The bytes of a text in base 64. Neither the padding nor the spare bits of the last digit are checked.
#[must_use]
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    if text.len() - digits.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut word, mut bits) = (0u32, 0);
    for c in digits {
        word = word << 6 | BASE64.iter().position(|d| d == c)? as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
            word &= (1 << bits) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_for_urls_has_other_digits_and_no_padding() {
        let texts = ["", "f", "fo", "foo", "foob"];
        let encoded = texts.map(|text| encode_base64_url(text.as_bytes()));
        assert_eq!(encoded, ["", "Zg", "Zm8", "Zm9v", "Zm9vYg"]);
        assert_eq!(encode_base64_url(&[0xfb, 0xff]), "-_8");
        assert_eq!(encode_base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn forms_of_one_hash_are_the_published_ones() {
        // `nix hash` prints these for the SHA-256 of "abc"
        let hash = Algorithm::Sha256.digest(b"abc");
        assert_eq!(
            hash.format(Format::Base16),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            hash.format(Format::Nix32),
            "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"
        );
        assert_eq!(hash.to_string(), "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[test]
    fn every_form_reads_back() {
        for algorithm in Algorithm::ALL {
            let hash = algorithm.digest(b"clutch");
            for format in [Format::Base16, Format::Nix32, Format::Base64, Format::Sri] {
                let text = hash.format(format);
                assert_eq!(Hash::parse(&text, Some(algorithm)), Ok(hash), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_hash_is_refused_with_the_reason() {
        let parse = |text| Hash::parse(text, None).unwrap_err().to_string();
        assert!(parse("zzz").contains("does not include a type"));
        assert!(parse("crc:00").contains("unknown hash algorithm 'crc'"));
        assert!(parse("sha256:00").contains("wrong length"));
        assert!(parse("md5-****").contains("invalid base-64"));
        assert!(
            Hash::parse("sha1:", Some(Algorithm::Md5))
                .unwrap_err()
                .to_string()
                .contains("type 'md5'")
        );
    }
}
