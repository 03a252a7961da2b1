//! Rows of training data for the quantizer's calibration (docs/spec/algorithms.md#calibration).

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use super::TokenStream;
use crate::Result;

/// Returns `batches` batches of `rows` rows of `len` tokens, drawn without repetition from the stream cut into rows at
/// a random phase. A stream too short for all of them gives as many as it has.
pub fn calibration_rows(
    stream: &TokenStream,
    seed: u64,
    batches: usize,
    rows: usize,
    len: usize,
) -> Result<Vec<Vec<Vec<i64>>>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let total = stream.len() as usize;
    let len = len.min(total);
    let phase = index::sample(&mut rng, (total - len + 1).min(len), 1).index(0);
    let pieces = (total - phase) / len;
    let wanted = (batches * rows).min(pieces);
    let chosen = index::sample(&mut rng, pieces, wanted).into_vec();
    let read = |&piece: &usize| -> Result<Vec<i64>> {
        Ok(stream.read((phase + piece * len) as u64, len)?.into_iter().map(i64::from).collect())
    };
    chosen.chunks(rows.max(1)).map(|batch| batch.iter().map(read).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{shard_bytes, write};
    use super::*;

    #[test]
    fn rows_are_whole_do_not_repeat_and_follow_the_seed() {
        let dir = tempfile::tempdir().unwrap();
        let ids: Vec<u16> = (0..1000).collect();
        let path = write(dir.path(), "fineweb_train_000000.bin", &shard_bytes(&ids));
        let stream = TokenStream::open(&[path], 1000).unwrap();
        let batches = calibration_rows(&stream, 1, 4, 3, 20).unwrap();
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 3]);
        let mut starts: Vec<i64> = batches.concat().iter().map(|row| row[0]).collect();
        assert!(
            batches.concat().iter().all(|row| row.len() == 20 && row.windows(2).all(|pair| pair[1] == pair[0] + 1))
        );
        starts.sort_unstable();
        assert!(starts.windows(2).all(|pair| pair[1] >= pair[0] + 20), "{starts:?}");
        assert_eq!(calibration_rows(&stream, 1, 4, 3, 20).unwrap(), batches);
        assert_ne!(calibration_rows(&stream, 2, 4, 3, 20).unwrap(), batches);
        let few = calibration_rows(&stream, 1, 9, 9, 400).unwrap().concat();
        assert!((1..=2).contains(&few.len()), "all that there is");
    }
}
