//! Beginnings of training documents, for the adapters' learnt start (docs/spec/algorithms.md#learnt-start).

use std::collections::BTreeSet;

use rand::seq::index;
use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{BOS_ID, TokenStream};
use crate::Result;

/// Tokens that are searched at once for documents.
const STRETCH: usize = 1 << 16;
/// Stretches without a new document after which the search ends.
const FRUITLESS: usize = 16;

/// Returns the first `targets` + 1 tokens, the BOS among them, of up to `count` documents that have at least so many, drawn
/// without repetition by `seed`. A stream with fewer gives those that were found.
pub fn beginnings(stream: &TokenStream, seed: u64, count: usize, targets: usize) -> Result<Vec<Vec<u16>>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1); // other numbers than the calibration's
    let len = stream.len();
    let stretch = STRETCH.max(8 * (targets + 1)).min(len as usize);
    let (mut taken, mut found, mut fruitless) = (BTreeSet::new(), Vec::new(), 0);
    while found.len() < count && fruitless < FRUITLESS {
        let offset = rng.random_range(0..=len - stretch as u64);
        let tokens = stream.read(offset, stretch)?;
        let whole = |&at: &usize| {
            let rest = tokens.get(at + 1..=at + targets);
            tokens[at] == BOS_ID
                && rest.is_some_and(|rest| !rest.contains(&BOS_ID))
                && !taken.contains(&(offset + at as u64))
        };
        let starts: Vec<usize> = (0..tokens.len()).filter(whole).collect();
        if starts.is_empty() {
            fruitless += 1;
            continue;
        }
        let at = starts[index::sample(&mut rng, starts.len(), 1).index(0)];
        taken.insert(offset + at as u64);
        found.push(tokens[at..=at + targets].to_vec());
        fruitless = 0;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{shard_bytes, write};
    use super::*;

    #[test]
    fn beginnings_are_of_long_documents_do_not_repeat_and_follow_the_seed() {
        let dir = tempfile::tempdir().unwrap();
        // Documents of 1 to 30 tokens after their BOS; the second token says which.
        let ids: Vec<u16> =
            (1..=30u16).flat_map(|n| std::iter::once(BOS_ID).chain((0..n).map(move |i| 100 * n + i))).collect();
        let path = write(dir.path(), "fineweb_train_000000.bin", &shard_bytes(&ids));
        let stream = TokenStream::open(&[path], 4000).unwrap();
        let some = beginnings(&stream, 1, 5, 20).unwrap();
        assert_eq!(some.len(), 5);
        for document in &some {
            assert_eq!((document.len(), document[0]), (21, BOS_ID));
            assert!(document[1] >= 2000 && document[1..].windows(2).all(|pair| pair[1] == pair[0] + 1), "{document:?}");
        }
        assert_eq!(beginnings(&stream, 1, 5, 20).unwrap(), some);
        assert_ne!(beginnings(&stream, 2, 5, 20).unwrap(), some);
        let all: BTreeSet<Vec<u16>> = beginnings(&stream, 3, 99, 20).unwrap().into_iter().collect();
        assert_eq!(all.len(), 11, "all that there are, each once");
        assert!(beginnings(&stream, 3, 9, 31).unwrap().is_empty());
    }
}
