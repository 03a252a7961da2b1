//! The reasons for which a container is refused.

use super::PackError;

/// The reason why a file is not written, or not read.
#[derive(Debug, thiserror::Error)]
pub enum Q2Error {
    #[error("it does not begin with \"Q2BN\"")]
    Magic,
    #[error("it is of version {0}; versions 2 and 3 are read")]
    Version(u8),
    #[error("it ends in the middle of {0}")]
    Truncated(&'static str),
    #[error("{0} differs from its checksum")]
    Checksum(String),
    #[error("{0}")]
    Malformed(String),
    #[error("tensor {name}: {reason}")]
    Tensor { name: String, reason: String },
    #[error("its body: {0}")]
    Compression(std::io::Error),
}

impl Q2Error {
    pub(super) fn tensor(name: &str, reason: impl Into<String>) -> Q2Error {
        Q2Error::Tensor { name: name.to_owned(), reason: reason.into() }
    }

    pub(super) fn packing(name: &str, error: &PackError) -> Q2Error {
        Q2Error::tensor(name, error.to_string())
    }
}
