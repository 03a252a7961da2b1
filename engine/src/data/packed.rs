//! Documents packed into one row per micro-step (PR #1530; docs/spec/algorithms.md#packed-loader).

use super::loader::Batch;
use super::{BOS_ID, TokenStream, cu_seqlens};
use crate::{Error, Result};

/// The list of boundaries is padded to a multiple of this, as upstream does to limit recompilation.
pub const CU_BUCKET: usize = 64;

/// Reads each shard from its first BOS to its end, n + 1 tokens a micro-step, and says where documents begin. What is left
/// of a shard when a micro-step no longer fits is dropped, and after the last shard comes the first again.
#[derive(Debug)]
pub struct PackedLoader {
    stream: TokenStream,
    /// A document longer than this is cut, from its own start.
    max_doc_len: usize,
    shard: usize,
    /// Place within the shard of the next micro-step; `None` until the shard's first BOS is looked up.
    cursor: Option<usize>,
}

impl PackedLoader {
    /// Starts at the first BOS of the first shard.
    pub fn new(stream: TokenStream, max_doc_len: usize) -> PackedLoader {
        PackedLoader { stream, max_doc_len, shard: 0, cursor: None }
    }

    /// One row of `tokens` inputs. A document's last target is the next one's BOS.
    ///
    /// # Errors
    /// When no shard holds a whole micro-step after its first BOS.
    pub fn next_batch(&mut self, tokens: usize) -> Result<Batch> {
        let mut tried = 0;
        loop {
            let cursor = match self.cursor {
                Some(cursor) => cursor,
                None => self.first_bos()?,
            };
            let start = self.stream.shard_start(self.shard);
            if cursor + tokens < self.stream.shard_len(self.shard) {
                self.cursor = Some(cursor + tokens + 1);
                return Ok(self.pack(&self.stream.read(start + cursor as u64, tokens + 1)?));
            }
            if tried > self.stream.shards() {
                let reason = format!(
                    "no training shard holds the {} tokens of one micro-step after its first BOS; lower \
                     train.train_batch_tokens or raise train.grad_accum_steps",
                    tokens + 1
                );
                return Err(Error::format(self.stream.path_at(0), reason));
            }
            tried += 1;
            self.shard = (self.shard + 1) % self.stream.shards();
            self.cursor = None;
        }
    }

    fn pack(&self, span: &[u16]) -> Batch {
        let ids: Vec<i64> = span.iter().map(|&id| i64::from(id)).collect();
        let (x, y) = (ids[..ids.len() - 1].to_vec(), ids[1..].to_vec());
        let starts: Vec<usize> = (0..x.len()).filter(|&i| span[i] == BOS_ID).collect();
        let cu_seqlens = cu_seqlens(&starts, x.len(), self.max_doc_len, CU_BUCKET);
        Batch { x, y, cu_seqlens: Some(cu_seqlens) }
    }

    /// Returns the place of the shard's first BOS; 0 where it has none, as upstream has it.
    fn first_bos(&self) -> Result<usize> {
        const AT_ONCE: usize = 1 << 16;
        let (start, len) = (self.stream.shard_start(self.shard), self.stream.shard_len(self.shard));
        for offset in (0..len).step_by(AT_ONCE) {
            let tokens = self.stream.read(start + offset as u64, AT_ONCE.min(len - offset))?;
            if let Some(at) = tokens.iter().position(|&id| id == BOS_ID) {
                return Ok(offset + at);
            }
        }
        Ok(0)
    }

    /// Shard and place within it of the next micro-step: `[shard, 0]` for a shard that was not begun, else `[shard, place + 1]`.
    pub fn state(&self) -> Vec<u64> {
        vec![self.shard as u64, self.cursor.map_or(0, |cursor| cursor as u64 + 1)]
    }

    /// Continues at the position that [`PackedLoader::state`] returned; false when it is not the state of such a
    /// loader.
    pub fn restore(&mut self, state: &[u64]) -> bool {
        let &[shard, cursor] = state else { return false };
        if shard >= self.stream.shards() as u64 {
            return false;
        }
        self.shard = shard as usize;
        self.cursor = cursor.checked_sub(1).map(|cursor| cursor as usize);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{shard_bytes, write};
    use super::*;

    fn loader(dir: &std::path::Path, shards: &[&[u16]], max_doc_len: usize) -> PackedLoader {
        let paths: Vec<_> = shards
            .iter()
            .enumerate()
            .map(|(i, tokens)| write(dir, &format!("fineweb_train_{i:06}.bin"), &shard_bytes(tokens)))
            .collect();
        PackedLoader::new(TokenStream::open(&paths, 64).unwrap(), max_doc_len)
    }

    const SHARDS: [&[u16]; 2] = [&[9, 9, 1, 2, 3, 4, 5, 1, 6, 7, 8], &[1, 10, 11, 12, 1, 13, 14, 15]];

    fn bounds(batch: &Batch) -> Vec<i32> {
        let mut cu = batch.cu_seqlens.clone().unwrap();
        assert_eq!(cu.len() % CU_BUCKET, 0);
        cu.dedup();
        cu
    }

    #[test]
    fn rows_begin_at_the_first_bos_and_tails_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let mut loader = loader(dir.path(), &SHARDS, 3);
        let first = loader.next_batch(4).unwrap();
        assert_eq!((first.x.as_slice(), first.y.as_slice()), (&[1, 2, 3, 4][..], &[2, 3, 4, 5][..]));
        assert_eq!(bounds(&first), [0, 3, 4], "cut after three tokens");
        // Four tokens are left in the first shard, one too few for four inputs and their targets.
        let second = loader.next_batch(4).unwrap();
        assert_eq!((second.x.as_slice(), bounds(&second)), (&[1, 10, 11, 12][..], vec![0, 3, 4]));
        let third = loader.next_batch(2).unwrap();
        assert_eq!((third.x.as_slice(), third.y.as_slice()), (&[13, 14][..], &[14, 15][..]));
        assert_eq!(bounds(&third), [0, 2], "a headless tail is a segment of its own");
        assert_eq!(loader.next_batch(4).unwrap(), first, "after the last shard comes the first");
    }

    #[test]
    fn a_saved_position_continues_the_same_batches() {
        let dir = tempfile::tempdir().unwrap();
        let mut straight = loader(dir.path(), &SHARDS, 0);
        for _ in 0..9 {
            let mut resumed = loader(dir.path(), &SHARDS, 0);
            assert!(resumed.restore(&straight.state()));
            assert_eq!(straight.next_batch(2).unwrap(), resumed.next_batch(2).unwrap());
        }
    }

    #[test]
    fn a_micro_step_that_fits_no_shard_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = loader(dir.path(), &SHARDS, 0).next_batch(20).unwrap_err().to_string();
        assert!(error.contains("no training shard holds the 21 tokens"), "{error}");
    }
}
