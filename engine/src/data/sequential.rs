//! The baseline's training loader (docs/spec/algorithms.md#sequential-loader).

use super::TokenStream;
use crate::Result;

/// Reads a stream from front to back, wrapping around: no shuffling, no document masks.
///
/// A micro-step of n tokens takes n + 1 contiguous tokens, x is the first n and y the last n, and the next micro-step
/// starts after all n + 1, as upstream's does. So consecutive micro-steps share no token, and the last target of each is
/// never an input.
#[derive(Debug)]
pub struct SequentialLoader {
    stream: TokenStream,
    position: u64,
}

impl SequentialLoader {
    /// Starts at the first token.
    pub fn new(stream: TokenStream) -> SequentialLoader {
        SequentialLoader { stream, position: 0 }
    }

    /// Inputs and targets of one micro-step: two vectors of `tokens` ids, the second shifted by one.
    pub fn next_batch(&mut self, tokens: usize) -> Result<(Vec<i64>, Vec<i64>)> {
        let span = self.stream.read_wrapping(self.position, tokens + 1)?;
        let ids: Vec<i64> = span.into_iter().map(i64::from).collect();
        self.seek(self.position + tokens as u64 + 1);
        Ok((ids[..tokens].to_vec(), ids[1..].to_vec()))
    }

    /// Stream position of the next micro-step, for a checkpoint.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Continues at `position` (modulo the length), as [`SequentialLoader::position`] returned it.
    pub fn seek(&mut self, position: u64) {
        self.position = position % self.stream.len();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{shard_bytes, write};
    use super::*;

    fn loader(dir: &std::path::Path) -> SequentialLoader {
        let paths = [
            write(dir, "fineweb_train_000000.bin", &shard_bytes(&[0, 1, 2, 3])),
            write(dir, "fineweb_train_000001.bin", &shard_bytes(&[4, 5, 6])),
        ];
        SequentialLoader::new(TokenStream::open(&paths, 64).unwrap())
    }

    #[test]
    fn micro_steps_share_no_token_and_wrap_around() {
        let dir = tempfile::tempdir().unwrap();
        let mut loader = loader(dir.path());
        assert_eq!(loader.next_batch(2).unwrap(), (vec![0, 1], vec![1, 2]));
        assert_eq!(loader.next_batch(2).unwrap(), (vec![3, 4], vec![4, 5]));
        assert_eq!(loader.next_batch(2).unwrap(), (vec![6, 0], vec![0, 1]));
        assert_eq!(loader.position(), 2);
    }

    #[test]
    fn seeking_to_a_saved_position_continues_the_same_batches() {
        let dir = tempfile::tempdir().unwrap();
        let (mut straight, mut resumed) = (loader(dir.path()), loader(dir.path()));
        straight.next_batch(4).unwrap();
        resumed.seek(straight.position());
        for _ in 0..5 {
            assert_eq!(straight.next_batch(3).unwrap(), resumed.next_batch(3).unwrap());
        }
    }
}
