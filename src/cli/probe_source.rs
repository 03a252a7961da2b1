//! `caddie probe source`: shards whose probability is known.

use camino::Utf8PathBuf;

use caddie_files::exit;
use caddie_probe::sidecar::Sidecar;
use caddie_probe::source::{HAZARD, Kind};

#[cfg(feature = "engine")]
use super::engine;
use super::probe::kind;
#[cfg(feature = "engine")]
use super::probe_native::NativeProbeOptions;
use crate::Result;
use crate::probe::{SourceRequest, VALIDATION, write_source};

/// Tokens of a training shard, where nothing else is asked for.
const TRAIN_TOKENS: u32 = 1_000_000;

/// Write shards of a source whose probability is known exactly, a tokenizer of their vocabulary, and a sidecar that states it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Kinds:\n  iid        independent tokens that follow Zipf's law\n  markov:N   16 tokens, each depends on \
                        N before it (1 to 3)\n  mixture    each document prefers the tokens of its topic\n  repeat     \
                        documents copy earlier spans of themselves\n  model:FILE what a model of the engine draws by itself: a \
                        model file, or a checkpoint with --recipe\n\n\
                        Examples:\n  caddie probe source iid probe-data --vocab 1024 --tokens 65536 --seed 7\n  \
                        caddie probe source model:model.int8.zlib probe-data --tokens 4096"
)]
pub struct ProbeSourceArgs {
    /// iid, markov:ORDER, mixture, repeat or model:FILE
    #[arg(value_name = "KIND", value_parser = drawn_by)]
    kind: DrawnBy,
    /// A new folder
    #[arg(value_name = "OUT")]
    out: Utf8PathBuf,
    /// Size of the vocabulary; a model has its own
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u16).range(8..))]
    vocab: u16,
    /// Targets of the validation shard
    #[arg(long, default_value_t = 65_536, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    tokens: u32,
    /// Tokens of the training shard [default: 1000000; of a model, which draws slowly, none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    train_tokens: Option<u32>,
    /// Mean length of a document: it ends after a token with probability 1/N; of a model's, 1/400
    #[arg(long, default_value_t = HAZARD, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
    hazard: u64,
    /// Seed; the same seed gives the same bytes on every machine
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    #[cfg(feature = "engine")]
    #[command(flatten)]
    native: NativeProbeOptions,
}

/// What draws the tokens of a source.
#[derive(Debug, Clone)]
enum DrawnBy {
    Kind(Kind),
    Model(Utf8PathBuf),
}

fn drawn_by(text: &str) -> std::result::Result<DrawnBy, String> {
    match text.strip_prefix("model:") {
        Some(file) if !file.is_empty() => Ok(DrawnBy::Model(file.into())),
        _ => kind(text).map(DrawnBy::Kind),
    }
}

/// Writes the source and prints its probability.
pub fn run(args: &ProbeSourceArgs) -> Result<u8> {
    let made = match &args.kind {
        DrawnBy::Kind(kind) => write_source(
            &args.out,
            &SourceRequest {
                kind: *kind,
                vocabulary: args.vocab,
                most_symbols: usize::MAX,
                targets: args.tokens as usize,
                train_tokens: args.train_tokens.unwrap_or(TRAIN_TOKENS) as usize,
                hazard: args.hazard,
                seed: args.seed,
                validation: VALIDATION,
            },
        )?,
        #[cfg(feature = "engine")]
        DrawnBy::Model(_) => return engine::run(engine::Work::ProbeSource(args)),
        #[cfg(not(feature = "engine"))]
        DrawnBy::Model(model) => {
            return Err(crate::Error::usage(format!(
                "{model}: drawing from a model needs the engine, which this build of caddie lacks"
            )));
        }
    };
    told(args, &made)
}

/// Prints the probability of what was written.
fn told(args: &ProbeSourceArgs, made: &Sidecar) -> Result<u8> {
    super::print(&format!(
        "{}: {} source, seed {}, vocabulary {}\n  validation  {} targets in {} documents\n  L_P         {:.6} nats, {:.6} a \
         target: no causal, normalized, single-pass scorer gets below it but by luck\n  SHA-256     {} ({})\n",
        args.out,
        made.kind,
        made.seed,
        made.vocabulary,
        made.targets,
        made.documents.len(),
        made.nats,
        made.nats_per_target,
        made.shard.sha256,
        made.shard.file,
    ))?;
    Ok(exit::OK)
}

/// A model of the engine, as the source.
#[cfg(feature = "engine")]
pub(super) mod native {
    use super::super::probe_native::{ProbeRequest, source};
    use super::{DrawnBy, ProbeSourceArgs, told};
    use crate::Result;

    /// Draws from the model and prints the probability of what it drew.
    pub fn run(args: &ProbeSourceArgs) -> Result<u8> {
        let DrawnBy::Model(model) = &args.kind else { return super::run(args) };
        let asked = ProbeRequest {
            sources: &[],
            targets: args.tokens,
            steps: 1,
            seed: args.seed,
            amplify: false,
            budget: std::time::Duration::MAX,
            keep: None,
        };
        let made = source(model, &args.out, &args.native, &asked, args.train_tokens.unwrap_or(0))?;
        told(args, &made)
    }
}
