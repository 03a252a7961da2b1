//! `caddie evaluate`: the score of a model file or a checkpoint.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::engine_options::EngineOptions;
use super::progress::Progress;
use crate::error::exit;
use crate::runner::recipes;
use crate::{Error, Result};
use caddie_engine::evaluate::file::{FileJob, write_per_token};
use caddie_engine::evaluate::ledger;
use caddie_engine::recipe::EvalMode;
use caddie_engine::run::score_lines;
use caddie_format::atomic;

/// Score a quantized model file, or a checkpoint with --recipe
///
/// Prints the official metric lines and the ledger's digest, and writes the ledger: one row per document with its
/// tokens, bytes and nats. The score of a checkpoint is labelled pre-quantization.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  caddie evaluate runs/demo/seed-42/model.int8.zlib --data demo/data --mode ttt\n  \
                        caddie evaluate checkpoint.safetensors --recipe demo --data demo/data --mode full --per-token nats.tsv"
)]
pub struct EvaluateArgs {
    /// A model file, or a safetensors checkpoint
    #[arg(value_name = "MODEL")]
    model: Utf8PathBuf,
    #[command(flatten)]
    engine: EngineOptions,
    /// Evaluator [default: the recipe's]
    #[arg(long)]
    mode: Option<Mode>,
    /// Recipe of a checkpoint; with a model file, its evaluation settings are used instead of the file's own
    #[arg(long, value_name = "RECIPE")]
    recipe: Option<String>,
    /// Change a key of the evaluation settings, for example ttt_lora_lr=0.002; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Write every token's nats as tab-separated text
    #[arg(long, value_name = "FILE")]
    per_token: Option<Utf8PathBuf>,
    /// Path for the ledger [default: <MODEL>.<mode>.ledger.jsonl.zst]
    #[arg(long, value_name = "FILE")]
    ledger: Option<Utf8PathBuf>,
}

/// The evaluators.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// Non-overlapping rows, each scored whole
    Full,
    /// A window that moves by eval_stride
    Sliding,
    /// A window whose logits get a bias that learns from the targets already scored
    Ogd,
    /// Document-independent score-first LoRA test-time training
    Ttt,
}

impl From<Mode> for EvalMode {
    fn from(mode: Mode) -> EvalMode {
        match mode {
            Mode::Full => EvalMode::Full,
            Mode::Sliding => EvalMode::Sliding,
            Mode::Ogd => EvalMode::Ogd,
            Mode::Ttt => EvalMode::Ttt,
        }
    }
}

/// Scores, prints, and writes the ledger and the per-token file.
pub fn run(args: &EvaluateArgs) -> Result<u8> {
    check_outputs(args)?;
    let stop = crate::stop::flag();
    let job = FileJob {
        model: args.model.clone().into(),
        recipe: args.recipe.as_deref().map(|name| recipes::resolve(name, &[])).transpose()?,
        overrides: args.set.clone(),
        data: args.engine.data.clone().into(),
        mode: args.mode.map(EvalMode::from),
        device: caddie_engine::device::select(&args.engine.device)?,
        stop,
    };
    let loaded = job.load()?;
    let ledger_path = match &args.ledger {
        Some(path) => path.clone().into_std_path_buf(),
        None => ledger::path_beside(args.model.as_std_path(), loaded.mode),
    };
    atomic::check(&ledger_path)?;
    let mut progress = Progress::new("evaluate", false);
    let scored = loaded.score(None, stop, &mut progress);
    drop(progress);
    let (score, eval_ms) = scored?;
    let digest = ledger::write(&ledger_path, &score.rows)?;
    let lines = score_lines(&loaded.metric_name(), loaded.mode, &score.rows, eval_ms, Some(&digest));
    super::print(&(lines.join("\n") + "\n"))?;
    eprintln!("ledger written to {}", ledger_path.display());
    if let Some(path) = &args.per_token {
        write_per_token(path.as_std_path(), &loaded.val, &score)?;
    }
    Ok(exit::OK)
}

/// Refuses, before the long work, outputs that could not be written or would replace an input or each other.
fn check_outputs(args: &EvaluateArgs) -> Result<()> {
    for (flag, path) in [("--per-token", &args.per_token), ("--ledger", &args.ledger)] {
        let Some(path) = path else { continue };
        if path == &args.model {
            return Err(Error::usage(format!("{flag} {path} would replace the model; name another file")));
        }
        atomic::check(path.as_std_path())?;
    }
    match (&args.per_token, &args.ledger) {
        (Some(a), Some(b)) if a == b => {
            Err(Error::usage(format!("--per-token and --ledger both name {a}; give each a file of its own")))
        }
        _ => Ok(()),
    }
}
