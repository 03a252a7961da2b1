//! The shards of a split, read as one stream of tokens.

use std::path::{Path, PathBuf};

use super::shard::Shard;
use crate::{Error, Result};

/// Concatenated, memory-mapped shards in lexicographic order of their paths. A document may straddle two of them.
#[derive(Debug)]
pub struct TokenStream {
    shards: Vec<Shard>,
    /// Stream position of each shard's first token, then the length of the stream.
    starts: Vec<u64>,
    vocab_size: i64,
}

impl TokenStream {
    /// Maps and checks every shard. Ids are checked against `vocab_size` when they are read.
    ///
    /// # Errors
    /// A shard that cannot be read or is malformed; no shards, or fewer than two tokens (an input and its target).
    pub fn open(paths: &[PathBuf], vocab_size: i64) -> Result<TokenStream> {
        let mut paths = paths.to_vec();
        paths.sort();
        let shards = paths.iter().map(|path| Shard::open(path)).collect::<Result<Vec<_>>>()?;
        let mut starts = vec![0u64];
        let mut total = 0;
        for shard in &shards {
            total += shard.len() as u64;
            starts.push(total);
        }
        let stream = TokenStream { shards, starts, vocab_size };
        if total < 2 {
            return Err(Error::format(
                stream.path_at(0),
                format!(
                    "the {} shard(s) of this split hold {total} token(s); at least 2 are needed, an input and its target; \
                     fetch the data set again",
                    stream.shards.len()
                ),
            ));
        }
        Ok(stream)
    }

    /// Tokens in all shards.
    #[expect(clippy::len_without_is_empty, reason = "a stream is never empty: `open` refuses that")]
    pub fn len(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Number of shards, for the log's `train_shards:`.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Tokens of shard `index`.
    pub(super) fn shard_len(&self, index: usize) -> usize {
        self.shards[index].len()
    }

    /// Stream position of the first token of shard `index`.
    pub(super) fn shard_start(&self, index: usize) -> u64 {
        self.starts[index]
    }

    /// Returns the file that holds the token at `position` (the last one, past the end), for messages.
    pub fn path_at(&self, position: u64) -> &Path {
        match self.shards.get(self.shard_at(position)).or(self.shards.last()) {
            Some(shard) => &shard.path,
            None => Path::new("fineweb_*.bin"),
        }
    }

    /// Tokens `start..start + len`, across shards.
    ///
    /// # Errors
    /// A range past the end, or an id outside the vocabulary.
    pub fn read(&self, start: u64, len: usize) -> Result<Vec<u16>> {
        let end = start.checked_add(len as u64).filter(|&end| end <= self.len()).ok_or_else(|| {
            let reason = format!("{len} tokens from position {start} were asked for; the stream has {}", self.len());
            Error::format(self.path_at(start), reason)
        })?;
        let mut tokens = Vec::with_capacity(len);
        let mut position = start;
        let mut index = self.shard_at(start);
        while position < end {
            // Within bounds: `position < end <= starts.last()`, so a shard holds it. Empty shards contribute nothing.
            let (shard, first) = (&self.shards[index], self.starts[index]);
            let offset = (position - first) as usize;
            let take = (shard.len() - offset).min((end - position) as usize);
            let filled = tokens.len();
            tokens.extend(shard.tokens(offset, take));
            self.check_ids(&tokens[filled..], shard, offset)?;
            position += take as u64;
            index += 1;
        }
        Ok(tokens)
    }

    /// Returns tokens from `start` (taken modulo the length) on, wrapping around at the end as often as needed.
    pub fn read_wrapping(&self, start: u64, len: usize) -> Result<Vec<u16>> {
        let mut tokens = Vec::with_capacity(len);
        let mut position = start % self.len();
        while tokens.len() < len {
            let take = ((len - tokens.len()) as u64).min(self.len() - position) as usize;
            tokens.extend(self.read(position, take)?);
            position = 0;
        }
        Ok(tokens)
    }

    /// The whole stream.
    pub fn read_all(&self) -> Result<Vec<u16>> {
        let len = usize::try_from(self.len()).map_err(|_| {
            Error::format(self.path_at(0), format!("{} tokens do not fit this machine's memory", self.len()))
        })?;
        self.read(0, len)
    }

    /// Index of the shard that holds `position`: the last one that starts at or before it.
    fn shard_at(&self, position: u64) -> usize {
        self.starts.partition_point(|&start| start <= position).saturating_sub(1)
    }

    fn check_ids(&self, tokens: &[u16], shard: &Shard, offset: usize) -> Result<()> {
        match tokens.iter().position(|&id| i64::from(id) >= self.vocab_size) {
            None => Ok(()),
            Some(at) => Err(Error::format(
                &shard.path,
                format!(
                    "token {} is {}, but the vocabulary has {} ids; use a recipe whose model.vocab_size is that of the \
                     tokenizer that wrote this shard, or point --data at the data set made for this vocabulary",
                    offset + at,
                    tokens[at],
                    self.vocab_size
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{shard_bytes, write};
    use super::*;

    fn stream(parts: &[&[u16]], vocab_size: i64) -> (tempfile::TempDir, Result<TokenStream>) {
        let dir = tempfile::tempdir().unwrap();
        let mut paths: Vec<PathBuf> = parts
            .iter()
            .enumerate()
            .map(|(i, part)| write(dir.path(), &format!("fineweb_train_{i:06}.bin"), &shard_bytes(part)))
            .collect();
        paths.reverse(); // the order in which they are given must not matter
        let stream = TokenStream::open(&paths, vocab_size);
        (dir, stream)
    }

    #[test]
    fn an_id_outside_the_vocabulary_names_its_file_and_position() {
        let (_dir, stream) = stream(&[&[1, 5, 6], &[7, 8, 64, 9]], 64);
        let stream = stream.unwrap();
        assert_eq!(stream.read(0, 5).unwrap(), [1, 5, 6, 7, 8]);
        let message = stream.read_all().unwrap_err().to_string();
        assert!(message.contains("fineweb_train_000001.bin: token 2 is 64, but the vocabulary has 64"), "{message}");
    }

    #[test]
    fn too_few_tokens_are_refused() {
        for parts in [&[][..], &[&[][..]], &[&[1][..]]] {
            let message = stream(parts, 64).1.unwrap_err().to_string();
            assert!(message.contains("at least 2 are needed"), "{message}");
        }
    }

    #[test]
    fn a_range_past_the_end_is_refused() {
        let (_dir, stream) = stream(&[&[1, 2, 3]], 64);
        let stream = stream.unwrap();
        assert!(stream.read(3, 0).unwrap().is_empty());
        for (start, len) in [(2, 2), (4, 0), (u64::MAX, 2)] {
            assert!(stream.read(start, len).is_err(), "{start} {len}");
        }
    }

    proptest! {
        /// Any cut into shards, empty ones included, reads like one big shard; wrapping reads like an endless copy.
        #[test]
        fn shards_read_like_one(
            tokens in prop::collection::vec(0u16..1024, 2..60),
            cuts in prop::collection::vec(0usize..60, 0..4),
            start in 0usize..130,
            len in 0usize..200,
        ) {
            let mut bounds: Vec<usize> = cuts.iter().map(|cut| cut % (tokens.len() + 1)).collect();
            bounds.extend([0, tokens.len()]);
            bounds.sort_unstable();
            let parts: Vec<&[u16]> = bounds.windows(2).map(|pair| &tokens[pair[0]..pair[1]]).collect();
            let (_dir, stream) = stream(&parts, 1024);
            let stream = stream.unwrap();
            prop_assert_eq!(stream.shards(), parts.len());
            prop_assert_eq!(&stream.read_all().unwrap(), &tokens);
            let from = start % tokens.len();
            let within = len.min(tokens.len() - from);
            prop_assert_eq!(stream.read(from as u64, within).unwrap(), &tokens[from..from + within]);
            let endless: Vec<u16> = tokens.iter().copied().cycle().skip(from).take(len).collect();
            prop_assert_eq!(stream.read_wrapping(start as u64, len).unwrap(), endless);
        }
    }
}
