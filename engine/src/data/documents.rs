//! Documents of a token stream, and the segment boundaries of a packed row.

use std::path::Path;

use super::BOS_ID;
use crate::{Error, Result};

/// One document: the span from its BOS to the next document's BOS, which is its last target
/// (docs/spec/algorithms.md#documents). The last document ends with the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    /// Position in the stream's list of documents.
    pub index: usize,
    /// Stream position of its BOS.
    pub start: usize,
    /// Number of targets, P: inputs are `start..start + P`, targets `start + 1..start + P + 1`.
    pub targets: usize,
}

/// Splits `tokens`, a whole validation stream, at its BOS ids. The targets of all documents together are every token
/// but the first, each once. `path` is the file that messages name.
///
/// # Errors
/// An empty stream; no BOS at all; tokens before the first BOS; a BOS as the very last token (nothing to predict).
pub fn find_documents(tokens: &[u16], path: &Path) -> Result<Vec<Document>> {
    let refuse = |reason: String| Err(Error::format(path, reason));
    let starts: Vec<usize> =
        tokens.iter().enumerate().filter(|&(_, &id)| id == BOS_ID).map(|(position, _)| position).collect();
    match (starts.first(), starts.last()) {
        _ if tokens.is_empty() => return refuse("the validation stream is empty".to_owned()),
        (None, _) => {
            return refuse(format!(
                "none of the {} tokens is BOS (id {BOS_ID}), so there is no document to score; is this a shard of the \
                 challenge's tokenizer?",
                tokens.len()
            ));
        }
        (Some(&first), _) if first > 0 => {
            return refuse(format!(
                "{first} tokens precede the first BOS (id {BOS_ID}): this document has no beginning; pass the whole \
                 validation set, from its first shard"
            ));
        }
        (_, Some(&last)) if last + 1 == tokens.len() => {
            return refuse(format!(
                "the last token, {last}, is a BOS (id {BOS_ID}): its document has no target; the shard was cut short"
            ));
        }
        _ => {}
    }
    let ends = starts[1..].iter().copied().chain([tokens.len() - 1]);
    let spans = starts.iter().zip(ends).enumerate();
    Ok(spans.map(|(index, (&start, end))| Document { index, start, targets: end - start }).collect())
}

/// Segment boundaries of a packed row of `total_len` tokens, for variable-length attention
/// (docs/spec/algorithms.md#packed-loader).
///
/// `bos_positions` are ascending and below `total_len`; a headless tail before the first is its own segment. Segments
/// longer than `max_doc_len` are cut every `max_doc_len` tokens from their own start (`0`: never). The list ends with
/// `total_len` and is padded with it (segments of length zero) to a multiple of `bucket` entries.
pub fn cu_seqlens(bos_positions: &[usize], total_len: usize, max_doc_len: usize, bucket: usize) -> Vec<i32> {
    let headless = bos_positions.first() != Some(&0);
    let starts: Vec<usize> = headless.then_some(0).into_iter().chain(bos_positions.iter().copied()).collect();
    let ends = starts[1..].iter().copied().chain([total_len]);
    let step = if max_doc_len == 0 { usize::MAX } else { max_doc_len };
    let mut boundaries: Vec<i32> = Vec::new();
    for (&start, end) in starts.iter().zip(ends) {
        boundaries.extend((start..end).step_by(step).map(|cut| cut as i32));
    }
    let padded = (boundaries.len() + 1).next_multiple_of(bucket.max(1));
    boundaries.resize(padded, total_len as i32);
    boundaries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(tokens: &[u16]) -> String {
        find_documents(tokens, Path::new("fineweb_val_000000.bin")).unwrap_err().to_string()
    }

    #[test]
    fn streams_that_are_not_whole_documents_are_refused() {
        assert!(refused(&[]).contains("fineweb_val_000000.bin: the validation stream is empty"));
        assert!(refused(&[5, 6, 7]).contains("none of the 3 tokens is BOS"));
        assert!(refused(&[5, 6, 1, 7]).contains("2 tokens precede the first BOS"));
        assert!(refused(&[1, 6, 7, 1]).contains("the last token, 3, is a BOS"));
        assert!(refused(&[1]).contains("the last token, 0, is a BOS"));
    }

    #[test]
    fn an_empty_document_still_predicts_the_next_bos() {
        let documents = find_documents(&[1, 1, 9], Path::new("v")).unwrap();
        assert_eq!(documents.iter().map(|d| (d.index, d.start, d.targets)).collect::<Vec<_>>(), [(0, 0, 1), (1, 1, 1)]);
    }
}
