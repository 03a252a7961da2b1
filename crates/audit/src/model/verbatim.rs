//! The paid-prefix test: the longest run of a shard's tokens that stands in the payload word for word.
//!
//! Every eighth group of eight tokens of the shard goes into a table; every position of the payload, in every
//! [`Reading`], is looked up there and a hit is extended both ways. So each run of 15 tokens or more is met, in time
//! linear in payload and shard, in 4 bytes per group. Groups of fewer than three different tokens are no evidence and
//! are left out. Tokens that are encrypted, permuted or written as differences are not met: an empty result proves no
//! absence.

use rayon::prelude::*;
use serde::Serialize;

use super::reading::Reading;
use caddie_checkpoint::{Contents, Payload};

/// Tokens in a group.
const GROUP: usize = 8;
/// Tokens from one group of the table to the next.
const STEP: usize = 8;
/// Shortest run, in tokens, that is certain to be met.
pub const SHORTEST: usize = GROUP + STEP - 1;
/// Most places of the table that one look-up tries.
const MAX_PROBES: usize = 16;
/// Steps back that the hits of one pass may take together: a hostile payload could make every hit a long one.
const MAX_BACK: usize = 16 << 20;

/// A run of tokens that the payload has in common with the shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    pub tokens: u64,
    /// Index of its first token in the shard.
    pub shard_at: u64,
    /// Offset of its first byte in `within`.
    pub payload_at: u64,
    /// The unpacked file, or the member or value of it that was searched.
    pub within: String,
    /// The tensor, literal or region of the payload in which it lies.
    pub owner: Option<String>,
    pub reading: Reading,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The longest run; `None` where there is none of 15 tokens.
    pub longest: Option<Run>,
    /// Tokens in all runs of 15 and more, in the reading that has the longest.
    pub matched_tokens: u64,
    /// Bytes that were searched.
    pub searched_bytes: u64,
    /// Length of the longest run to be expected by chance, from independent values of the same frequencies.
    pub chance_tokens: f64,
    /// Decimal logarithm of the number of runs as long as the longest that are expected by chance.
    pub log10_expected: Option<f64>,
}

/// The groups of a shard.
#[derive(Debug)]
pub struct Index<'a> {
    tokens: &'a [u16],
    largest: u16,
    /// Positions plus one, in open addressing; 0 is free.
    table: Vec<u32>,
}

/// A payload to search in: bytes and the readings that they allow.
struct Text<'a> {
    bytes: std::borrow::Cow<'a, [u8]>,
    /// Index of the buffer, for a payload that is one.
    buffer: Option<usize>,
    owner: Option<String>,
    readings: Vec<Reading>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Hit {
    length: usize,
    shard_at: usize,
    /// Offset in bytes.
    payload_at: usize,
}

#[derive(Debug, Clone, Copy)]
struct Task {
    text: usize,
    reading: Reading,
    /// Bytes before the first token.
    shift: usize,
}

impl<'a> Index<'a> {
    /// Indexes a shard.
    pub fn new(tokens: &'a [u16]) -> Index<'a> {
        let groups = tokens.len() / STEP + 1;
        let mut index = Index {
            tokens,
            largest: tokens.iter().copied().max().unwrap_or(0),
            table: vec![0; (groups * 2).next_power_of_two()],
        };
        // Positions are u32: a shard is bounded far below.
        for at in (0..tokens.len().saturating_sub(GROUP - 1)).step_by(STEP) {
            index.insert(at);
        }
        index
    }

    fn insert(&mut self, at: usize) {
        let Some(group) = self.tokens.get(at..).and_then(|rest| rest.first_chunk::<GROUP>()) else { return };
        let Ok(entry) = u32::try_from(at + 1) else { return };
        if !telling(group) {
            return;
        }
        let mask = self.table.len() - 1;
        let start = hash(group);
        for probe in 0..MAX_PROBES {
            let Some(slot) = self.table.get_mut((start + probe) & mask) else { return };
            if *slot == 0 {
                *slot = entry;
                return;
            }
            // The first of equal groups stands for all: a longer run has other groups beside it.
            if self.tokens.get(*slot as usize - 1..).and_then(|rest| rest.first_chunk::<GROUP>()) == Some(group) {
                return;
            }
        }
    }

    fn find(&self, group: &[u16; GROUP]) -> Option<usize> {
        let mask = self.table.len() - 1;
        let start = hash(group);
        for probe in 0..MAX_PROBES {
            let entry = *self.table.get((start + probe) & mask)?;
            let at = (entry as usize).checked_sub(1)?;
            if self.tokens.get(at..)?.first_chunk::<GROUP>() == Some(group) {
                return Some(at);
            }
        }
        None
    }

    /// Searches everything that the file holds below its layers.
    pub fn search(&self, contents: &Contents) -> Found {
        let texts = texts(contents, self.largest);
        let tasks = tasks(&texts);
        let results: Vec<(Task, Hit, usize)> = tasks
            .par_iter()
            .filter_map(|task| Some((*task, self.scan(texts.get(task.text)?, task))))
            .map(|(task, (hit, sum))| (task, hit, sum))
            .collect();
        let mut best: Option<(Task, Hit)> = None;
        for (task, hit, _) in &results {
            if hit.length > best.map_or(0, |(_, hit)| hit.length) {
                best = Some((*task, *hit));
            }
        }
        let reading = best.map_or(Reading::U16Le, |(task, _)| task.reading);
        let matched: usize =
            results.iter().filter(|(task, ..)| task.reading == reading).map(|(_, _, matched)| *matched).sum();
        let longest = best.filter(|(_, hit)| hit.length >= SHORTEST).map(|(task, hit)| {
            let text = texts.get(task.text);
            let owner =
                text.and_then(|text| text.owner.clone()).or_else(|| contents.owner(text?.buffer?, hit.payload_at));
            let named = text.and_then(|text| contents.buffers.get(text.buffer?)).map(|buffer| buffer.name.clone());
            let within = named.filter(|name| !name.is_empty());
            Run {
                within: within.or_else(|| text?.owner.clone()).unwrap_or_else(|| "the unpacked file".to_owned()),
                tokens: hit.length as u64,
                shard_at: hit.shard_at as u64,
                payload_at: hit.payload_at as u64,
                owner,
                reading,
            }
        });
        let (chance_tokens, rate) = self.chance(&texts, reading);
        let log10_expected = longest.as_ref().map(|run| rate.0 + run.tokens as f64 * rate.1);
        let searched_bytes = texts.iter().map(|text| text.bytes.len() as u64).sum();
        Found { longest, matched_tokens: matched as u64, searched_bytes, chance_tokens, log10_expected }
    }

    /// Returns the longest run of one pass over a text, and the tokens of all its runs.
    fn scan(&self, text: &Text<'_>, task: &Task) -> (Hit, usize) {
        let bytes = text.bytes.as_ref();
        let (reading, width) = (task.reading, task.reading.width());
        let get = |index: usize| reading.get(bytes, task.shift + index * width).filter(|token| *token <= self.largest);
        let (mut best, mut matched, mut back_left) = (Hit::default(), 0, MAX_BACK);
        let mut group = [0u16; GROUP];
        let (mut valid, mut next, mut counted) = (0, 0, 0);
        for index in 0..bytes.len().saturating_sub(task.shift) / width {
            let Some(token) = get(index) else {
                valid = 0;
                continue;
            };
            group.rotate_left(1);
            group[GROUP - 1] = token;
            valid += 1;
            if valid < GROUP || index + 1 < next + GROUP {
                continue;
            }
            let Some(at) = self.find(&group) else { continue };
            let start = index + 1 - GROUP;
            let ahead = (GROUP..).take_while(|step| {
                let token = get(start + step);
                token.is_some() && token == self.tokens.get(at + step).copied()
            });
            let length = GROUP + ahead.count();
            let behind = (1..=start.min(at).min(back_left)).take_while(|step| {
                let token = get(start - step);
                token.is_some() && token == self.tokens.get(at - step).copied()
            });
            let behind = behind.count();
            back_left -= behind;
            let whole = behind + length;
            if whole > best.length {
                best = Hit { length: whole, shard_at: at - behind, payload_at: task.shift + (start - behind) * width };
            }
            if whole >= SHORTEST {
                matched += (start + length).saturating_sub(counted.max(start - behind));
                counted = start + length;
            }
            // Another run may begin in the last tokens of this one.
            next = start + length - (GROUP - 1);
        }
        (best, matched)
    }

    /// Returns the length of the longest run to be expected of independent values, and the decimal logarithms of the
    /// number of pairs of positions and of the chance that two tokens agree.
    fn chance(&self, texts: &[Text<'_>], reading: Reading) -> (f64, (f64, f64)) {
        let mut payload = vec![0u64; 1 << 16];
        let (mut elements, mut positions) = (0u64, 0u64);
        for text in texts.iter().filter(|text| text.readings.contains(&reading)) {
            positions += text.bytes.len() as u64;
            for at in (0..text.bytes.len()).step_by(reading.width()) {
                elements += 1;
                let token = reading.get(&text.bytes, at);
                if let Some(count) = token.and_then(|token| payload.get_mut(usize::from(token))) {
                    *count += 1;
                }
            }
        }
        let mut shard = vec![0u64; 1 << 16];
        self.tokens.iter().for_each(|token| {
            if let Some(count) = shard.get_mut(usize::from(*token)) {
                *count += 1;
            }
        });
        let pairs = (elements.max(1) as f64) * (self.tokens.len().max(1) as f64);
        let agree: f64 = payload.iter().zip(&shard).map(|(a, b)| *a as f64 * *b as f64).sum::<f64>() / pairs;
        let rate = agree.clamp(1e-12, 0.9).log10();
        let positions = (positions.max(1) as f64 * self.tokens.len().max(1) as f64).log10();
        (positions / -rate, (positions, rate))
    }
}

/// Lists everything to be searched: the buffers in every reading, and the integers of the pickles.
fn texts(contents: &Contents, largest: u16) -> Vec<Text<'_>> {
    let readings: Vec<Reading> =
        Reading::ALL.into_iter().filter(|reading| *reading != Reading::U8 || largest < 256).collect();
    let buffers = contents.buffers.iter().enumerate().map(|(index, buffer)| Text {
        bytes: buffer.bytes.as_slice().into(),
        buffer: Some(index),
        owner: None,
        readings: readings.clone(),
    });
    let literals = contents.literals.iter().filter_map(|literal| match &literal.payload {
        Payload::Integers(values) => Some(Text {
            bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into(),
            buffer: None,
            owner: Some(literal.path.clone()),
            readings: vec![Reading::I64],
        }),
        _ => None,
    });
    buffers.chain(literals).collect()
}

fn tasks(texts: &[Text<'_>]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        for &reading in &text.readings {
            // Whole integers of a pickle lie at multiples of their width; in a buffer anything may come before them.
            let shifts = if text.buffer.is_some() { reading.width() } else { 1 };
            for shift in 0..shifts {
                tasks.push(Task { text: index, reading, shift });
            }
        }
    }
    tasks
}

/// Tells whether a group is more than a repetition.
fn telling(group: &[u16; GROUP]) -> bool {
    let [first, rest @ ..] = group;
    let Some(second) = rest.iter().find(|token| *token != first) else { return false };
    rest.iter().any(|token| token != first && token != second)
}

fn hash(group: &[u16; GROUP]) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for token in group {
        state = (state ^ u64::from(*token)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        state ^= state >> 32;
    }
    state as usize
}
