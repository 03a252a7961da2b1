//! `caddie audit` of a model file as evidence: its contents, the parts that a state dict would not hold, and tokens of
//! a shard that stand in it. A finding says what was seen and how sure that is; it is no verdict on a person.

mod findings;
mod globals;
mod integers;
mod inventory;
mod reading;
pub mod shard;
mod verbatim;
#[cfg(test)]
mod verbatim_tests;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

pub use findings::Role;
pub use globals::{Standing, standing};
pub use inventory::{Measured, TensorReport};
pub use reading::Reading;
pub use shard::Shard;
pub use verbatim::{Found, Index, Run, SHORTEST};

use caddie_checkpoint::{Checkpoint, Format, Layer, LiteralKind, RegionKind};
use caddie_files::{Error, Result};
use caddie_rulebook::Rulebook;
use caddie_rulebook::{Finding, Severity};

/// Options for an audit.
#[derive(Debug, Clone, Default)]
pub struct AuditOptions {
    /// A cap other than the rulebook's, decimal bytes.
    pub cap: Option<u64>,
    /// Shards of the validation split.
    pub val: Vec<Utf8PathBuf>,
    /// Shards of the training split.
    pub train: Vec<Utf8PathBuf>,
}

/// The result of an audit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// Version of this shape.
    pub schema_version: u32,
    pub caddie: &'static str,
    pub rulebook: String,
    pub path: Utf8PathBuf,
    /// Length of the file as it lies on disk.
    pub bytes: u64,
    pub sha256: String,
    /// Budget of code and model together, decimal bytes.
    pub cap: u64,
    /// `bytes` as a share of the cap.
    pub share: f64,
    /// Wrappings that were taken off, outermost first.
    pub layers: Vec<Layer>,
    pub formats: Vec<Format>,
    pub tensors: Vec<TensorReport>,
    pub pickles: Vec<PickleReport>,
    pub literals: Vec<LiteralReport>,
    pub regions: Vec<RegionReport>,
    pub searches: Vec<Search>,
    pub findings: Vec<Finding>,
}

/// A pickle, parsed and not run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PickleReport {
    pub member: String,
    pub bytes: u64,
    pub protocol: u8,
    pub tensors: u64,
    /// Every name that it looks up.
    pub globals: Vec<caddie_checkpoint::pickle::GlobalUse>,
    /// The reason why it could not be read to its end.
    pub fault: Option<String>,
}

/// Something other than tensors that is too large for a name or a setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LiteralReport {
    pub path: String,
    pub kind: LiteralKind,
    /// Number of characters, bytes, items or entries.
    pub length: u64,
    /// Entropy in bits per byte.
    pub entropy: Option<f64>,
}

/// Bytes that belong to no tensor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RegionReport {
    pub kind: RegionKind,
    pub what: String,
    pub bytes: u64,
    /// Entropy in bits per byte.
    pub entropy: f64,
}

/// A shard that was searched for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Search {
    pub role: Role,
    pub shard: Utf8PathBuf,
    pub shard_tokens: u64,
    #[serde(flatten)]
    pub found: Found,
}

impl Audit {
    /// Returns the severity of the gravest finding, if there is any.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Tells whether nothing of the file could be looked into: it is of no format that is read, encrypted, or compressed
    /// by a program that is not read. That nothing was found in it then says nothing about it.
    pub fn is_unread(&self) -> bool {
        let opaque = self.regions.iter().any(|region| region.kind == RegionKind::Opaque);
        opaque && self.tensors.is_empty() && self.pickles.is_empty()
    }
}

/// Audits the file by the rulebook's budget and rules.
///
/// # Errors
/// When the file or a shard cannot be read, or the cap is 0. A fault inside the file is a finding.
pub fn audit(path: &Utf8Path, options: &AuditOptions, rulebook: &Rulebook) -> Result<Audit> {
    let cap = options.cap.unwrap_or(rulebook.limits_of(None).artifact_bytes);
    if cap == 0 {
        return Err(Error::Usage("a budget of 0 bytes has no shares; give --cap at least 1".to_owned()));
    }
    let checkpoint = caddie_checkpoint::read(path)?;
    let mut searches = Vec::new();
    let shards = options.val.iter().map(|shard| (Role::Val, shard));
    for (role, shard) in shards.chain(options.train.iter().map(|shard| (Role::Train, shard))) {
        // Shards are searched for one at a time: a shard and its table take half a gigabyte.
        let shard = shard::read(shard)?;
        let found = Index::new(&shard.tokens).search(&checkpoint.contents);
        searches.push(Search { role, shard_tokens: shard.tokens.len() as u64, shard: shard.path, found });
    }
    Ok(describe(path, &checkpoint, cap, searches, rulebook))
}

fn describe(path: &Utf8Path, checkpoint: &Checkpoint, cap: u64, searches: Vec<Search>, rulebook: &Rulebook) -> Audit {
    let contents = &checkpoint.contents;
    let tensors = inventory::take(checkpoint, cap);
    let mut audit = Audit {
        schema_version: 1,
        caddie: env!("CARGO_PKG_VERSION"),
        rulebook: rulebook.id(),
        path: path.to_owned(),
        bytes: checkpoint.bytes,
        sha256: checkpoint.sha256.clone(),
        cap,
        share: checkpoint.bytes as f64 / cap as f64,
        layers: contents.layers.clone(),
        formats: contents.formats.clone(),
        tensors,
        pickles: contents.pickles.iter().map(pickle).collect(),
        literals: contents
            .literals
            .iter()
            .map(|literal| LiteralReport {
                path: literal.path.clone(),
                kind: literal.kind,
                length: literal.length,
                entropy: literal.entropy,
            })
            .collect(),
        regions: contents
            .regions
            .iter()
            .map(|region| RegionReport {
                kind: region.kind,
                what: region.what.clone(),
                bytes: region.bytes,
                entropy: region.entropy,
            })
            .collect(),
        searches,
        findings: Vec::new(),
    };
    audit.findings = findings::all(&audit, contents, rulebook);
    audit
}

fn pickle(facts: &caddie_checkpoint::PickleFacts) -> PickleReport {
    PickleReport {
        member: facts.member.clone(),
        bytes: facts.bytes,
        protocol: facts.protocol,
        tensors: facts.tensors,
        globals: facts.globals.clone(),
        fault: facts.fault.clone(),
    }
}
