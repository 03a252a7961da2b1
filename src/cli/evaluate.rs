//! `caddie evaluate`: the score of a model file or a checkpoint, by the engine or by a participant's own script.

use camino::Utf8PathBuf;
use clap::Args;

#[cfg(feature = "engine")]
use super::engine;
use super::rulebook_option::RulebookOption;
use super::script_options::ScriptOptions;
use super::script_view::{Terminal, failed};
use super::train::said;
use crate::Result;
use crate::runner::script::single::{SingleRun, evaluate};
use caddie_files::exit;

/// Score a quantized model file, a checkpoint with --recipe, or a checkpoint by your own script
///
/// Prints the official metric lines and the ledger's digest, and writes the ledger: one row per document with its
/// tokens, bytes and nats. The score of a checkpoint is labelled pre-quantization.
///
/// A script is told to evaluate alone by the variable that it reads for it (EVAL_ONLY_PATH and its like), and runs as
/// `caddie submit --script` runs it.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  caddie evaluate runs/demo/seed-42/model.int8.zlib --data demo/data --mode ttt\n  \
                        caddie evaluate checkpoint.safetensors --recipe demo --data demo/data --mode full --per-token nats.tsv\n  \
                        caddie evaluate --script train_gpt.py --checkpoint final_model.int6.ptz --data ./data"
)]
pub struct EvaluateArgs {
    #[cfg(feature = "engine")]
    #[command(flatten)]
    native: native::NativeEvaluateOptions,
    #[command(flatten)]
    script: ScriptOptions,
    /// The model that the script is to evaluate
    #[arg(long, value_name = "FILE", requires = "script")]
    checkpoint: Option<Utf8PathBuf>,
    /// A data root with datasets/ and tokenizers/, or a dataset folder with fineweb_*.bin shards
    #[arg(long, value_name = "DIR", env = "DATA_PATH")]
    data: Utf8PathBuf,
    /// Seed that the script is given
    #[arg(long, default_value_t = 1337, requires = "script")]
    seed: u64,
    /// Name of the folder of the script's runs [default: that of the script]
    #[arg(long, requires = "script")]
    name: Option<String>,
    /// Folder that gets runs/ of the script
    #[arg(long, value_name = "DIR", default_value = ".", requires = "script")]
    out: Utf8PathBuf,
    #[command(flatten)]
    rulebook: RulebookOption,
}

/// Scores and prints.
pub fn run(args: &EvaluateArgs) -> Result<u8> {
    #[cfg(feature = "engine")]
    if let Some(model) = &args.native.model {
        return engine::run(engine::Work::Evaluate { options: &args.native, model, data: &args.data });
    }
    let checkpoint = args.checkpoint.clone();
    let checkpoint =
        checkpoint.ok_or_else(|| crate::Error::usage("--script evaluates a model: name it with --checkpoint"))?;
    let single = SingleRun {
        script: args.script.required()?,
        seed: args.seed,
        nproc: args.script.nproc,
        env: args.script.env.clone(),
        launcher: args.script.launcher(),
        name: args.name.clone(),
        out: args.out.clone(),
        data: args.data.clone(),
        enforce: args.script.enforce,
        rulebook: args.rulebook.load()?,
    };
    match evaluate(&single, &checkpoint, &mut Terminal::of(1))? {
        Ok(done) => {
            super::print(&said(&done))?;
            Ok(exit::OK)
        }
        Err(failure) => {
            super::print(&failed(&failure))?;
            Ok(exit::FINDINGS)
        }
    }
}

/// The engine's evaluators.
#[cfg(feature = "engine")]
pub use native::NativeEvaluateOptions;

#[cfg(feature = "engine")]
pub(super) mod native {
    use camino::{Utf8Path, Utf8PathBuf};
    use clap::{Args, ValueEnum};

    use super::super::outlook::SeedView;
    use super::super::progress::Progress;
    use crate::error::exit;
    use crate::runner::recipes;
    use crate::{Error, Result};
    use caddie_engine::evaluate::file::{FileJob, write_per_token};
    use caddie_engine::evaluate::ledger;
    use caddie_engine::recipe::EvalMode;
    use caddie_engine::run::score_lines;
    use caddie_format::atomic;

    /// Options that only the engine has.
    #[derive(Debug, Clone, Args)]
    pub struct NativeEvaluateOptions {
        /// A model file, or a safetensors checkpoint
        #[arg(value_name = "MODEL", required_unless_present = "script", conflicts_with = "script")]
        pub model: Option<Utf8PathBuf>,
        /// auto, cpu, cuda or cuda:N
        #[arg(long, value_name = "DEVICE", default_value = "auto", conflicts_with = "script")]
        pub device: String,
        /// Evaluator [default: the recipe's]
        #[arg(long, conflicts_with = "script")]
        mode: Option<Mode>,
        /// Recipe of a checkpoint; with a model file, its evaluation settings are used instead of the file's own
        #[arg(long, value_name = "RECIPE", conflicts_with = "script")]
        recipe: Option<String>,
        /// Change a key of the evaluation settings, for example ttt_lora_lr=0.002; repeatable
        #[arg(long, value_name = "KEY=VALUE", conflicts_with = "script")]
        set: Vec<String>,
        /// Write every token's nats as tab-separated text
        #[arg(long, value_name = "FILE", conflicts_with = "script")]
        per_token: Option<Utf8PathBuf>,
        /// Path for the ledger [default: <MODEL>.<mode>.ledger.jsonl.zst]
        #[arg(long, value_name = "FILE", conflicts_with = "script")]
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
    pub fn run(args: &NativeEvaluateOptions, model: &Utf8Path, data: &Utf8Path) -> Result<u8> {
        check_outputs(args, model)?;
        let stop = crate::stop::flag();
        let job = FileJob {
            model: model.into(),
            recipe: args.recipe.as_deref().map(|name| recipes::resolve(name, &[])).transpose()?,
            overrides: args.set.clone(),
            data: data.into(),
            mode: args.mode.map(EvalMode::from),
            device: caddie_engine::device::select(&args.device)?,
            stop,
        };
        let loaded = job.load()?;
        let ledger_path = match &args.ledger {
            Some(path) => path.clone().into_std_path_buf(),
            None => ledger::path_beside(model.as_std_path(), loaded.mode),
        };
        atomic::check(&ledger_path)?;
        let mut progress = Progress::new(SeedView::alone("evaluate"), false);
        let scored = loaded.score(None, stop, &mut progress);
        drop(progress);
        let (score, eval_ms) = scored?;
        let digest = ledger::write(&ledger_path, &score.rows)?;
        let lines = score_lines(&loaded.metric_name(), loaded.mode, &score.rows, eval_ms, Some(&digest));
        super::super::print(&(lines.join("\n") + "\n"))?;
        eprintln!("ledger written to {}", ledger_path.display());
        if let Some(path) = &args.per_token {
            write_per_token(path.as_std_path(), &loaded.val, &score)?;
        }
        Ok(exit::OK)
    }

    /// Refuses, before the long work, outputs that could not be written or would replace an input or each other.
    fn check_outputs(args: &NativeEvaluateOptions, model: &Utf8Path) -> Result<()> {
        for (flag, path) in [("--per-token", &args.per_token), ("--ledger", &args.ledger)] {
            let Some(path) = path else { continue };
            if path == model {
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
}
