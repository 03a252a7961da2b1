//! `caddie probe invariance`: what must not change a score, of a recipe, a model or a script.

use std::fmt::Write as _;
use std::time::Duration;

use camino::Utf8PathBuf;
use clap::Args;

use caddie_files::text::one_line;
use caddie_files::{Error, Result, exit};
use caddie_probe::source::Kind;

use super::probe::{ProbeFormat, RunArgs, json, watched};
#[cfg(feature = "engine")]
use super::probe_native::{self, NativeProbeOptions};
use crate::probe::{Compared, Invariances, ProbeOptions, script_invariance};

/// Fewest validation targets of a script: a toy run has windows of some hundred tokens.
const LEAST_OF_A_SCRIPT: u32 = 2048;

/// Change what must not change a score, and compare: repetition, later tokens, order, copies, length, bytes, model file
///
/// A recipe is trained at toy size on a source, a model is scored on what it draws, and a script is rehearsed behind walls, once for
/// each change. Then the tokens are scored again: once more, with other tokens in the half that is scored later, with two
/// neighbors swapped, with other tokens in every second document, with the documents in reverse order, each document twice, and at
/// twice the length. Of a script that leaves its losses to PyTorch's cross-entropy single targets are compared; of another its
/// printed mean, which cannot show which of them moved. For a recipe another validation set must give the same model file; for a
/// script that is `caddie probe artifact`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  caddie probe invariance train_gpt.py\n  caddie probe invariance varlen-ttt-small\n  \
                        caddie probe invariance runs/demo/seed-42/model.int8.zlib --tokens 4096\n\nExit codes: 0 nothing moved that \
                        must not, which clears nobody; 1 a score or the model file moved; 2 nothing was run"
)]
pub struct InvarianceArgs {
    /// A script, a records folder with one, a recipe, or a model of the engine
    #[arg(value_name = "SCRIPT|FOLDER|RECIPE|MODEL")]
    pub target: Utf8PathBuf,
    /// Source of the tokens [default: iid; for a model, model: what it draws itself]
    #[arg(long, value_name = "KIND", value_parser = super::probe::kind)]
    source: Option<Kind>,
    /// Validation targets
    #[arg(long, default_value_t = 4096, value_name = "N", value_parser = clap::value_parser!(u32).range(256..=1_048_576))]
    tokens: u32,
    /// Training steps of a recipe or a script
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2000))]
    steps: u32,
    /// Seed of the source and of the training
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Time for one run of a script, as 90s or 10m
    #[arg(long, default_value = "10m", value_name = "TIME", value_parser = super::probe::time)]
    limit: Duration,
    #[command(flatten)]
    run: RunArgs,
    #[cfg(feature = "engine")]
    #[command(flatten)]
    native: NativeProbeOptions,
    /// plain for a reader, json for programs
    #[arg(long, value_enum, default_value_t = ProbeFormat::Plain)]
    format: ProbeFormat,
}

/// Compares a script's scores, and prints what moved.
pub fn run(args: &InvarianceArgs) -> Result<u8> {
    if args.tokens < LEAST_OF_A_SCRIPT {
        return Err(Error::Usage(format!("--tokens {}: a script needs at least {LEAST_OF_A_SCRIPT}", args.tokens)));
    }
    let options = ProbeOptions {
        rehearsal: args.run.options(&args.target, args.steps, args.limit),
        sources: vec![args.source.unwrap_or(Kind::Iid)],
        targets: args.tokens as usize,
        seed: args.seed,
        amplify: false,
        budget: args.limit,
    };
    let done = watched(|tell| script_invariance(&options, crate::stop::flag(), tell))?;
    told(args, &done)
}

/// Prints the comparison.
fn told(args: &InvarianceArgs, done: &Invariances) -> Result<u8> {
    let text = match args.format {
        ProbeFormat::Plain => plain(done),
        ProbeFormat::Json => json(done)?,
    };
    super::print(&text)?;
    Ok(if done.broken() { exit::FINDINGS } else { exit::OK })
}

/// The comparison for a reader. Writing to a String cannot fail.
fn plain(done: &Invariances) -> String {
    let verdict = if done.broken() { "a score moved that must not" } else { "nothing moved that must not" };
    let how = match (done.compared, done.documents_apart) {
        (_, Some(true)) => "documents scored apart",
        (_, Some(false)) => "documents scored with what stands before them",
        (Compared::EachTarget, None) => "losses of single targets, whose mean the script prints",
        (Compared::PrintedMean, None) => {
            "nothing but the printed mean, because the script computes its losses in a way of its own"
        }
    };
    let mut text = format!(
        "{}\n  {verdict}\n\n  {} targets of {}, {how}\n",
        one_line(&done.subject.name),
        done.targets,
        done.source
    );
    for one in &done.found {
        let holds = match one.holds {
            Some(true) => "holds",
            Some(false) => "BROKEN",
            None => "told",
        };
        let largest = one.largest.map_or(String::new(), |largest| format!("  (largest difference {largest:.1e} nats)"));
        let _ = writeln!(text, "  {:<18} {holds:<7} {}{largest}", one.name, one.says);
    }
    text
}

/// A recipe or a model, scored by the engine.
#[cfg(feature = "engine")]
pub(super) mod native {
    use super::super::probe_native::ProbeRequest;
    use super::{Duration, InvarianceArgs, probe_native, told, watched};
    use crate::Result;

    /// Changes what must not move a score, and prints what moved.
    pub fn run(args: &InvarianceArgs) -> Result<u8> {
        let asked = ProbeRequest {
            sources: &[],
            targets: args.tokens,
            steps: args.steps,
            seed: args.seed,
            amplify: false,
            budget: Duration::MAX,
            keep: args.run.keep.as_deref(),
        };
        let done = watched(|tell| probe_native::invariances(&args.target, args.source, &asked, &args.native, tell))?;
        Ok(told(args, &done)?)
    }
}
