//! Bytes of which some are integers: these are range-coded group by group, the rest is one zstd frame.
//!
//! ```text
//! varint stretches | for each, in their order: varint group, varint bytes
//! varint bytes of the zstd frame | the zstd frame of the bytes of group 0 | the range codes of group 1, 2, … ([`crate::range`])
//! ```
//!
//! A range code has fixed frequencies, so what is coded together should be distributed alike. Each stretch is the integers of one
//! tensor; the writer begins with a group for each and joins the two groups that save most by sharing one table of counts, as
//! long as any two do. PR #2135 groups tensors by their role for the same reason; here the counts decide.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Range;

use crate::range::{self, Counts, RangeError, counts, put_varint, take_varint};

/// log2 of the largest window that a zstd frame may ask for.
const WINDOW_LOG_MAX: u32 = 27;
/// Fewest bytes of a stretch in the table: two varints.
const FEWEST_OF_A_STRETCH: usize = 2;

/// Encodes `bytes`; `integers` are the stretches to code by frequencies, ascending and apart. The same input gives the same code.
///
/// # Errors
/// When a stretch does not lie behind the one before it and inside `bytes`, or zstd refuses `level`.
pub fn encode(bytes: &[u8], integers: &[Range<usize>], level: i32) -> Result<Vec<u8>, RangeError> {
    let of = |stretch: &Range<usize>| bytes.get(stretch.clone()).filter(|part| !part.is_empty());
    let parts: Vec<&[u8]> = integers.iter().filter_map(of).collect();
    let groups = groups(&parts);
    let (mut table, mut rest, mut end) = (Vec::new(), Vec::new(), 0);
    let mut grouped: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    let mut group = groups.iter();
    for stretch in integers.iter().filter(|stretch| !stretch.is_empty()) {
        let between = bytes.get(end..stretch.start).ok_or(RangeError::Malformed("its stretches are not ascending"))?;
        let part = of(stretch).ok_or(RangeError::Malformed("a stretch is outside of the bytes"))?;
        let of_part = *group.next().unwrap_or(&1);
        if !between.is_empty() {
            table.push((0, between.len()));
        }
        table.push((of_part, part.len()));
        rest.extend(between);
        grouped.entry(of_part).or_default().extend(part);
        end = stretch.end;
    }
    if let Some(last) = bytes.get(end..).filter(|last| !last.is_empty()) {
        table.push((0, last.len()));
        rest.extend(last);
    }

    let mut out = Vec::new();
    put_varint(table.len() as u64, &mut out);
    for (group, length) in table {
        put_varint(group as u64, &mut out);
        put_varint(length as u64, &mut out);
    }
    let frame =
        zstd::encode_all(rest.as_slice(), level).map_err(|_| RangeError::Malformed("zstd refuses the level"))?;
    put_varint(frame.len() as u64, &mut out);
    out.extend(frame);
    for part in grouped.values() {
        out.extend(range::encode(part)?);
    }
    Ok(out)
}

/// Decodes the code at the beginning of `input`, which then stands behind it.
///
/// # Errors
/// As [`range::decode`]; `most` bounds the bytes of everything together.
pub fn decode(input: &mut &[u8], most: u64) -> Result<Vec<u8>, RangeError> {
    let stretches = usize::try_from(take_varint(input)?).map_err(|_| RangeError::Truncated)?;
    if stretches > input.len() / FEWEST_OF_A_STRETCH {
        return Err(RangeError::Truncated);
    }
    let mut table = Vec::with_capacity(stretches);
    let mut lengths: BTreeMap<u64, u64> = BTreeMap::from([(0, 0)]);
    let mut declared = 0u64;
    for _ in 0..stretches {
        let (group, length) = (take_varint(input)?, take_varint(input)?);
        declared = declared.saturating_add(length);
        *lengths.entry(group).or_default() += length;
        table.push((group, length));
        if declared > most {
            return Err(RangeError::TooLong { declared, most });
        }
    }
    let mut groups: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for (&group, &length) in &lengths {
        let bytes = if group == 0 { unpack(input, length)? } else { range::decode(input, length)? };
        if bytes.len() as u64 != length {
            return Err(RangeError::Malformed("a group has other bytes than its stretches"));
        }
        groups.insert(group, bytes);
    }
    let mut rests: BTreeMap<u64, &[u8]> = groups.iter().map(|(&group, bytes)| (group, bytes.as_slice())).collect();
    let mut out = Vec::with_capacity(declared as usize);
    for (group, length) in table {
        if let Some(rest) = rests.get_mut(&group) {
            // The lengths of a group's stretches sum to its bytes.
            let (part, behind) = rest.split_at(length as usize);
            out.extend(part);
            *rest = behind;
        }
    }
    Ok(out)
}

/// Unpacks the zstd frame of `length` bytes, or one byte more where it holds more.
fn unpack(input: &mut &[u8], length: u64) -> Result<Vec<u8>, RangeError> {
    let packed = usize::try_from(take_varint(input)?).map_err(|_| RangeError::Truncated)?;
    let frame = range::take(input, packed)?;
    let damaged = |_| RangeError::Malformed("its zstd frame does not unpack");
    let mut decoder = zstd::stream::read::Decoder::with_buffer(frame).map_err(damaged)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(damaged)?;
    let mut bytes = Vec::new();
    decoder.take(length + 1).read_to_end(&mut bytes).map_err(damaged)?;
    Ok(bytes)
}

/// Chooses a group for each part, from 1 on in the order of their first parts: the two groups are joined that save most, until none do.
fn groups(parts: &[&[u8]]) -> Vec<usize> {
    let mut members: Vec<(Counts, Vec<usize>)> =
        parts.iter().enumerate().map(|(index, part)| (counts(part), vec![index])).collect();
    let mut costs: Vec<f64> = members.iter().map(|(counts, _)| cost(counts)).collect();
    let saves = |members: &[(Counts, Vec<usize>)], costs: &[f64], a: usize, b: usize| {
        costs[a] + costs[b] - cost(&sum(&members[a].0, &members[b].0))
    };
    let mut gains: Vec<Vec<f64>> =
        (0..members.len()).map(|b| (0..b).map(|a| saves(&members, &costs, a, b)).collect()).collect();
    loop {
        let pairs = (0..members.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        let best = pairs.max_by(|&(a, b), &(c, d)| gains[b][a].total_cmp(&gains[d][c]));
        let Some((a, b)) = best.filter(|&(a, b)| gains[b][a] > 0.0) else { break };
        let (counts, joined) = members.remove(b);
        members[a].0 = sum(&members[a].0, &counts);
        members[a].1.extend(joined);
        costs.remove(b);
        costs[a] = cost(&members[a].0);
        gains.remove(b);
        for row in gains.iter_mut().skip(b) {
            row.remove(b);
        }
        for other in (0..members.len()).filter(|&other| other != a) {
            let (low, high) = (a.min(other), a.max(other));
            gains[high][low] = saves(&members, &costs, low, high);
        }
    }
    members.sort_by_key(|(_, parts)| parts.iter().copied().min());
    let mut found = vec![0; parts.len()];
    for (group, (_, parts)) in (1..).zip(&members) {
        parts.iter().for_each(|&part| found[part] = group);
    }
    found
}

fn sum(a: &Counts, b: &Counts) -> Counts {
    std::array::from_fn(|value| a[value] + b[value])
}

/// The bits of a range code: the entropy, its table, where each value takes a byte and its count a varint, and three bytes for
/// the rest.
fn cost(counts: &Counts) -> f64 {
    let of_table = |&count: &u64| 8 * (1 + (count.ilog2() / 7 + 1));
    let table: u32 = counts.iter().filter(|&&count| count > 0).map(of_table).sum();
    range::entropy_of(counts) + f64::from(table) + 24.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes around zero, spread by `width`.
    fn bell(count: usize, width: f64, shift: usize) -> Vec<u8> {
        let noise = |i: usize| ((i * 7919 + shift * 104_729) % 1000) as f64 / 1000.0 - 0.5;
        (0..count).map(|i| ((noise(i) + noise(3 * i + 1) + noise(7 * i + 5)) * width).round() as i8 as u8).collect()
    }

    #[test]
    fn parts_that_are_distributed_alike_share_their_counts() {
        let parts = [bell(20_000, 8.0, 1), bell(20_000, 60.0, 2), bell(20_000, 8.0, 3), bell(20_000, 60.0, 4)];
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        assert_eq!(groups(&parts), [1, 2, 1, 2]);
        assert_eq!(groups(&[]), Vec::<usize>::new());
    }

    #[test]
    fn integers_take_their_entropy_and_the_rest_is_compressed() {
        let (narrow, wide) = (bell(50_000, 8.0, 1), bell(50_000, 60.0, 2));
        let text = b"the header ".repeat(300);
        let bytes = [text.as_slice(), &narrow, &wide, &text].concat();
        let integers = [3300..53_300, 53_300..103_300];
        let code = encode(&bytes, &integers, 19).unwrap();
        let entropy = (range::entropy_bits(&narrow) + range::entropy_bits(&wide)) / 8.0;
        let beyond = code.len() as f64 - entropy;
        assert!(beyond < 0.0005 * entropy + 600.0, "{beyond} bytes more than the entropy of {entropy}");
        let mut input = code.as_slice();
        assert_eq!(decode(&mut input, 1 << 20).unwrap(), bytes);
        assert!(input.is_empty());
    }

    #[test]
    fn a_code_that_is_cut_altered_or_too_long_is_refused() {
        let bytes = [bell(3000, 20.0, 1), b"rest".to_vec()].concat();
        let code = encode(&bytes, std::slice::from_ref(&(0..3000)), 19).unwrap();
        for keep in 0..code.len() {
            assert!(decode(&mut &code[..keep], 1 << 20).is_err(), "cut to {keep} bytes");
        }
        assert!(matches!(decode(&mut code.as_slice(), 3003), Err(RangeError::TooLong { declared: 3004, most: 3003 })));
        // More stretches than bytes, and a group that holds less than its stretches say.
        assert_eq!(decode(&mut [0xff, 0xff, 0x7f, 0, 1].as_slice(), 99), Err(RangeError::Truncated));
        let mut altered = code.clone();
        altered[2] ^= 1;
        assert!(decode(&mut altered.as_slice(), 1 << 20).is_err());
        let overlapping = [0..10, 5..20];
        assert!(encode(&bytes, &overlapping, 19).is_err());
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(parts in prop::collection::vec((any::<bool>(), prop::collection::vec(0u8..9, 0..300)), 0..8)) {
            let mut bytes = Vec::new();
            let mut integers = Vec::new();
            for (is_integer, part) in &parts {
                let start = bytes.len();
                bytes.extend(part);
                if *is_integer {
                    integers.push(start..bytes.len());
                }
            }
            let code = encode(&bytes, &integers, 3).unwrap();
            let mut input = code.as_slice();
            prop_assert_eq!(decode(&mut input, bytes.len() as u64).unwrap(), bytes);
            prop_assert!(input.is_empty());
        }

        #[test]
        fn nothing_that_is_read_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&mut bytes.as_slice(), 1 << 16);
        }
    }
}
