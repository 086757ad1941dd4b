//! The requirements of a wheel in the index, from its METADATA. The index has that beside the wheel (PEP
//! 658), or it is read from the wheel.

use crate::{
    limits,
    net::{
        address::AddressError,
        http::HttpError,
        network::Network,
        remote_zip::{self, RemoteZipError},
        simple::File,
    },
    python::wheel::headers::{Headers, HeadersError},
};

/// An error while reading the requirements of a wheel.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct MetadataError {
    file: String,
    reason: Box<Reason>,
}

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Wheel(#[from] RemoteZipError),
    #[error(transparent)]
    Metadata(#[from] HeadersError),
}

/// The values of `Requires-Dist` of a wheel.
pub(super) fn requires(network: &Network, file: &File) -> Result<Vec<String>, MetadataError> {
    read(network, file)
        .map_err(|reason| MetadataError { file: file.name.clone(), reason: reason.into() })
}

fn read(network: &Network, file: &File) -> Result<Vec<String>, Reason> {
    let http = network.http()?;
    let metadata = if file.metadata {
        let address = file.address.join(&format!("{}.metadata", file.name))?;
        http.page(&address, "*/*", limits::METADATA)?.body
    } else {
        let size = match file.size {
            Some(size) => size,
            None => http.size(&file.address)?,
        };
        let is_metadata = |name: &str| {
            let parts = name.split_once('/');
            parts.is_some_and(|(f, n)| f.ends_with(".dist-info") && n == "METADATA")
        };
        remote_zip::read(http, (&file.address, size), &is_metadata, limits::METADATA)?
    };
    let headers = Headers::parse(&metadata)?;
    Ok(headers.all("requires-dist").map(str::to_owned).collect())
}
