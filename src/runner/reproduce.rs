//! A reviewer's reproduction: scores the artifact's models again and compares the result with the ledgers, row by row.

use caddie_engine::device;
use caddie_engine::evaluate::file::FileJob;
use caddie_engine::log::Observer;
use camino::{Utf8Path, Utf8PathBuf};
use rand::TryRngCore as _;
use serde_json::Value;

use super::compared::{ModelResult, compare, distinct, support};
use super::sample;
use super::tolerance::{DevicePair, Tolerance};
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
    /// Documents to draw; all of them where `None`.
    pub sample: Option<SampleRequest>,
    /// Largest difference of a document, nats per token, that still counts as reproduced; by the two devices where `None`.
    pub tolerance: Option<f64>,
}

/// Draws with replacement by a ledger's digest and the reviewer's nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleRequest {
    pub draws: usize,
    pub nonce: String,
}

/// The result of a reproduction.
#[derive(Debug, Clone)]
pub struct ArtifactReproduction {
    pub manifest: Manifest,
    pub seeds: Vec<ModelResult>,
    /// Where the documents were scored again.
    pub device: String,
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
    let here = device::describe(device);
    let artifact = find_artifact(&request.target)?;
    let folder = tempfile::tempdir().map_err(caddie_files::Error::io("a temporary folder", "creating"))?;
    let root = Utf8PathBuf::try_from(folder.path().join("artifact"))
        .map_err(|e| Error::usage(format!("{}: not a UTF-8 path; set TMPDIR", e.as_path().display())))?;
    let manifest = unpack(&artifact, &root, &UnpackLimits::default(), false)?;
    let stated = stated_hardware(&root);
    let mut seeds = Vec::new();
    let mut foreign_ledgers = Vec::new();
    for run in &manifest.counted.runs {
        let claimed = ledger::read(&root.join(format!("seed-{}/ledger.jsonl.zst", run.seed)))?;
        let submitted = request.target.join(format!("ledger_seed{}.jsonl.zst", run.seed));
        if request.target.is_dir() && submitted.exists() && ledger::read(&submitted)?.sha256 != claimed.sha256 {
            foreign_ledgers.push(run.seed);
        }
        let again =
            Again { model: root.join(&run.model), claimed, device, seed: run.seed, stated: &stated, here: &here };
        seeds.push(again.compared(request, observer(run.seed).as_mut())?);
    }
    Ok(ArtifactReproduction { manifest, seeds, device: here, foreign_ledgers })
}

/// A model that is scored again.
struct Again<'a> {
    model: Utf8PathBuf,
    claimed: Ledger,
    device: device::Device,
    seed: i64,
    /// Where the ledgers were made, as the author states it.
    stated: &'a [String],
    here: &'a str,
}

impl Again<'_> {
    fn compared(&self, request: &ArtifactRequest, observer: &mut dyn Observer) -> Result<ModelResult> {
        let job = FileJob {
            model: self.model.clone().into(),
            recipe: None,
            overrides: Vec::new(),
            data: request.data.clone().into(),
            mode: None,
            device: self.device,
            stop: crate::stop::flag(),
        };
        let (loaded, claimed) = (job.load()?, &self.claimed);
        check_data(&request.data, claimed, loaded.val.documents.len(), loaded.val.targets())?;
        let draw = |asked: &SampleRequest| sample::draw(&claimed.sha256, &asked.nonce, claimed.rows.len(), asked.draws);
        let drawn = request.sample.as_ref().map(draw);
        // A document that is drawn more than once is scored once.
        let docs = drawn.as_ref().map(|drawn| distinct(&claimed.rows, drawn));
        let (score, _) = loaded.score(docs.as_deref(), crate::stop::flag(), observer)?;
        let row = |row: &LedgerRow| LedgerRow { doc: row.doc, tokens: row.tokens, bytes: row.bytes, nats: row.nats };
        let rows: Vec<LedgerRow> = score.rows.iter().map(row).collect();
        let (pair, ledger_device) = self.widest();
        let tolerance =
            request.tolerance.map_or_else(|| Tolerance::between(pair), |per_token| Tolerance::Given { per_token });
        let mut compared = compare(self.seed, claimed, &rows, docs.as_deref(), tolerance);
        compared.ledger_device = ledger_device;
        compared.support = drawn.map(|drawn| support(&claimed.rows, &rows, &drawn));
        Ok(compared)
    }

    /// Of the machines that may have made this ledger the one that differs most from this one.
    fn widest(&self) -> (DevicePair, Option<String>) {
        let pairs = self.stated.iter().map(|name| (DevicePair::of(Some(name), self.here), Some(name.clone())));
        pairs.max_by_key(|(pair, _)| *pair).unwrap_or((DevicePair::NotStated, None))
    }
}

/// The machines that the artifact's ledgers.json names; older ones name none.
fn stated_hardware(root: &Utf8Path) -> Vec<String> {
    let text = fs_err::read_to_string(root.join("ledgers.json")).unwrap_or_default();
    let stated: Value = serde_json::from_str(&text).unwrap_or_default();
    let names = stated["hardware"].as_array().into_iter().flatten();
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
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
        .map_err(|e| Error::usage(format!("the system gives no random numbers ({e}); pass --nonce")))
}
