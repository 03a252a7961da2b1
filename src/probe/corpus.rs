//! Streams of a source as shards: in a folder of their own, or in the layout that a script reads.

use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use caddie_files::{Error, Result};
use caddie_format::atomic::Failure;
use caddie_format::tokenizer;
use caddie_probe::bytes::{Bytes, Counting};
use caddie_probe::dice::Dice;
use caddie_probe::sidecar::{self, SIDECAR, Shard, Sidecar};
use caddie_probe::source::{BOS, Kind, Source, Stream};

use crate::rehearse::Vocabulary;

/// Streams of random numbers: more training tokens leave the validation stream as it was.
pub const VALIDATION: u64 = 0;
pub(super) const TRAINING: u64 = 1;
/// Another validation stream beside the same training stream.
pub(super) const OTHER_VALIDATION: u64 = 2;

/// Most symbols of a source under rehearsal: a tiny model learns no more of them in a minute.
pub(super) const MOST_SYMBOLS: usize = 1024;
/// Ids below the text of a SentencePiece vocabulary: marks and bytes.
const MARKS_AND_BYTES: u16 = 260;
/// Where bytes alone are the vocabulary, the id of the first.
const FIRST_BYTE: u16 = 4;
const TRAIN_FILE: &str = "fineweb_train_000000.bin";
const VALIDATION_FILE: &str = "fineweb_val_000000.bin";
/// Largest tokenizer that is read, bytes.
const MAX_MODEL_BYTES: u64 = 64 << 20;

/// A source to be written into a folder of its own.
#[derive(Debug, Clone)]
pub struct SourceRequest {
    pub kind: Kind,
    /// Size of the vocabulary.
    pub vocabulary: u16,
    /// Tokens of it that the source uses at most.
    pub most_symbols: usize,
    /// Targets of the validation shard.
    pub targets: usize,
    /// Tokens of the training shard.
    pub train_tokens: usize,
    pub hazard: u64,
    pub seed: u64,
    /// The number of the stream of random numbers for the validation tokens: [`VALIDATION`], or another.
    pub validation: u64,
}

/// Writes a source's shards and sidecar into `folder`, which must be new or empty.
///
/// # Errors
/// When the source cannot be made, or a file cannot be written.
pub fn write_source(folder: &Utf8Path, request: &SourceRequest) -> Result<Sidecar> {
    write(folder, request).map(|written| written.sidecar)
}

/// A source's shards, with what is known of their tokens.
#[cfg_attr(not(feature = "engine"), expect(dead_code, reason = "the engine alone scores what was written"))]
pub(super) struct WrittenSource {
    pub(super) sidecar: Sidecar,
    pub(super) stream: Stream,
    bytes: Bytes,
}

#[cfg(feature = "engine")]
impl WrittenSource {
    /// Bytes of each target.
    pub(super) fn bytes(&self, counting: Counting) -> Vec<u32> {
        self.bytes.of_targets(&self.stream.tokens, counting)
    }
}

/// Writes a source's shards, a tokenizer of their vocabulary and the sidecar into `folder`, which must be new or empty.
pub(super) fn write(folder: &Utf8Path, request: &SourceRequest) -> Result<WrittenSource> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::Usage(format!("{folder} is not empty; name a new folder")));
    }
    // With bytes alone, as byte260 has them, text begins behind the marks.
    let first = if request.vocabulary > MARKS_AND_BYTES { MARKS_AND_BYTES } else { FIRST_BYTE };
    let symbols: Vec<u16> = (first..request.vocabulary).take(request.most_symbols).collect();
    let source =
        Source::new(request.kind, &symbols, request.hazard).map_err(|error| Error::Usage(error.to_string()))?;
    fs::create_dir_all(folder).map_err(Error::io(folder, "creating"))?;
    if let Some(pieces) = request.vocabulary.checked_sub(MARKS_AND_BYTES).filter(|pieces| *pieces > 0) {
        let path = folder.join(format!("fineweb_{}_bpe.model", request.vocabulary));
        fs::write(&path, tokenizer::bpe_model(&made_up(usize::from(pieces)))).map_err(Error::io(&path, "writing"))?;
    }
    let draw = |targets| source.draw(targets, &mut Dice::new(request.seed, request.validation));
    let mut stream = draw(request.targets);
    if stream.tokens.last() == Some(&BOS) {
        // A document without a target cannot be scored; one token more is drawn.
        stream = draw(request.targets + 1);
    }
    let train = source.draw(request.train_tokens, &mut Dice::new(request.seed, TRAINING));
    let shards = [(TRAIN_FILE, &train), (VALIDATION_FILE, &stream)];
    let [train, shard] = shards.map(|(name, stream)| shard(&folder.join(name), &stream.tokens));
    let sidecar = describe(&source, usize::from(request.vocabulary), request.seed, &stream, shard?, vec![train?]);
    sidecar::write(folder.join(SIDECAR).as_std_path(), &sidecar).map_err(failed)?;
    let bytes = bytes_of(folder, usize::from(request.vocabulary))?;
    Ok(WrittenSource { sidecar, stream, bytes })
}

/// What is known of tokens that a model drew.
#[cfg(feature = "engine")]
pub(super) struct Drawn {
    pub(super) vocabulary: usize,
    pub(super) hazard: u64,
    pub(super) seed: u64,
    pub(super) model_sha256: String,
}

/// Writes drawn streams over the shards of `folder`, whose tokenizer is there, and the sidecar anew.
#[cfg(feature = "engine")]
pub(super) fn write_drawn(
    folder: &Utf8Path,
    drawn: &Drawn,
    stream: Stream,
    train: Option<Stream>,
) -> Result<WrittenSource> {
    let written = shard(&folder.join(VALIDATION_FILE), &stream.tokens)?;
    let train_file = folder.join(TRAIN_FILE);
    let train = match train {
        Some(train) => vec![shard(&train_file, &train.tokens)?],
        None => {
            fs::remove_file(&train_file).map_err(Error::io(&train_file, "removing"))?;
            Vec::new()
        }
    };
    let nats = stream.total();
    let sidecar = Sidecar {
        schema_version: sidecar::SCHEMA_VERSION,
        kind: Kind::Model,
        seed: drawn.seed,
        model_sha256: Some(drawn.model_sha256.clone()),
        vocabulary: drawn.vocabulary,
        hazard: drawn.hazard,
        targets: stream.nats.len(),
        nats,
        nats_per_target: nats / stream.nats.len().max(1) as f64,
        shard: written,
        train,
        documents: sidecar::documents(&stream),
    };
    sidecar::write(folder.join(SIDECAR).as_std_path(), &sidecar).map_err(failed)?;
    Ok(WrittenSource { sidecar, stream, bytes: bytes_of(folder, drawn.vocabulary)? })
}

/// The bytes of the tokens of a folder's tokenizer, or of bytes alone where it has none.
fn bytes_of(folder: &Utf8Path, vocabulary: usize) -> Result<Bytes> {
    let path = folder.join(format!("fineweb_{vocabulary}_bpe.model"));
    if path.is_file() {
        return of_model(&path);
    }
    let marks = usize::from(FIRST_BYTE);
    Ok(Bytes::of_lengths(&(0..vocabulary).map(|id| u16::from(id >= marks)).collect::<Vec<_>>()))
}

/// Pieces of text for the tokens, so that their bytes can be counted: a space, then letters, pairs of them, and so on, every
/// second with a space before it.
fn made_up(pieces: usize) -> Vec<String> {
    let letters = |mut number: usize| {
        let mut text = String::new();
        while number > 0 {
            text.insert(0, char::from(b'a' + ((number - 1) % 26) as u8));
            number = (number - 1) / 26;
        }
        text
    };
    let piece = |number: usize| match number {
        0 => tokenizer::SPACE.to_string(),
        odd if odd % 2 == 1 => letters(odd.div_ceil(2)),
        even => format!("{}{}", tokenizer::SPACE, letters(even / 2)),
    };
    (0..pieces).map(piece).collect()
}

fn describe(
    source: &Source,
    vocabulary: usize,
    seed: u64,
    stream: &Stream,
    shard: Shard,
    train: Vec<Shard>,
) -> Sidecar {
    let nats = stream.total();
    Sidecar {
        schema_version: sidecar::SCHEMA_VERSION,
        kind: source.kind,
        seed,
        model_sha256: None,
        vocabulary,
        hazard: source.hazard,
        targets: stream.nats.len(),
        nats,
        nats_per_target: nats / stream.nats.len().max(1) as f64,
        shard,
        train,
        documents: sidecar::documents(stream),
    }
}

fn shard(path: &Utf8Path, tokens: &[u16]) -> Result<Shard> {
    sidecar::write_shard(path.as_std_path(), tokens).map_err(failed)
}

fn failed(failure: Failure) -> Error {
    let named = |path: &Path| Utf8PathBuf::from(path.to_string_lossy().as_ref());
    match failure {
        Failure::Io { path, action, source } => Error::io(named(&path), action)(source),
        Failure::Refused { path, reason } => Error::unreadable(named(&path), reason),
    }
}

/// A script's corpus, with the tokens of a source in the place of its own.
pub(super) struct ScriptCorpus {
    pub(super) sidecar: Sidecar,
    pub(super) stream: Stream,
    bytes: Bytes,
}

/// Streams that a script trains on and is scored on.
pub(super) struct Draw {
    pub(super) kind: Kind,
    pub(super) seed: u64,
    /// The number of the stream of random numbers for the validation tokens.
    pub(super) validation: u64,
    pub(super) targets: usize,
    pub(super) train_tokens: usize,
    pub(super) hazard: u64,
}

impl ScriptCorpus {
    /// Writes every shard of the corpus at `root` anew.
    pub(super) fn write(root: &Utf8Path, vocabulary: &Vocabulary, draw: &Draw) -> Result<ScriptCorpus> {
        let symbols = vocabulary.usable.get(..MOST_SYMBOLS).unwrap_or(&vocabulary.usable);
        let source = Source::new(draw.kind, symbols, draw.hazard).map_err(|error| Error::Usage(error.to_string()))?;
        let stream = source.draw(draw.targets, &mut Dice::new(draw.seed, draw.validation));
        let mut dice = Dice::new(draw.seed, TRAINING);
        let files = named(root, "fineweb_train_")?;
        let each = draw.train_tokens / files.len().max(1);
        let train: Result<Vec<Shard>> =
            files.iter().map(|path| shard(path, &source.draw(each, &mut dice).tokens)).collect();
        let written = write_validation(root, vocabulary, &stream.tokens)?;
        let listing = caddie_files::list(root)?;
        let bytes = match (vocabulary.case_operators, listing.files.iter().find(|file| is_model(&file.path))) {
            (false, Some(file)) => of_model(&root.join(&file.path))?,
            _ => Bytes::of_lengths(&vocabulary.lengths),
        };
        let sidecar = describe(&source, vocabulary.size, draw.seed, &stream, written, train?);
        sidecar::write(root.join(SIDECAR).as_std_path(), &sidecar).map_err(failed)?;
        Ok(ScriptCorpus { sidecar, stream, bytes })
    }

    /// Bytes of each target of a stream in the corpus's vocabulary.
    pub(super) fn bytes(&self, tokens: &[u16], counting: Counting) -> Vec<u32> {
        self.bytes.of_targets(tokens, counting)
    }
}

/// Writes the validation tokens of the corpus at `root` anew, and their bytes where these have a file of their own.
pub(super) fn write_validation(root: &Utf8Path, vocabulary: &Vocabulary, tokens: &[u16]) -> Result<Shard> {
    let validation = named(root, "fineweb_val_0")?;
    let [path] = validation.as_slice() else {
        return Err(Error::Internal(format!("{root} holds {} validation shards, not one", validation.len())));
    };
    for path in named(root, "fineweb_val_bytes_")? {
        let length = |token: &u16| vocabulary.lengths.get(usize::from(*token)).copied().unwrap_or(0);
        shard(&path, &tokens.iter().map(length).collect::<Vec<_>>())?;
    }
    shard(path, tokens)
}

/// Files of a corpus whose names begin so, in order.
fn named(root: &Utf8Path, start: &str) -> Result<Vec<Utf8PathBuf>> {
    let files = caddie_files::list(root)?.files.into_iter().map(|file| file.path);
    let mut found: Vec<Utf8PathBuf> =
        files.filter(|path| path.file_name().is_some_and(|name| name.starts_with(start))).collect();
    found.sort();
    Ok(found.into_iter().map(|path| root.join(path)).collect())
}

fn is_model(path: &Utf8Path) -> bool {
    path.extension() == Some("model")
}

fn of_model(path: &Utf8Path) -> Result<Bytes> {
    let size = fs::metadata(path).map_err(Error::io(path, "reading"))?.len();
    if size > MAX_MODEL_BYTES {
        return Err(Error::unreadable(path, format!("{size} bytes are too many for a tokenizer")));
    }
    let bytes = fs::read(path).map_err(Error::io(path, "reading"))?;
    let pieces = tokenizer::pieces(&bytes).map_err(|error| Error::unreadable(path, error.to_string()))?;
    Ok(Bytes::of_pieces(&pieces))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_pieces_differ() {
        let pieces = made_up(2000);
        assert_eq!(pieces[..5], ["▁", "a", "▁a", "b", "▁b"]);
        assert_eq!(pieces[53], "aa");
        assert_eq!(pieces.iter().collect::<std::collections::BTreeSet<_>>().len(), 2000);
    }
}
