//! The search for runs, on shards and payloads made here.

use super::reading::Reading;
use super::verbatim::*;
use caddie_checkpoint::parse;

/// Tokens that look like text to a table: no period.
fn tokens(count: usize, seed: u64) -> Vec<u16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) % 1024) as u16
    };
    (0..count).map(|_| next()).collect()
}

fn search(shard: &[u16], payload: Vec<u8>) -> Found {
    Index::new(shard).search(&parse(payload))
}

fn noise(count: usize) -> Vec<u8> {
    tokens(count, 77).iter().map(|token| (token >> 2) as u8 | 1).collect()
}

#[test]
fn a_run_is_found_where_it_is_in_every_form() {
    let shard = tokens(5000, 1);
    let run = &shard[1203..1303];
    type Write = fn(&u16) -> Vec<u8>;
    let forms: [(Reading, Write); 6] = [
        (Reading::U16Le, |token| token.to_le_bytes().to_vec()),
        (Reading::U16Be, |token| token.to_be_bytes().to_vec()),
        (Reading::I32, |token| i32::from(*token).to_le_bytes().to_vec()),
        (Reading::I64, |token| i64::from(*token).to_le_bytes().to_vec()),
        (Reading::F32, |token| f32::from(*token).to_le_bytes().to_vec()),
        (Reading::U16Le, |token| token.to_le_bytes().to_vec()),
    ];
    for (index, (reading, write)) in forms.into_iter().enumerate() {
        let mut payload = noise(301 + index);
        payload.extend(run.iter().flat_map(write));
        payload.extend(noise(300));
        let found = search(&shard, payload).longest.unwrap_or_else(|| panic!("{reading:?}"));
        assert_eq!((found.tokens, found.shard_at, found.reading), (100, 1203, reading));
        assert_eq!(found.payload_at, 301 + index as u64);
    }
}

#[test]
fn every_run_of_15_is_met_and_chance_is_not() {
    let shard = tokens(3000, 1);
    for start in 100..120 {
        let mut payload = noise(64);
        payload.extend(shard[start..start + SHORTEST].iter().flat_map(|token| token.to_le_bytes()));
        payload.extend([0xff; 8]);
        let found = search(&shard, payload);
        assert_eq!(found.longest.map(|run| run.shard_at), Some(start as u64), "at {start}");
    }
    let other: Vec<u8> = tokens(200_000, 2).iter().flat_map(|token| token.to_le_bytes()).collect();
    let found = search(&shard, other);
    assert_eq!((found.longest, found.matched_tokens), (None, 0));
    // 400,000 positions against 3000 tokens, one in 1024 agrees: about three.
    assert!((2.5..3.5).contains(&found.chance_tokens), "{}", found.chance_tokens);
}

#[test]
fn repetitions_are_no_evidence() {
    let mut shard = tokens(1000, 1);
    shard.extend([0; 4000]);
    shard.extend([5, 6].repeat(500));
    assert_eq!(search(&shard, [vec![1], vec![0; 20_000]].concat()).longest, None);
    let pairs: Vec<u8> = [5u16, 6].repeat(400).iter().flat_map(|token| token.to_le_bytes()).collect();
    assert_eq!(search(&shard, pairs).longest, None);
}

#[test]
fn a_payload_made_to_be_slow_is_not() {
    // A period of three: every position of the payload agrees with every third of the shard.
    let shard = [1u16, 2, 3].repeat(100_000);
    let payload: Vec<u8> = shard.iter().flat_map(|token| token.to_le_bytes()).collect();
    let found = search(&shard, payload);
    assert!(found.longest.is_some_and(|run| run.tokens > 200_000));
}

#[test]
fn an_empty_shard_and_an_empty_payload_agree_in_nothing() {
    assert_eq!(search(&[], noise(100)).longest, None);
    assert_eq!(search(&tokens(100, 1), Vec::new()).longest, None);
}
