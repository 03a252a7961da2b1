//! Data with case operators (PR #1729's CaseOps): documents become shards of tokens, with the bytes of each validation token
//! beside them (docs/spec/algorithms.md#caseops).

mod documents;
mod model;
mod output;
mod shards;

use std::sync::atomic::Ordering;

use caddie_files::{Error, Result};
use caddie_format::caseops;
use caddie_tokenizer::Tokenizer;
use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;

pub use documents::Split;
use documents::{Document, Texts};
use output::NewDataSet;

/// Documents of the challenge's validation split.
pub const VAL_DOCUMENTS: u64 = 50_000;
/// Tokens of a shard, as the scripts of the records cut them.
pub const SHARD_TOKENS: usize = 10_000_000;
/// Documents that are encoded at once, and the bytes of text after which fewer are.
const BATCH_DOCUMENTS: usize = 512;
const BATCH_BYTES: usize = 4 << 20;

/// What to make, and from what.
#[derive(Debug, Clone)]
pub struct DataSetRequest {
    /// A file of documents, one in a line, or a folder of shards.
    pub source: Utf8PathBuf,
    /// The `.model` file whose pieces the text is spelled with.
    pub tokenizer: Utf8PathBuf,
    /// The `.model` file of the source's shards, where it does not lie beside them.
    pub source_tokenizer: Option<Utf8PathBuf>,
    /// A data root, as `--data` takes it.
    pub out: Utf8PathBuf,
    /// The first documents, which are for validation; shards have their own.
    pub val_docs: Option<u64>,
    /// Documents after which the rest of the source is left out.
    pub docs: Option<u64>,
    pub shard_tokens: usize,
}

/// What was written of one split.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SplitWritten {
    pub documents: u64,
    /// BOS tokens included.
    pub tokens: u64,
    pub shards: u64,
    /// UTF-8 bytes of the documents.
    pub text_bytes: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSetReport {
    /// The folder with the shards.
    pub folder: Utf8PathBuf,
    pub tokenizer: Utf8PathBuf,
    pub train: SplitWritten,
    pub validation: SplitWritten,
    /// The sum of the sidecar: the bytes that val_bpb counts.
    pub counted_bytes: u64,
}

/// Writes the shards, all or nothing.
///
/// # Errors
/// A source, a tokenizer or a text that cannot be used, with its place; an output that is there already; a disk that refuses; an
/// interruption.
pub fn write(request: &DataSetRequest) -> Result<DataSetReport> {
    let (tokenizer, file) = model::with_operators(&request.tokenizer)?;
    let mut documents = Texts::open(request)?;
    let mut output = NewDataSet::create(request, &file, tokenizer.pieces().len())?;
    let stop = crate::stop::flag();
    let mut left = request.docs.unwrap_or(u64::MAX);
    loop {
        let batch = batch(&mut documents, left)?;
        if batch.is_empty() {
            break;
        }
        if stop.load(Ordering::Relaxed) {
            let out = &request.out;
            return Err(Error::Interrupted(format!("stopped; nothing was written to {out}; run the command again")));
        }
        left -= batch.len() as u64;
        let encoded: Vec<Result<Encoded>> = batch.par_iter().map(|document| encode(document, &tokenizer)).collect();
        encoded.into_iter().try_for_each(|document| output.add(document?))?;
    }
    output.finish(request)
}

/// The next documents, at most `most`.
fn batch(documents: &mut impl Iterator<Item = Result<Document>>, most: u64) -> Result<Vec<Document>> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while batch.len() < BATCH_DOCUMENTS && bytes < BATCH_BYTES && (batch.len() as u64) < most {
        let Some(document) = documents.next() else { break };
        let document = document?;
        bytes += document.text.len();
        batch.push(document);
    }
    Ok(batch)
}

/// A document as it is written.
struct Encoded {
    split: Split,
    /// BOS first.
    tokens: Vec<u16>,
    /// Of a validation document, the bytes of the original text for each token.
    bytes: Vec<u16>,
    text_bytes: u64,
}

/// Rewrites a document without capitals and spells it.
fn encode(document: &Document, tokenizer: &Tokenizer) -> Result<Encoded> {
    let unusable = |reason: String| Error::unreadable(&document.file, format!("{}: {reason}", document.place));
    let rewritten = caseops::encode(&document.text);
    if caseops::decode(&rewritten).as_deref() != Ok(&document.text) {
        return Err(unusable("the text does not come back from its form with case operators".to_owned()));
    }
    let spelled = tokenizer.encode(&rewritten);
    let mut tokens = Vec::with_capacity(spelled.len() + 1);
    tokens.push(model::BOS);
    tokens.extend(spelled.iter().map(|token| token.id));
    let mut bytes = Vec::new();
    if document.split == Split::Validation {
        bytes.push(0);
        bytes.extend(caseops::original_bytes(spelled.iter().map(|token| token.surface)).map_err(unusable)?);
    }
    Ok(Encoded { split: document.split, tokens, bytes, text_bytes: document.text.len() as u64 })
}

/// Reads a file whole.
fn read(path: &Utf8Path, most: u64) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(Error::io(path, "opening"))?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(Error::io(path, "reading"))?;
    match bytes.len() as u64 > most {
        true => Err(Error::unreadable(path, format!("larger than {most} bytes, so not a tokenizer of 16-bit ids"))),
        false => Ok(bytes),
    }
}
