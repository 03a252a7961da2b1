//! Two validation sets, one model: what a script stores must not depend on the tokens that it is scored on.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use caddie_files::{Error, Result};
use caddie_probe::source::{HAZARD, Kind};

use super::corpus::{Draw, OTHER_VALIDATION, ScriptCorpus, VALIDATION};
use super::entropy::{LAYERS, ProbeOptions};
use super::tries;
use crate::rehearse::{EndedTrial, ProbeTrial, RehearsalFailure, Session};

/// Endings of files that hold no model: text.
const TEXT: [&str; 12] = ["txt", "log", "py", "md", "json", "jsonl", "csv", "tsv", "toml", "sh", "yaml", "yml"];
/// Smallest file that is taken for a model, bytes.
const LEAST_BYTES: u64 = 1024;

/// A model file that the script wrote in every run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    /// Below the folder of records.
    pub file: Utf8PathBuf,
    pub bytes: u64,
    /// Whether the same tokens gave the same bytes once more.
    pub repeats: bool,
    /// Whether other validation tokens gave the same bytes.
    pub same: bool,
}

/// Whether the model depends on the validation tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dependence {
    /// A file that the same tokens reproduce to the byte is another one with other validation tokens.
    Proven,
    /// Every file that repeats is the same.
    None,
    /// It wrote no model, or none that repeats, or did not come to its score.
    Unknown,
}

/// What the probe showed.
#[derive(Debug, Clone, Serialize)]
pub struct Artifact {
    pub schema_version: u32,
    pub script: Utf8PathBuf,
    pub seed: u64,
    pub steps: u32,
    pub source: Kind,
    /// SHA-256 of the two validation shards.
    pub shards_sha256: [String; 2],
    pub models: Vec<Model>,
    pub dependence: Dependence,
    /// Why a run did not come to its score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<RehearsalFailure>,
}

/// Runs a script three times: on one validation set, on the same once more, and on another one. Of the options the first
/// source counts, and nothing is amplified.
///
/// # Errors
/// When the script cannot be read, no Python can be found or made, or a wall cannot be put up.
pub fn artifact(options: &ProbeOptions, stop: &AtomicBool, tell: &mut dyn FnMut(&str)) -> Result<Artifact> {
    let session = Session::new(&options.rehearsal, tell)?;
    tell("making the corpus");
    let (root, prepared) = session.prepare(stop, tell)?;
    let kind = options.sources.first().copied().unwrap_or(Kind::Iid);
    let write = |validation| {
        let train_tokens = (options.rehearsal.steps as usize + 8) * 8192;
        let draw =
            Draw { kind, seed: options.seed, validation, targets: options.targets, train_tokens, hazard: HAZARD };
        ScriptCorpus::write(&root, &prepared.vocabulary, &draw).map(|corpus| corpus.sidecar.shard.sha256)
    };
    let mut run = |name: &str, layers| {
        tell(name);
        let sizes = tries::sizes(&prepared, layers);
        let seed = i64::try_from(options.seed).unwrap_or(i64::MAX);
        session.run(&ProbeTrial { name, seed, corpus: &root, sizes: &sizes, exact: &[], losses: false }, stop, tell)
    };
    let first_shard = write(VALIDATION)?;
    let (mut layers, mut first) = (LAYERS, run("first", LAYERS)?);
    if first.report.failure.is_some() {
        // Some scripts name single layers in other settings.
        layers = 0;
        first = run("first-again", layers)?;
    }
    let mut found = Artifact {
        schema_version: 1,
        script: session.script.clone(),
        seed: options.seed,
        steps: options.rehearsal.steps,
        source: kind,
        shards_sha256: [first_shard, String::new()],
        models: Vec::new(),
        dependence: Dependence::Unknown,
        failure: first.report.failure.clone(),
    };
    if !first.report.reached_its_score() {
        return Ok(found);
    }
    let again = run("repetition", layers)?;
    let [_, other_shard] = &mut found.shards_sha256;
    *other_shard = write(OTHER_VALIDATION)?;
    let other = run("other", layers)?;
    found.failure = [&again, &other].iter().find_map(|ended| ended.report.failure.clone());
    found.models = compare(&models(&first)?, &models(&again)?, &models(&other)?);
    found.dependence = judge(&found.models);
    Ok(found)
}

/// Bytes and SHA-256 of every file that may be a model, by its path.
type Models = BTreeMap<Utf8PathBuf, (u64, String)>;

fn models(ended: &EndedTrial) -> Result<Models> {
    let listing = caddie_files::list(&ended.written)?;
    let is_model = |path: &Utf8Path, bytes: u64| {
        bytes >= LEAST_BYTES && !path.extension().is_some_and(|ending| TEXT.contains(&ending))
    };
    let files = listing.files.into_iter().filter(|file| is_model(&file.path, file.bytes));
    files
        .map(|file| {
            let path = ended.written.join(&file.path);
            let content = fs_err::read(&path).map_err(Error::io(&path, "reading"))?;
            Ok((file.path, (file.bytes, caddie_format::sha256(&content))))
        })
        .collect()
}

fn compare(first: &Models, again: &Models, other: &Models) -> Vec<Model> {
    let of = |(path, one): (&Utf8PathBuf, &(u64, String))| {
        let (again, other) = (again.get(path)?, other.get(path)?);
        Some(Model { file: path.clone(), bytes: one.0, repeats: one == again, same: one == other })
    };
    first.iter().filter_map(of).collect()
}

fn judge(models: &[Model]) -> Dependence {
    let mut repeating = models.iter().filter(|model| model.repeats).peekable();
    if repeating.peek().is_none() {
        Dependence::Unknown
    } else if repeating.any(|model| !model.same) {
        Dependence::Proven
    } else {
        Dependence::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(repeats: bool, same: bool) -> Model {
        Model { file: "model.ptz".into(), bytes: 2000, repeats, same }
    }

    #[test]
    fn only_a_file_that_repeats_says_something() {
        assert_eq!(judge(&[]), Dependence::Unknown);
        assert_eq!(judge(&[model(false, false)]), Dependence::Unknown);
        assert_eq!(judge(&[model(false, false), model(true, true)]), Dependence::None);
        assert_eq!(judge(&[model(true, true), model(true, false)]), Dependence::Proven);
    }

    #[test]
    fn files_are_compared_by_their_names() {
        let of = |digest: &str| Models::from([("a/model.ptz".into(), (2000, digest.to_owned()))]);
        assert_eq!(
            compare(&of("x"), &of("x"), &of("y"))[0],
            Model { file: "a/model.ptz".into(), ..model(true, false) }
        );
        assert!(compare(&of("x"), &Models::new(), &of("x")).is_empty());
    }
}
