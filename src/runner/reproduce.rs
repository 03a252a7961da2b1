//! A reviewer's reproduction: scores the artifact's models again and compares the result with the ledgers, row by row.

use std::collections::BTreeMap;

use caddie_engine::device;
use caddie_engine::evaluate::file::FileJob;
use caddie_engine::log::Observer;
use camino::{Utf8Path, Utf8PathBuf};
use rand::seq::IteratorRandom as _;
use rand::{SeedableRng, TryRngCore as _};
use rand_chacha::ChaCha20Rng;

use super::sample;
use crate::artifact::{Manifest, UnpackLimits, unpack};
use crate::{Error, Result};
use caddie_folder::Folder;
use caddie_folder::ledger::{self, Ledger, LedgerRow};

/// Options for a reproduction: the artifact, the sample and the tolerance.
#[derive(Debug, Clone)]
pub struct ArtifactRequest {
    /// An artifact, or a records folder whose artifact lies beside it or above it.
    pub target: Utf8PathBuf,
    pub data: Utf8PathBuf,
    pub device: String,
    /// Documents to draw at random; all of them where `None`.
    pub docs: Option<usize>,
    /// Seed of the draw; from the operating system where `None`.
    pub sample_seed: Option<u64>,
    /// Draws with replacement by the ledger's digest and a nonce, in place of `docs`.
    pub sample: Option<SampleRequest>,
    /// Largest difference of a document, nats per token, that still counts as reproduced.
    pub tolerance: f64,
}

/// Draws by a ledger's digest and the reviewer's nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleRequest {
    pub draws: usize,
    pub nonce: String,
}

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
    /// Rows of the ledger.
    pub documents: usize,
    pub compared: usize,
    /// Compared documents whose nats are the ledger's to the last bit.
    pub identical: usize,
    /// Largest difference, nats per token, and its document.
    pub largest: f64,
    pub largest_doc: Option<u64>,
    /// Documents beyond the tolerance, or with other token or byte counts.
    pub differing: Vec<u64>,
    /// Bits per byte of the compared documents: as the ledger has them, and as recomputed.
    pub claimed_bpb: f64,
    pub val_bpb: f64,
    /// What the draws support, where documents were drawn with replacement.
    pub support: Option<Support>,
}

impl ModelResult {
    /// Tells whether every compared document agrees.
    pub fn reproduced(&self) -> bool {
        self.differing.is_empty()
    }

    /// Returns the largest number of deviating documents in the ledger, with 95 % confidence, given that none of the
    /// compared ones deviates.
    ///
    /// This is the largest K for which a random sample of n of the N documents would miss all K deviating ones with
    /// probability `Π (N−K−i)/(N−i)`, i < n, of at least 5 %.
    pub fn bound(&self) -> usize {
        let (all, n) = (self.documents, self.compared);
        let missed = |k: usize| (0..n).map(|i| (all - k).saturating_sub(i) as f64 / (all - i) as f64).product::<f64>();
        (0..=all - n).rev().find(|&k| missed(k) >= 0.05).unwrap_or(0)
    }
}

/// The result of a reproduction.
#[derive(Debug, Clone)]
pub struct ArtifactReproduction {
    pub manifest: Manifest,
    pub seeds: Vec<ModelResult>,
    /// Seed of the draw, where documents were drawn.
    pub sample_seed: Option<u64>,
    /// Ledgers of the records folder that differ from those of the artifact.
    pub foreign_ledgers: Vec<i64>,
}

impl ArtifactReproduction {
    pub fn reproduced(&self) -> bool {
        self.foreign_ledgers.is_empty() && self.seeds.iter().all(ModelResult::reproduced)
    }
}

/// Unpacks, scores and compares.
///
/// # Errors
/// When no artifact is found, it does not unpack, its model or the data cannot be used, or a device is missing.
pub fn reproduce(
    request: &ArtifactRequest,
    mut observer: impl FnMut(i64) -> Box<dyn Observer>,
) -> Result<ArtifactReproduction> {
    let device = device::select(&request.device)?;
    let artifact = find_artifact(&request.target)?;
    let folder = tempfile::tempdir().map_err(caddie_files::Error::io("a temporary folder", "creating"))?;
    let root = Utf8PathBuf::try_from(folder.path().join("artifact"))
        .map_err(|e| Error::usage(format!("{}: not a UTF-8 path; set TMPDIR", e.as_path().display())))?;
    let manifest = unpack(&artifact, &root, &UnpackLimits::default(), false)?;
    let sample_seed = match request.docs {
        None => None,
        Some(_) => Some(request.sample_seed.map_or_else(random_seed, Ok)?),
    };
    let mut seeds = Vec::new();
    let mut foreign_ledgers = Vec::new();
    for run in &manifest.counted.runs {
        let claimed = ledger::read(&root.join(format!("seed-{}/ledger.jsonl.zst", run.seed)))?;
        let submitted = request.target.join(format!("ledger_seed{}.jsonl.zst", run.seed));
        if request.target.is_dir() && submitted.exists() && ledger::read(&submitted)?.sha256 != claimed.sha256 {
            foreign_ledgers.push(run.seed);
        }
        let job = FileJob {
            model: root.join(&run.model).into(),
            recipe: None,
            overrides: Vec::new(),
            data: request.data.clone().into(),
            mode: None,
            device,
            stop: crate::stop::flag(),
        };
        let loaded = job.load()?;
        check_data(&request.data, &claimed, loaded.val.documents.len(), loaded.val.targets())?;
        let drawn = request
            .sample
            .as_ref()
            .map(|asked| sample::draw(&claimed.sha256, &asked.nonce, claimed.rows.len(), asked.draws));
        let docs = match &drawn {
            Some(drawn) => Some(distinct(&claimed.rows, drawn)),
            None => draw(&claimed.rows, request.docs, sample_seed),
        };
        let (score, _) = loaded.score(docs.as_deref(), crate::stop::flag(), observer(run.seed).as_mut())?;
        let rows: Vec<LedgerRow> = score
            .rows
            .iter()
            .map(|row| LedgerRow { doc: row.doc, tokens: row.tokens, bytes: row.bytes, nats: row.nats })
            .collect();
        let mut compared = compare(run.seed, &claimed, &rows, docs.as_deref(), request.tolerance);
        compared.support = drawn.map(|drawn| support(&claimed.rows, &rows, &drawn));
        seeds.push(compared);
    }
    Ok(ArtifactReproduction { manifest, seeds, sample_seed, foreign_ledgers })
}

/// Refuses data other than the ledger's, because a comparison with them would say nothing about the submission.
fn check_data(data: &Utf8Path, claimed: &Ledger, documents: usize, targets: usize) -> Result<()> {
    if (documents, targets as u64) == (claimed.rows.len(), claimed.tokens) {
        return Ok(());
    }
    Err(Error::unreadable(
        data,
        format!(
            "not the validation set of this submission: {documents} documents with {targets} targets, its ledger has {} with \
             {}; pass the data that it was scored on",
            claimed.rows.len(),
            claimed.tokens
        ),
    ))
}

/// Finds the artifact itself, or the one that belongs to a records folder: `<Name>.tar.zst` beside `<date>_<Name>/` or
/// in one of the folders above, where `caddie submit` puts it.
fn find_artifact(target: &Utf8Path) -> Result<Utf8PathBuf> {
    if target.is_file() {
        return Ok(target.to_owned());
    }
    if !target.is_dir() {
        return Err(Error::usage(format!("{target}: there is no such artifact or records folder")));
    }
    let full = target.canonicalize_utf8().map_err(caddie_files::Error::io(target, "resolving"))?;
    let folder = full.file_name().unwrap_or_default();
    let dated = folder.split_once('_').map_or(folder, |(_, name)| name);
    let stated =
        Folder::read(target)?.metadata().and_then(|metadata| Some(metadata.canonical()["name"].as_str()?.to_owned()));
    let name = stated.as_deref().unwrap_or(dated);
    let names = [dated, name];
    let mut candidates =
        full.ancestors().skip(1).take(4).flat_map(|dir| names.map(|name| dir.join(format!("{name}.tar.zst"))));
    candidates.find(|path| path.is_file()).ok_or_else(|| {
        Error::unreadable(
            target,
            format!(
                "a records folder holds no weights, and {name}.tar.zst lies neither beside it nor above it; pass the \
                 artifact that its author published"
            ),
        )
    })
}

/// A nonce that nobody chose.
///
/// # Errors
/// When the system gives no random numbers.
pub fn random_nonce() -> Result<String> {
    random_seed().map(|number| format!("{number:016x}"))
}

fn random_seed() -> Result<u64> {
    rand::rngs::OsRng
        .try_next_u64()
        .map_err(|e| Error::usage(format!("the system gives no random numbers ({e}); pass --sample-seed or --nonce")))
}

/// Draws `count` documents of the ledger and keeps its order; `None` takes all of them.
fn draw(rows: &[LedgerRow], count: Option<usize>, seed: Option<u64>) -> Option<Vec<usize>> {
    let (count, seed) = (count?, seed?);
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut docs = rows.iter().map(|row| row.doc as usize).choose_multiple(&mut rng, count);
    docs.sort_unstable();
    Some(docs)
}

/// The documents of drawn rows, each once and in ascending order.
fn distinct(rows: &[LedgerRow], drawn: &[usize]) -> Vec<usize> {
    let mut docs: Vec<usize> = drawn.iter().filter_map(|at| rows.get(*at)).map(|row| row.doc as usize).collect();
    docs.sort_unstable();
    docs.dedup();
    docs
}

/// What the drawn rows support. A document that was not recomputed counts as left out whole.
fn support(claimed: &[LedgerRow], ours: &[LedgerRow], drawn: &[usize]) -> Support {
    let ours: BTreeMap<u64, f64> = ours.iter().map(|row| (row.doc, row.nats)).collect();
    let shares = drawn.iter().filter_map(|at| claimed.get(*at));
    let shares: Vec<f64> =
        shares.map(|row| ours.get(&row.doc).map_or(1.0, |nats| sample::understated(row.nats, *nats))).collect();
    Support { draws: drawn.len(), understated: sample::mean_bound(&shares) }
}

/// Compares recomputed rows with the ledger's. A document that the data or the ledger lack differs.
fn compare(seed: i64, claimed: &Ledger, rows: &[LedgerRow], docs: Option<&[usize]>, tolerance: f64) -> ModelResult {
    let ours: BTreeMap<u64, &LedgerRow> = rows.iter().map(|row| (row.doc, row)).collect();
    let wanted: Vec<&LedgerRow> = claimed
        .rows
        .iter()
        .filter(|row| docs.is_none_or(|docs| docs.binary_search(&(row.doc as usize)).is_ok()))
        .collect();
    let mut result = ModelResult {
        seed,
        documents: claimed.rows.len(),
        compared: wanted.len(),
        identical: 0,
        largest: 0.0,
        largest_doc: None,
        differing: Vec::new(),
        claimed_bpb: bpb(wanted.iter().copied()),
        val_bpb: bpb(wanted.iter().filter_map(|row| ours.get(&row.doc).copied())),
        support: None,
    };
    for theirs in &wanted {
        let Some(row) = ours.get(&theirs.doc).filter(|row| (row.tokens, row.bytes) == (theirs.tokens, theirs.bytes))
        else {
            result.differing.push(theirs.doc);
            continue;
        };
        let difference = (row.nats - theirs.nats).abs() / theirs.tokens.max(1) as f64;
        if row.nats == theirs.nats {
            result.identical += 1;
        }
        if difference > result.largest {
            (result.largest, result.largest_doc) = (difference, Some(theirs.doc));
        }
        if difference.is_nan() || difference > tolerance {
            result.differing.push(theirs.doc);
        }
    }
    let extra = rows.iter().filter(|row| !claimed.rows.iter().any(|theirs| theirs.doc == row.doc));
    result.differing.extend(extra.map(|row| row.doc));
    result
}

/// Bits per byte of some rows.
fn bpb<'a>(rows: impl Iterator<Item = &'a LedgerRow>) -> f64 {
    let (nats, bytes) = rows.fold((0.0, 0u64), |(nats, bytes), row| (nats + row.nats, bytes + row.bytes));
    nats / std::f64::consts::LN_2 / bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(doc: u64, nats: f64) -> LedgerRow {
        LedgerRow { doc, tokens: 10, bytes: 20, nats }
    }

    fn ledger(rows: Vec<LedgerRow>) -> Ledger {
        Ledger { rows, ..Ledger::default() }
    }

    #[test]
    fn differences_beyond_the_tolerance_are_named() {
        let claimed = ledger(vec![row(0, 30.0), row(1, 31.0), row(2, 32.0), row(3, 33.0)]);
        let ours = [row(0, 30.0), row(1, 31.001), row(2, 32.1), row(4, 1.0)];
        let result = compare(42, &claimed, &ours, None, 1e-3);
        assert_eq!((result.compared, result.identical, result.differing.as_slice()), (4, 1, [2, 3, 4].as_slice()));
        assert_eq!(result.largest_doc, Some(2));
        assert!(compare(42, &claimed, &[row(0, f64::NAN)], Some(&[0]), 1e-3).differing.contains(&0));
    }

    #[test]
    fn the_bound_shrinks_with_the_sample() {
        let result = |documents, compared| ModelResult {
            seed: 0,
            documents,
            compared,
            identical: compared,
            largest: 0.0,
            largest_doc: None,
            differing: vec![],
            claimed_bpb: 1.0,
            val_bpb: 1.0,
            support: None,
        };
        assert_eq!(result(48, 48).bound(), 0);
        // The rule of three: 100 of 50,000 leave at most about 3 % open.
        let bound = result(50_000, 100).bound();
        assert!((1400..1500).contains(&bound), "{bound}");
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

    #[test]
    fn the_same_seed_draws_the_same_documents() {
        let rows: Vec<LedgerRow> = (0..100).map(|doc| row(doc, 1.0)).collect();
        let docs = draw(&rows, Some(7), Some(3)).unwrap();
        assert_eq!((docs.len(), draw(&rows, Some(7), Some(3))), (7, Some(docs.clone())));
        assert!(docs.is_sorted() && draw(&rows, None, None).is_none());
    }
}
