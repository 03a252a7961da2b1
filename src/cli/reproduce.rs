//! `caddie reproduce`: the score of an artifact, document by document, or of a folder, by running its script again.

use camino::Utf8PathBuf;
use clap::Args;

#[cfg(feature = "engine")]
use super::engine;
use super::reproduce_script::{self, ScriptReproduction};
use crate::{Error, Result};
use caddie_folder::Folder;

/// Score an artifact's models again, or run a folder's own script again, and compare
///
/// An artifact's models are scored on all documents, or on K that are drawn by the ledger's digest and your word (--nonce), so that
/// neither side can steer the draw, and compared with its ledgers row by row: documents are independent under test-time training, so
/// a sample says something of the others. How much of a difference is rounding depends on the two devices. A folder that caddie
/// rendered from a recipe is reproduced from its artifact, <Name>.tar.zst beside or above it.
///
/// In any other folder the script itself runs, once for each seed, with the settings that commands and logs give. It is
/// a stranger's, so it runs behind walls: no network, no files but its own, Python's and the data. Its log is read as
/// `caddie verify` reads it, and compared with the folder's. With --rehearse, nothing but what a machine without a GPU can
/// show is checked.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  caddie reproduce demo/demo.tar.zst --data demo/data\n  \
                        caddie reproduce records/track_10min_16mb/2026-12-01_Mine --data ./data --sample 500\n  \
                        caddie reproduce demo/demo.tar.zst --data demo/data --sample 300 --nonce 'my word'\n  \
                        caddie reproduce records/track_10min_16mb/2026-03-17_NaiveBaseline --data ./data --seed 1337\n  \
                        caddie reproduce records/track_10min_16mb/2026-03-17_NaiveBaseline --rehearse\n\n\
                        Exit codes: 0 reproduced within the tolerance, 1 not reproduced, 2 it could not be tried, \
                        3 interrupted: the same command keeps the finished seeds")]
pub struct ReproduceArgs {
    /// An artifact, or a records folder
    #[arg(value_name = "ARTIFACT|FOLDER")]
    target: Utf8PathBuf,
    /// A data root with datasets/ and tokenizers/, or a dataset folder with fineweb_*.bin shards
    #[arg(long, value_name = "DIR", env = "DATA_PATH", required_unless_present = "rehearse")]
    data: Option<Utf8PathBuf>,
    /// Largest difference that still counts as reproduced: nats per token of a document of an artifact, and of all of them together
    /// [default: by the two devices; the same machine gives 0]; bits per byte of the score of a script [default: 3 claimed standard deviations, at least 0.001 and at most 0.003]
    #[arg(long, value_name = "DIFFERENCE")]
    tolerance: Option<f64>,
    #[cfg(feature = "engine")]
    #[command(flatten)]
    native: native::NativeReproduceOptions,
    #[command(flatten)]
    script: ScriptReproduction,
}

/// Reproduces, and prints the comparison and the verdict.
pub fn run(args: &ReproduceArgs) -> Result<u8> {
    if args.tolerance.is_some_and(|tolerance| !tolerance.is_finite() || tolerance < 0.0) {
        return Err(Error::usage("--tolerance: give a difference that is not below zero"));
    }
    #[cfg(feature = "engine")]
    if args.native.nonce.as_ref().is_some_and(|nonce| nonce.trim().is_empty()) {
        return Err(Error::usage(
            "--nonce is empty: the draw would depend on the author's digest alone; give a word of your own",
        ));
    }
    if args.script.rehearse || is_of_a_script(args)? {
        return Ok(reproduce_script::run(&args.script, &args.target, args.data.as_deref(), args.tolerance)?);
    }
    if let Some(option) = args.script.given() {
        return Err(Error::usage(format!(
            "{option} is for a folder's script, and {} holds a model, whose seeds and device are its own; leave it out",
            args.target
        )));
    }
    #[cfg(feature = "engine")]
    return engine::run(engine::Work::Reproduce(args));
    #[cfg(not(feature = "engine"))]
    Err(Error::usage(format!(
        "{}: scoring an artifact needs the engine, which this build of caddie lacks; build it with `make`, or name a records \
         folder with a script",
        args.target
    )))
}

/// Tells whether the target is a folder whose logs are of a script.
fn is_of_a_script(args: &ReproduceArgs) -> Result<bool> {
    #[cfg(feature = "engine")]
    if args.native.sample.is_some() {
        return Ok(false);
    }
    if !args.target.exists() {
        return Err(Error::usage(format!("{}: there is no such artifact or records folder", args.target)));
    }
    if !args.target.is_dir() {
        return Ok(false);
    }
    let folder = Folder::read(&args.target)?;
    Ok(folder.runs.official.iter().all(|run| run.engine_version.is_none()))
}

/// An artifact, scored by the engine.
#[cfg(feature = "engine")]
pub(super) mod native {
    use clap::Args;

    use super::super::reproduce_native;
    use super::ReproduceArgs;
    use crate::runner::reproduce::{ArtifactRequest, SampleRequest, random_nonce};
    use crate::{Error, Result};

    /// Options that only an artifact has.
    #[derive(Debug, Clone, Args)]
    pub struct NativeReproduceOptions {
        /// auto, cpu, cuda or cuda:N, for an artifact
        #[arg(long, value_name = "DEVICE", default_value = "auto")]
        pub device: String,
        /// Draw K documents of each of an artifact's ledgers, with replacement, by its digest and --nonce, and say what that supports
        /// [default: all documents]
        #[arg(long, value_name = "K", conflicts_with = "rehearse", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        pub sample: Option<u32>,
        /// The reviewer's word that the draw of --sample depends on [default: random, and printed]
        #[arg(long, value_name = "TEXT", requires = "sample")]
        pub nonce: Option<String>,
    }

    pub fn run(args: &ReproduceArgs) -> Result<u8> {
        let nonce = || args.native.nonce.clone().map_or_else(random_nonce, Ok);
        let sample =
            args.native.sample.map(|draws| Ok::<_, Error>(SampleRequest { draws: draws as usize, nonce: nonce()? }));
        let sample = sample.transpose()?;
        let request = ArtifactRequest {
            target: args.target.clone(),
            data: args.data.clone().unwrap_or_default(),
            device: args.native.device.clone(),
            sample,
            tolerance: args.tolerance,
        };
        reproduce_native::run(&request, args.script.format)
    }
}
