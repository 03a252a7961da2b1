//! Recomputed rows of a ledger beside the ledger's own, and what a sample of them supports.

use std::collections::{BTreeMap, HashSet};

use caddie_folder::ledger::{Ledger, LedgerRow};

use super::sample;
use super::tolerance::Tolerance;

/// What draws with replacement support.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Support {
    pub draws: usize,
    /// Upper bound, with 95 % confidence, on the mean share of a document's nats that the ledger leaves out; `None` below two
    /// draws.
    pub understated: Option<f64>,
}

/// The result of reproducing one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelResult {
    pub seed: i64,
    /// Where the ledger was made, as its author states it.
    pub ledger_device: Option<String>,
    pub tolerance: Tolerance,
    /// Rows of the ledger.
    pub documents: usize,
    pub compared: usize,
    /// Compared documents whose nats are the ledger's to the last bit.
    pub identical: usize,
    /// Largest difference, nats per token, and its document.
    pub largest: f64,
    pub largest_doc: Option<u64>,
    /// What all compared documents together differ by: recomputed less claimed, nats per token.
    pub mean_difference: f64,
    /// Tokens of the documents that `mean_difference` is of.
    pub tokens: u64,
    /// Documents beyond the tolerance, or with other token or byte counts.
    pub differing: Vec<u64>,
    /// Bits per byte of the compared documents: as the ledger has them, and as recomputed.
    pub claimed_bpb: f64,
    pub val_bpb: f64,
    /// What the draws support, where documents were drawn.
    pub support: Option<Support>,
}

impl ModelResult {
    /// Tells whether every compared document agrees, and all together.
    pub fn reproduced(&self) -> bool {
        self.differing.is_empty() && self.mean_agrees()
    }

    /// Tells whether the documents together agree: each a little too good is more than rounding.
    pub fn mean_agrees(&self) -> bool {
        self.mean_difference.abs() <= self.tolerance.per_token(self.tokens)
    }
}

/// The documents of drawn rows, each once and in ascending order.
pub(super) fn distinct(rows: &[LedgerRow], drawn: &[usize]) -> Vec<usize> {
    let mut docs: Vec<usize> = drawn.iter().filter_map(|at| rows.get(*at)).map(|row| row.doc as usize).collect();
    docs.sort_unstable();
    docs.dedup();
    docs
}

/// What the drawn rows support. A document that was not recomputed counts as left out whole.
pub(super) fn support(claimed: &[LedgerRow], ours: &[LedgerRow], drawn: &[usize]) -> Support {
    let ours: BTreeMap<u64, f64> = ours.iter().map(|row| (row.doc, row.nats)).collect();
    let shares = drawn.iter().filter_map(|at| claimed.get(*at));
    let shares: Vec<f64> =
        shares.map(|row| ours.get(&row.doc).map_or(1.0, |nats| sample::understated(row.nats, *nats))).collect();
    Support { draws: drawn.len(), understated: sample::mean_bound(&shares) }
}

/// Compares recomputed rows with the ledger's, all or those of `docs` (ascending). A document that the data or the ledger lack
/// differs.
pub(super) fn compare(
    seed: i64,
    claimed: &Ledger,
    rows: &[LedgerRow],
    docs: Option<&[usize]>,
    tolerance: Tolerance,
) -> ModelResult {
    let ours: BTreeMap<u64, &LedgerRow> = rows.iter().map(|row| (row.doc, row)).collect();
    let is_wanted = |row: &&LedgerRow| docs.is_none_or(|docs| docs.binary_search(&(row.doc as usize)).is_ok());
    let wanted: Vec<&LedgerRow> = claimed.rows.iter().filter(is_wanted).collect();
    let mut result = ModelResult {
        seed,
        ledger_device: None,
        tolerance,
        documents: claimed.rows.len(),
        compared: wanted.len(),
        identical: 0,
        largest: 0.0,
        largest_doc: None,
        mean_difference: 0.0,
        tokens: 0,
        differing: Vec::new(),
        claimed_bpb: bpb(wanted.iter().copied()),
        val_bpb: bpb(wanted.iter().filter_map(|row| ours.get(&row.doc).copied())),
        support: None,
    };
    let mut moved = 0.0;
    for theirs in &wanted {
        match ours.get(&theirs.doc).filter(|row| (row.tokens, row.bytes) == (theirs.tokens, theirs.bytes)) {
            Some(row) => moved += result.add(theirs, row),
            None => result.differing.push(theirs.doc),
        }
    }
    result.mean_difference = moved / result.tokens.max(1) as f64;
    let known: HashSet<u64> = claimed.rows.iter().map(|row| row.doc).collect();
    result.differing.extend(rows.iter().map(|row| row.doc).filter(|doc| !known.contains(doc)));
    result
}

impl ModelResult {
    /// Adds a document that both have; returns what it differs by, nats.
    fn add(&mut self, theirs: &LedgerRow, ours: &LedgerRow) -> f64 {
        let moved = ours.nats - theirs.nats;
        let difference = moved.abs() / theirs.tokens.max(1) as f64;
        self.identical += usize::from(moved == 0.0);
        self.tokens += theirs.tokens;
        if difference > self.largest {
            (self.largest, self.largest_doc) = (difference, Some(theirs.doc));
        }
        if difference.is_nan() || difference > self.tolerance.per_token(theirs.tokens) {
            self.differing.push(theirs.doc);
        }
        moved
    }
}

/// Bits per byte of some rows.
fn bpb<'a>(rows: impl Iterator<Item = &'a LedgerRow>) -> f64 {
    let (nats, bytes) = rows.fold((0.0, 0u64), |(nats, bytes), row| (nats + row.nats, bytes + row.bytes));
    nats / std::f64::consts::LN_2 / bytes as f64
}

#[cfg(test)]
mod tests {
    use super::super::tolerance::DevicePair;
    use super::*;

    fn row(doc: u64, nats: f64) -> LedgerRow {
        LedgerRow { doc, tokens: 10, bytes: 20, nats }
    }

    fn ledger(rows: Vec<LedgerRow>) -> Ledger {
        Ledger { rows, ..Ledger::default() }
    }

    const GIVEN: Tolerance = Tolerance::Given { per_token: 1e-3 };

    #[test]
    fn differences_beyond_the_tolerance_are_named() {
        let claimed = ledger(vec![row(0, 30.0), row(1, 31.0), row(2, 32.0), row(3, 33.0)]);
        let ours = [row(0, 30.0), row(1, 31.001), row(2, 32.1), row(4, 1.0)];
        let result = compare(42, &claimed, &ours, None, GIVEN);
        assert_eq!((result.compared, result.identical, result.differing.as_slice()), (4, 1, [2, 3, 4].as_slice()));
        assert_eq!((result.largest_doc, result.tokens), (Some(2), 30));
        assert!((result.mean_difference - 0.101 / 30.0).abs() < 1e-12);
        assert!(compare(42, &claimed, &[row(0, f64::NAN)], Some(&[0]), GIVEN).differing.contains(&0));
    }

    /// Each of many documents a little too good, by less than rounding may move one: together they are not.
    #[test]
    fn what_no_document_shows_alone_their_mean_shows() {
        let gpu = Tolerance::between(DevicePair::CpuAndGpu);
        let claimed = ledger((0..1_000).map(|doc| row(doc, 29.0)).collect());
        let all = |nats: f64| (0..1_000).map(|doc| row(doc, nats)).collect::<Vec<_>>();
        let result = compare(42, &claimed, &all(30.0), None, gpu);
        assert!(result.differing.is_empty() && !result.mean_agrees() && !result.reproduced(), "{result:?}");
        assert!(compare(42, &claimed, &all(29.001), None, gpu).reproduced());
    }

    #[test]
    fn draws_support_what_they_show() {
        let claimed = [row(3, 30.0), row(4, 31.0)];
        assert_eq!(distinct(&claimed, &[0, 0, 1]), [3, 4]);
        let honest = support(&claimed, &claimed, &[0, 0, 1]);
        let cut = support(&claimed, &[row(3, 60.0), row(4, 31.0)], &[0, 0, 1]);
        assert_eq!((honest.draws, cut.draws), (3, 3));
        assert!(cut.understated >= honest.understated && honest.understated > Some(0.0));
        // A document that is missing counts as left out whole.
        assert_eq!(support(&claimed, &[], &[0, 1]).understated, Some(1.0));
    }
}
