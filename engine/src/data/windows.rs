//! Plans of the positions to score and their context, as pure functions, for the sliding window and test-time training
//! (docs/spec/algorithms.md#sliding-window, #test-time-training).

use super::Document;

/// One forward of the sliding-window evaluation. Targets are numbered from 0: target k is stream token k + 1, and input
/// position k predicts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First input position.
    pub start: usize,
    /// Number of inputs.
    pub len: usize,
    /// First target that this window scores.
    pub first_scored: usize,
    /// One past the last target, which is the window's last.
    pub end: usize,
}

/// Windows of `seq_len` inputs that move by `stride` over `n_targets` targets. Every target is scored exactly once, and
/// each but the first window's with at least `seq_len - stride` tokens of context before it.
///
/// Upstream's condition for a window to exist, `start + seq_len - stride < n_targets`, leaves a stream shorter than
/// that unscored; here the first window always exists. `stride` must be within `1..=seq_len`.
pub fn sliding_windows(n_targets: usize, seq_len: usize, stride: usize) -> Vec<Window> {
    assert!((1..=seq_len).contains(&stride), "stride {stride} must be within 1..={seq_len}");
    let context = seq_len - stride;
    (0..n_targets)
        .step_by(stride)
        .take_while(|&start| start == 0 || start + context < n_targets)
        .map(|start| {
            let end = (start + seq_len).min(n_targets);
            let first_scored = if start == 0 { 0 } else { start + context };
            Window { start, len: end - start, first_scored, end }
        })
        .collect()
}

/// The positions that one TTT chunk reads and scores, as inputs counted from the document's BOS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkWindow {
    /// First input of the window.
    pub win_start: usize,
    /// Inputs in the window; the chunk is its end.
    pub win_len: usize,
    /// The start of the chunk within the window.
    pub chunk_offset: usize,
    /// Scored positions: `chunk`, or what remains in the last chunk.
    pub chunk_len: usize,
}

/// Window of chunk `chunk_index` of a document with `pred_len` targets in `num_chunks = ⌈pred_len / chunk⌉` chunks, with
/// at most `context` inputs. Needs `chunk_index < num_chunks` and `chunk <= context`.
pub fn chunk_window(
    chunk_index: usize,
    pred_len: usize,
    num_chunks: usize,
    chunk: usize,
    context: usize,
) -> ChunkWindow {
    debug_assert!(chunk_index < num_chunks && chunk <= context);
    let chunk_start = chunk_index * chunk;
    let chunk_end = if chunk_index + 1 == num_chunks { pred_len } else { chunk_start + chunk };
    let win_start = chunk_end.saturating_sub(context);
    ChunkWindow {
        win_start,
        win_len: chunk_end - win_start,
        chunk_offset: chunk_start - win_start,
        chunk_len: chunk_end - chunk_start,
    }
}

/// Batches of at most `batch_size` documents of similar length, as indices into `docs`, in the order they are processed:
/// documents ascend by length (ties by position) and are cut into batches, and the longest batch runs first, so that the
/// largest allocation comes first.
pub fn ttt_batches(docs: &[Document], batch_size: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..docs.len()).collect();
    order.sort_by_key(|&i| docs[i].targets);
    order.chunks(batch_size.max(1)).rev().map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_target_is_scored_once_with_enough_context(n in 0usize..400, seq_len in 1usize..64, step in 0usize..64) {
            let stride = step % seq_len + 1;
            let mut next = 0;
            for window in sliding_windows(n, seq_len, stride) {
                prop_assert_eq!(window.first_scored, next);
                prop_assert!(window.end > next && window.end == window.start + window.len && window.len <= seq_len);
                prop_assert!(window.start == 0 || window.first_scored - window.start == seq_len - stride);
                next = window.end;
            }
            prop_assert_eq!(next, n);
        }

        #[test]
        fn every_position_of_a_document_is_in_one_chunk(pred_len in 1usize..400, chunk in 1usize..48, extra in 0usize..96) {
            let (context, num_chunks) = (chunk + extra, pred_len.div_ceil(chunk));
            let mut next = 0;
            for c in 0..num_chunks {
                let w = chunk_window(c, pred_len, num_chunks, chunk, context);
                prop_assert_eq!(w.win_start + w.chunk_offset, next);
                prop_assert_eq!(w.chunk_offset + w.chunk_len, w.win_len);
                prop_assert!(w.chunk_len >= 1 && w.win_len <= context && (w.win_start == 0 || w.win_len == context));
                next += w.chunk_len;
            }
            prop_assert_eq!(next, pred_len);
        }

        #[test]
        fn batches_hold_every_document_once_and_shrink(lens in prop::collection::vec(1usize..50, 0..40), size in 1usize..9) {
            let docs: Vec<Document> =
                lens.iter().enumerate().map(|(index, &targets)| Document { index, start: 0, targets }).collect();
            let batches = ttt_batches(&docs, size);
            let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..docs.len()).collect::<Vec<_>>());
            let longest: Vec<usize> = batches.iter().filter_map(|b| b.iter().map(|&i| lens[i]).max()).collect();
            prop_assert!(longest.is_sorted_by(|a, b| a >= b) && batches.iter().all(|b| b.len() <= size));
        }
    }
}
