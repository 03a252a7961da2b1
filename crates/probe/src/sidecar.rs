//! A source's shards and the file that states their probability.

use std::path::Path;

use caddie_format::{atomic, sha256, shard};
use serde::{Deserialize, Serialize};

use crate::source::{Kind, Stream};

/// The file's name, beside the shards.
pub const SIDECAR: &str = "source.json";
/// Version of [`Sidecar`]'s layout.
pub const SCHEMA_VERSION: u32 = 1;

/// The probability of a validation shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sidecar {
    pub schema_version: u32,
    pub kind: Kind,
    pub seed: u64,
    /// SHA-256 of the model file whose own samples these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
    /// Size of the vocabulary that the tokens are of.
    pub vocabulary: usize,
    /// A document ends after a symbol with probability 1/`hazard`.
    pub hazard: u64,
    /// Targets of the validation shard: all tokens but the first.
    pub targets: usize,
    /// L_P: −ln of the shard's probability, nats.
    pub nats: f64,
    pub nats_per_target: f64,
    /// The validation shard.
    pub shard: Shard,
    pub train: Vec<Shard>,
    /// Of each document its targets (its tokens behind BOS, and the next BOS) and L_P.
    pub documents: Vec<Document>,
}

/// A file of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    pub file: String,
    pub tokens: usize,
    /// Of the whole file, in hexadecimal.
    pub sha256: String,
}

/// A document of the validation shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub tokens: usize,
    pub nats: f64,
}

/// Documents of a stream, as the sidecar lists them.
pub fn documents(stream: &Stream) -> Vec<Document> {
    stream.documents().into_iter().map(|(tokens, nats)| Document { tokens, nats }).collect()
}

/// Writes tokens as a shard and returns what the sidecar says of it.
///
/// # Errors
/// When the file cannot be written.
pub fn write_shard(path: &Path, tokens: &[u16]) -> Result<Shard, atomic::Failure> {
    let bytes = shard::encode(tokens);
    atomic::write(path, |out| out.write_all(&bytes).map_err(io(path)))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Shard { file, tokens: tokens.len(), sha256: sha256(&bytes) })
}

/// Writes the sidecar.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, sidecar: &Sidecar) -> Result<(), atomic::Failure> {
    let text = serde_json::to_string_pretty(sidecar).map_err(|error| io(path)(error.into()))? + "\n";
    atomic::write(path, |out| out.write_all(text.as_bytes()).map_err(io(path)))?;
    Ok(())
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> atomic::Failure {
    let path = path.to_owned();
    move |source| atomic::Failure::Io { path, action: "writing", source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;
    use crate::source::Source;

    #[test]
    fn a_sidecar_states_what_its_shard_holds() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::new(Kind::Repeat, &[5, 6, 7], 10).unwrap();
        let stream = source.draw(200, &mut Dice::new(1, 0));
        let path = folder.path().join("fineweb_val_000000.bin");
        let shard = write_shard(&path, &stream.tokens).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((shard::decode(&bytes).unwrap(), sha256(&bytes)), (stream.tokens.clone(), shard.sha256.clone()));
        let sidecar = Sidecar {
            schema_version: SCHEMA_VERSION,
            kind: Kind::Repeat,
            seed: 1,
            model_sha256: None,
            vocabulary: 8,
            hazard: 10,
            targets: 200,
            nats: stream.total(),
            nats_per_target: stream.total() / 200.0,
            shard,
            train: Vec::new(),
            documents: documents(&stream),
        };
        let file = folder.path().join(SIDECAR);
        write(&file, &sidecar).unwrap();
        let read: Sidecar = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(read, sidecar);
        let total: f64 = read.documents.iter().map(|document| document.nats).sum();
        assert!((total - read.nats).abs() < 1e-9);
    }
}
