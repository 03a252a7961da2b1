//! The score: nats of every target, by document, and the ledger that carries it (docs/spec/algorithms.md#evaluation).
//!
//! All evaluators give the nats of each target of the validation stream, so that the mean, the ledger and the per-token
//! file cannot disagree. Nothing is truncated: every token but the very first BOS is scored exactly once.

pub mod file;
pub mod full;
pub mod ledger;
mod next;
pub mod ogd;
pub mod sliding;
pub mod ttt;

use std::collections::HashSet;
use std::path::Path;

use crate::data::{BOS_ID, ByteTable, DataSet, Document, TokenStream, find_documents};
use crate::model::Gpt;
use crate::recipe::{EvalMode, EvalRecipe, TokenizerKind};
use crate::{Error, Recipe, Result};
use ledger::LedgerRow;
pub use next::next_logits;

/// A validation stream with everything that its scoring needs.
pub struct ValData {
    pub tokens: Vec<u16>,
    pub documents: Vec<Document>,
    pub byte_table: ByteTable,
    /// Bytes of the original text that each token stands for, where the data set states them.
    pub sidecar: Option<Vec<u16>>,
}

impl ValData {
    /// Reads the whole validation set of `data`; every token id is checked against the vocabulary.
    pub fn load(recipe: &Recipe, data: &DataSet) -> Result<ValData> {
        let byte_table = ByteTable::load(recipe, data)?;
        let tokens = TokenStream::open(&data.val, recipe.model.vocab_size)?.read_all()?;
        let documents = find_documents(&tokens, data.val.first().map_or(Path::new("fineweb_val_*.bin"), |p| p))?;
        let sidecar = match recipe.data.tokenizer {
            TokenizerKind::Caseops => Some(sidecar(data, &tokens)?),
            _ => None,
        };
        Ok(ValData { tokens, documents, byte_table, sidecar })
    }

    /// Number of targets: every token but the first.
    pub fn targets(&self) -> usize {
        self.tokens.len() - 1
    }

    /// Input ids and targets of `len` targets from `start`, as 64-bit ids.
    fn ids(&self, start: usize, len: usize) -> (Vec<i64>, Vec<i64>) {
        ids(&self.tokens, start, len)
    }

    /// UTF-8 bytes of target `k` (token `k + 1`).
    pub fn bytes(&self, k: usize) -> u64 {
        match &self.sidecar {
            Some(bytes) => u64::from(bytes[k + 1]),
            None => u64::from(self.byte_table.bytes(self.tokens[k], self.tokens[k + 1])),
        }
    }
}

/// Input ids and targets of `len` targets of `tokens` from `start`, as 64-bit ids.
fn ids(tokens: &[u16], start: usize, len: usize) -> (Vec<i64>, Vec<i64>) {
    let span: Vec<i64> = tokens[start..=start + len].iter().map(|&t| i64::from(t)).collect();
    (span[..len].to_vec(), span[1..].to_vec())
}

/// Reads the bytes of each of `tokens` from the sidecar's shards (docs/spec/algorithms.md#caseops).
fn sidecar(data: &DataSet, tokens: &[u16]) -> Result<Vec<u16>> {
    let Some(path) = data.val_bytes.first() else {
        return Err(Error::format(
            "fineweb_val_bytes_*.bin",
            format!(
                "no sidecar beside the validation shards of {}: it states the bytes of each token, which case operators \
                     do not have; fetch it with the data set",
                data.name
            ),
        ));
    };
    let bytes = TokenStream::open(&data.val_bytes, 1 << 16)?.read_all()?;
    if bytes.len() != tokens.len() {
        return Err(Error::format(
            path,
            format!(
                "the sidecar states the bytes of {} tokens, but the validation shards hold {}; fetch both again",
                bytes.len(),
                tokens.len()
            ),
        ));
    }
    if let Some(at) = bytes.iter().zip(tokens).position(|(&bytes, &token)| token == BOS_ID && bytes != 0) {
        return Err(Error::format(
            path,
            format!(
                "the BOS at token {at} has {} bytes in the sidecar, and a BOS stands for no text; fetch both again",
                bytes[at]
            ),
        ));
    }
    Ok(bytes)
}

/// The result of an evaluation.
pub struct Score {
    pub mode: EvalMode,
    /// Documents scored, in stream order.
    pub rows: Vec<LedgerRow>,
    /// Nats of every target of the stream; NaN where a document was not requested.
    pub nll: Vec<f32>,
}

/// The three sums of a score, in f64.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    pub tokens: u64,
    pub bytes: u64,
    pub nats: f64,
}

impl Totals {
    /// Sums of ledger rows, in their order.
    pub fn of(rows: &[LedgerRow]) -> Totals {
        rows.iter().fold(Totals::default(), |sum, row| Totals {
            tokens: sum.tokens + row.tokens,
            bytes: sum.bytes + row.bytes,
            nats: sum.nats + row.nats,
        })
    }

    /// The sums of both.
    pub fn plus(&self, other: &Totals) -> Totals {
        Totals { tokens: self.tokens + other.tokens, bytes: self.bytes + other.bytes, nats: self.nats + other.nats }
    }

    /// Adds the targets from `start` on, whose nats are `nll`.
    fn add(&mut self, val: &ValData, start: usize, nll: &[f32]) {
        self.tokens += nll.len() as u64;
        self.nats += nll.iter().map(|&n| f64::from(n)).sum::<f64>();
        self.bytes += (start..start + nll.len()).map(|k| val.bytes(k)).sum::<u64>();
    }

    /// Nats per token: `Σ nats / Σ tokens`.
    pub fn val_loss(&self) -> f64 {
        self.nats / self.tokens as f64
    }

    /// Bits per byte: `(Σ nats / ln 2) / Σ bytes`.
    pub fn val_bpb(&self) -> f64 {
        self.nats / std::f64::consts::LN_2 / self.bytes as f64
    }
}

/// The progress of an evaluation.
#[derive(Debug, Default)]
pub struct Progress {
    pub totals: Totals,
    /// Documents whose score is final since the last report, where the mode scores document by document.
    pub rows: Vec<LedgerRow>,
}

/// Receives the progress while an evaluation runs; an error from it ends the evaluation.
pub type OnProgress<'a> = &'a mut dyn FnMut(&Progress) -> Result<()>;

/// Scores the validation set, or with `docs` only the documents with these indices.
///
/// Where documents are scored apart ([`EvalRecipe::reads_documents_alone`]) a document is read and nothing else. In the
/// other modes a document's score depends on the text before it in the stream, so the whole stream is scored and the
/// requested documents are kept.
///
/// # Errors
/// [`Error::Score`] for a document with a target whose nats are no number; whatever `on_progress` returns.
pub fn evaluate(
    model: &Gpt,
    val: &ValData,
    recipe: &EvalRecipe,
    mode: EvalMode,
    docs: Option<&[usize]>,
    on_progress: OnProgress,
) -> Result<Score> {
    let chosen: Vec<Document> = match docs {
        None => val.documents.clone(),
        Some(wanted) => {
            let wanted: HashSet<usize> = wanted.iter().copied().collect();
            val.documents.iter().filter(|d| wanted.contains(&d.index)).copied().collect()
        }
    };
    let scored = match mode {
        EvalMode::Full => full::score(model, val, recipe, val.targets(), on_progress)?,
        EvalMode::Sliding => sliding::score(model, val, recipe, on_progress)?,
        EvalMode::Ogd if recipe.ogd().ogd_carried => ogd::carried(model, val, recipe, on_progress)?,
        EvalMode::Ogd => ogd::by_document(model, val, recipe, &chosen, on_progress)?,
        EvalMode::Ttt => ttt::score(model, val, &recipe.ttt(), &chosen, on_progress)?,
    };
    let mut nll = vec![f32::NAN; scored.len()];
    for d in &chosen {
        let span = d.start..d.start + d.targets;
        if let Some(offset) = scored[span.clone()].iter().position(|nats| !nats.is_finite()) {
            return Err(Error::Score { mode: mode.as_str(), doc: d.index, position: d.start + offset + 1 });
        }
        nll[span.clone()].copy_from_slice(&scored[span]);
    }
    let rows = chosen.iter().map(|d| ledger::row(val, d, &nll)).collect();
    Ok(Score { mode, rows, nll })
}

#[cfg(test)]
mod tests {
    use caddie_format::{caseops, shard};

    use super::*;

    /// A data set of validation tokens and of the words of their sidecar.
    fn data(dir: &Path, tokens: &[u16], words: Option<&[u16]>) -> DataSet {
        let write = |name: &str, values: &[u16]| {
            let path = dir.join(name);
            std::fs::write(&path, shard::encode(values)).unwrap();
            path
        };
        DataSet {
            name: "caseops".to_owned(),
            train: vec![],
            val: vec![write("fineweb_val_000000.bin", tokens)],
            val_bytes: words.map(|words| write("fineweb_val_bytes_000000.bin", words)).into_iter().collect(),
            tokenizer: None,
        }
    }

    #[test]
    fn a_sidecar_counts_the_original_text_to_the_byte() {
        let texts = ["The NASA launch, über!", "macOS \u{e001} A"];
        let (mut tokens, mut words) = (Vec::new(), Vec::new());
        for text in texts {
            let encoded = caseops::encode(text);
            let pieces: Vec<String> = encoded.chars().map(String::from).collect();
            tokens.push(BOS_ID);
            words.push(0);
            tokens.extend((0..pieces.len()).map(|i| 5 + i as u16));
            words.extend(caseops::original_bytes(pieces.iter().map(String::as_str)).unwrap());
        }
        let dir = tempfile::tempdir().unwrap();
        let data = data(dir.path(), &tokens, Some(&words));
        let sidecar = Some(super::sidecar(&data, &tokens).unwrap());
        let documents = find_documents(&tokens, dir.path()).unwrap();
        let val = ValData { tokens, documents, byte_table: ByteTable::byte260(), sidecar };
        let nll = vec![0.0; val.targets()];
        let bytes: Vec<u64> = val.documents.iter().map(|d| ledger::row(&val, d, &nll).bytes).collect();
        assert_eq!(bytes, texts.map(|text| text.len() as u64));
    }

    #[test]
    fn a_sidecar_that_is_not_of_these_tokens_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |words: Option<&[u16]>| {
            let tokens = [BOS_ID, 9, 7, BOS_ID, 8];
            sidecar(&data(dir.path(), &tokens, words), &tokens).unwrap_err().to_string()
        };
        assert!(refused(None).contains("no sidecar"));
        assert!(refused(Some(&[0, 3, 2])).contains("3 tokens, but the validation shards hold 5"));
        assert!(refused(Some(&[0, 3, 2, 1, 4])).contains("BOS at token 3 has 1 bytes"));
    }
}
