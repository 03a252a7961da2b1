//! `caddie probe`: sources of known probability, and what a script's score on them proves.

use std::io::IsTerminal;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use indicatif::ProgressBar;

use caddie_files::{Error, Result, exit};
use caddie_probe::evalue::Verdict;
use caddie_probe::source::Kind;

#[cfg(feature = "engine")]
use super::engine;
use super::probe_invariance::{self, InvarianceArgs};
#[cfg(feature = "engine")]
use super::probe_native::{self, NativeProbeOptions};
use super::probe_report::{plain, plain_of_ledger, plain_of_models};
use super::probe_source::{self, ProbeSourceArgs};
use crate::probe::{Dependence, Entropy, ProbeOptions, artifact, entropy, of_ledger, svg};
use crate::rehearse;

/// Prove that a scorer peeks, from its score alone: tokens of exactly known probability, and an e-value
///
/// A scorer that is causal, normalized, scores before it adapts and scores once cannot beat the source that tokens were drawn
/// from, but by luck: p ≤ exp(−(L_P − L)). A probe can prove a leak; it cannot clear anybody.
#[derive(Debug, clap::Args)]
pub struct ProbeArgs {
    #[command(subcommand)]
    command: ProbeCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ProbeCommand {
    Source(ProbeSourceArgs),
    Entropy(EntropyArgs),
    Artifact(ArtifactArgs),
    Invariance(InvarianceArgs),
    Ledger(LedgerArgs),
}

/// Train and score a script or a recipe on a source at toy size, or score a model on what it draws, and weigh the claim
///
/// A script runs behind walls, as `caddie rehearse` runs it. A recipe is trained, quantized and scored by the engine. A model file
/// is scored as `caddie evaluate` scores it, on tokens that it draws itself and whose probability is therefore known.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  caddie probe entropy train_gpt.py\n  caddie probe entropy varlen-ttt-small --plot e.svg\n  \
                        caddie probe entropy runs/demo/seed-42/model.int8.zlib --tokens 4096\n  caddie probe entropy FOLDER --source iid,mixture --tokens \
                        65536\n  caddie probe entropy FOLDER --amplify --budget 20m --format json\n\n\
                        Exit codes: 0 no evidence, which clears nobody; 1 a leak is proven or bytes are miscounted; 2 nothing was run"
)]
pub struct EntropyArgs {
    /// A script, a records folder with one, a recipe, or a model of the engine
    #[arg(value_name = "SCRIPT|FOLDER|RECIPE|MODEL")]
    target: Utf8PathBuf,
    /// Sources, separated by commas; their e-values are averaged [default: iid; for a model, model: what it draws itself]
    #[arg(long, value_delimiter = ',', value_name = "KIND,KIND", value_parser = kind)]
    source: Vec<Kind>,
    /// Validation targets
    #[arg(long, default_value_t = 16_384, value_name = "N", value_parser = clap::value_parser!(u32).range(2048..=1_048_576))]
    tokens: u32,
    /// Training steps of 8,192 tokens
    #[arg(long, default_value_t = 120, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2000))]
    steps: u32,
    /// Seed of the sources and of the script
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Search settings in which a leak shows more, and pay for the search
    #[arg(long)]
    amplify: bool,
    /// Time for all runs, as 90s or 10m; no run begins after it
    #[arg(long, default_value = "10m", value_name = "TIME", value_parser = time)]
    budget: Duration,
    #[command(flatten)]
    run: RunArgs,
    #[cfg(feature = "engine")]
    #[command(flatten)]
    native: NativeProbeOptions,
    /// Write the running e-value of a recipe or a model by document as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<Utf8PathBuf>,
    /// plain for a reader, json for programs
    #[arg(long, value_enum, default_value_t = ProbeFormat::Plain)]
    format: ProbeFormat,
}

/// Train a script on two validation sets and compare the models that it writes, which must be the same
///
/// The script runs three times: on one validation set, on the same once more, and on another one. A model that repeats to the
/// byte and differs with other validation tokens was made from them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  caddie probe artifact FOLDER\n\nExit codes: 0 no dependence shown, which clears nobody; 1 the model \
                        depends on the validation tokens; 2 nothing was run"
)]
struct ArtifactArgs {
    /// A script, or a records folder with one
    target: Utf8PathBuf,
    /// Validation targets
    #[arg(long, default_value_t = 4096, value_name = "N", value_parser = clap::value_parser!(u32).range(2048..=1_048_576))]
    tokens: u32,
    /// Training steps of 8,192 tokens
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2000))]
    steps: u32,
    /// Seed of the source and of the script
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Time for one run, as 90s or 10m
    #[arg(long, default_value = "5m", value_name = "TIME", value_parser = time)]
    limit: Duration,
    #[command(flatten)]
    run: RunArgs,
    /// plain for a reader, json for programs
    #[arg(long, value_enum, default_value_t = ProbeFormat::Plain)]
    format: ProbeFormat,
}

/// How a script is run.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// A setting that the script reads from the environment; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::rehearse::setting)]
    env: Vec<(String, String)>,
    /// Keep what the runs write in this new folder
    #[arg(long, value_name = "DIR")]
    pub(super) keep: Option<Utf8PathBuf>,
    /// A Python with torch 2.11.0 [default: one that caddie makes once, in its cache]
    #[arg(long, value_name = "FILE")]
    python: Option<Utf8PathBuf>,
    /// Run the script without walls, as yourself: only for a script that you trust
    #[arg(long)]
    no_sandbox: bool,
}

/// Weigh a score ledger, as `caddie evaluate` and `submit` write it, against the source of its tokens
///
/// A ledger has the nats of every document, so the e-value runs from document to document, and by Ville's inequality its
/// largest value counts like its last.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  caddie probe ledger runs/demo/seed-1/ledger.jsonl.zst probe-data/source.json --plot e.svg\n\n\
                        Exit codes: 0 no evidence, which clears nobody; 1 a leak is proven; 2 nothing was weighed"
)]
struct LedgerArgs {
    /// The ledger, ledger.jsonl.zst
    #[arg(value_name = "LEDGER")]
    ledger: Utf8PathBuf,
    /// The source.json that `probe source` wrote
    #[arg(value_name = "SIDECAR")]
    sidecar: Utf8PathBuf,
    /// Write the running e-value by document as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<Utf8PathBuf>,
    /// plain for a reader, json for programs
    #[arg(long, value_enum, default_value_t = ProbeFormat::Plain)]
    format: ProbeFormat,
}

/// How the result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProbeFormat {
    Plain,
    Json,
}

pub(super) fn kind(text: &str) -> std::result::Result<Kind, String> {
    text.parse().map_err(|error: caddie_probe::source::Error| error.to_string())
}

pub(super) fn time(text: &str) -> std::result::Result<Duration, String> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let number = number.parse::<u64>().ok().filter(|number| (1..=86_400).contains(number));
    number.map(|number| Duration::from_secs(number * unit)).ok_or_else(|| "write it as 90s or 10m".to_owned())
}

/// Runs one of the probe's commands.
pub fn run(args: &ProbeArgs) -> crate::Result<u8> {
    match &args.command {
        ProbeCommand::Source(args) => probe_source::run(args),
        #[cfg(feature = "engine")]
        ProbeCommand::Entropy(args) if probe_native::is_native(&args.target)? => {
            engine::run(engine::Work::ProbeEntropy(args))
        }
        ProbeCommand::Entropy(args) => of_entropy(args, |tell| of_script(args, tell)),
        ProbeCommand::Artifact(args) => Ok(models(args)?),
        #[cfg(feature = "engine")]
        ProbeCommand::Invariance(args) if probe_native::is_native(&args.target)? => {
            engine::run(engine::Work::ProbeInvariance(args))
        }
        ProbeCommand::Invariance(args) => Ok(probe_invariance::run(args)?),
        ProbeCommand::Ledger(args) => Ok(ledger(args)?),
    }
}

impl RunArgs {
    pub(super) fn options(&self, target: &Utf8Path, steps: u32, limit: Duration) -> rehearse::Options {
        rehearse::Options {
            target: target.to_owned(),
            steps,
            seeds: Vec::new(),
            nproc: 1,
            env: self.env.clone(),
            keep: self.keep.clone(),
            python: self.python.clone(),
            walls: !self.no_sandbox,
            limit,
        }
    }
}

/// Runs a probe with its progress on the terminal.
pub(super) fn watched<T, E>(
    probe: impl FnOnce(&mut dyn FnMut(&str)) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.enable_steady_tick(Duration::from_millis(120));
    let done = probe(&mut |text| bar.set_message(text.to_owned()));
    bar.finish_and_clear();
    done
}

fn of_entropy(
    args: &EntropyArgs,
    probe: impl FnOnce(&mut dyn FnMut(&str)) -> crate::Result<Entropy>,
) -> crate::Result<u8> {
    let done = watched(probe)?;
    if let Some(plot) = &args.plot {
        let drawn = done.tries.iter().find(|tried| !tried.running.is_empty()).ok_or_else(|| {
            Error::Usage(format!("--plot {plot}: a script tells no nats of single documents; a recipe and a model do"))
        })?;
        let title = format!("ln E of {} on a {} source, {}", done.script, drawn.source, drawn.setting);
        fs_err::write(plot, svg(&drawn.running, &title)).map_err(Error::io(plot, "writing"))?;
    }
    let text = match args.format {
        ProbeFormat::Plain => plain(&done),
        ProbeFormat::Json => json(&done)?,
    };
    super::print(&text)?;
    Ok(if done.found() { exit::FINDINGS } else { exit::OK })
}

fn of_script(args: &EntropyArgs, tell: &mut dyn FnMut(&str)) -> crate::Result<Entropy> {
    let options = ProbeOptions {
        rehearsal: args.run.options(&args.target, args.steps, args.budget),
        sources: if args.source.is_empty() { vec![Kind::Iid] } else { args.source.clone() },
        targets: args.tokens as usize,
        seed: args.seed,
        amplify: args.amplify,
        budget: args.budget,
    };
    Ok(entropy(&options, crate::stop::flag(), tell)?)
}

fn models(args: &ArtifactArgs) -> Result<u8> {
    let options = ProbeOptions {
        rehearsal: args.run.options(&args.target, args.steps, args.limit),
        sources: vec![Kind::Iid],
        targets: args.tokens as usize,
        seed: args.seed,
        amplify: false,
        budget: args.limit,
    };
    let done = watched(|tell| artifact(&options, crate::stop::flag(), tell))?;
    let text = match args.format {
        ProbeFormat::Plain => plain_of_models(&done),
        ProbeFormat::Json => json(&done)?,
    };
    super::print(&text)?;
    Ok(if done.dependence == Dependence::Proven { exit::FINDINGS } else { exit::OK })
}

fn ledger(args: &LedgerArgs) -> Result<u8> {
    let done = of_ledger(&args.ledger, &args.sidecar)?;
    if let Some(plot) = &args.plot {
        let title = format!("ln E of {} on a {} source", args.ledger, done.source);
        fs_err::write(plot, svg(&done.running, &title)).map_err(Error::io(plot, "writing"))?;
    }
    let text = match args.format {
        ProbeFormat::Plain => plain_of_ledger(args.ledger.as_str(), &done),
        ProbeFormat::Json => json(&done)?,
    };
    super::print(&text)?;
    Ok(if done.verdict == Verdict::LeakProven { exit::FINDINGS } else { exit::OK })
}

pub(super) fn json(done: &impl serde::Serialize) -> Result<String> {
    let json = serde_json::to_string_pretty(done);
    Ok(json.map_err(|error| Error::Internal(format!("the probe as JSON: {error}")))? + "\n")
}

/// A recipe or a model, scored by the engine.
#[cfg(feature = "engine")]
pub(super) mod native {
    use super::super::probe_native::{self, ProbeRequest};
    use super::{EntropyArgs, of_entropy};
    use crate::Result;

    /// Probes with known probabilities, and prints the table.
    pub fn entropy(args: &EntropyArgs) -> Result<u8> {
        of_entropy(args, |tell| {
            let asked = ProbeRequest {
                sources: &args.source,
                targets: args.tokens,
                steps: args.steps,
                seed: args.seed,
                amplify: args.amplify,
                budget: args.budget,
                keep: args.run.keep.as_deref(),
            };
            probe_native::entropy(&args.target, &asked, &args.native, tell)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
        assert_eq!((time("90s"), time("90")), (Ok(Duration::from_secs(90)), Ok(Duration::from_secs(90))));
        for wrong in ["", "m", "0", "-1s", "1h", "999999999m"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
