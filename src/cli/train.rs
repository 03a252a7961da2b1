//! `caddie train`: one seed of a recipe, or of a participant's own script.

use camino::Utf8PathBuf;
use clap::Args;

#[cfg(feature = "engine")]
use super::engine;
use super::rulebook_option::RulebookOption;
use super::script_options::ScriptOptions;
use super::script_view::{Terminal, failed};
use crate::Result;
use crate::render::numbers;
use crate::runner::script::single::{Done, SingleRun, train};
use caddie_files::exit;
use caddie_folder::Fact as _;

/// Train one seed of a recipe and quantize it, or run your own script for one seed
///
/// The run directory of a recipe receives log.txt, checkpoint.safetensors and the model file (model.int8.zlib for the
/// baseline); started again, an interrupted training continues at its last checkpoint. A script runs as `caddie submit
/// --script` runs it, in runs/<name>/seed-<seed>, and nothing is rendered.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  caddie train demo --seed 42 --data demo/data\n  \
                        caddie train baseline --seed 1337 --data ./data --device cuda --set iterations=200\n  \
                        caddie train --script train_gpt.py --seed 42 --data ./data --nproc 8 --env MATRIX_LR=0.03")]
pub struct TrainArgs {
    #[cfg(feature = "engine")]
    #[command(flatten)]
    native: native::NativeTrainOptions,
    #[command(flatten)]
    script: ScriptOptions,
    /// A data root with datasets/ and tokenizers/, or a dataset folder with fineweb_*.bin shards
    #[arg(long, value_name = "DIR", env = "DATA_PATH")]
    data: Utf8PathBuf,
    /// Seed of the initial weights
    #[arg(long, default_value_t = 1337)]
    seed: u64,
    /// Run directory of a recipe [default: runs/<recipe name>/seed-<seed>]; of a script, the folder that gets runs/
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
    /// Name of the folder of a script's runs [default: that of the script]
    #[arg(long, requires = "script")]
    name: Option<String>,
    #[command(flatten)]
    rulebook: RulebookOption,
}

/// Trains and prints the paths of the results.
pub fn run(args: &TrainArgs) -> Result<u8> {
    #[cfg(feature = "engine")]
    if let Some(recipe) = &args.native.recipe {
        return engine::run(engine::Work::Train { args, recipe });
    }
    let single = SingleRun {
        script: args.script.required()?,
        seed: args.seed,
        nproc: args.script.nproc,
        env: args.script.env.clone(),
        launcher: args.script.launcher(),
        name: args.name.clone(),
        out: args.out.clone().unwrap_or_else(|| ".".into()),
        data: args.data.clone(),
        enforce: args.script.enforce,
        rulebook: args.rulebook.load()?,
    };
    match train(&single, &mut Terminal::of(1))? {
        Ok(done) => {
            super::print(&said(&done))?;
            eprintln!(
                "render it, with other seeds beside it, by\n  caddie render {}",
                done.dir.parent().unwrap_or(&done.dir)
            );
            Ok(exit::OK)
        }
        Err(failure) => {
            super::print(&failed(&failure))?;
            Ok(exit::FINDINGS)
        }
    }
}

/// Describes a finished run of a script.
pub(super) fn said(done: &Done) -> String {
    let log = &done.run.log;
    let score = log.val_bpb.value().map(numbers::score).unwrap_or_default();
    let mut text = format!("val_bpb  {score} of {}\n", log.metric.text().unwrap_or("an unnamed metric"));
    if let Some(loss) = log.val_loss.value() {
        text.push_str(&format!("val_loss {}\n", numbers::score(loss)));
    }
    text.push_str(&format!("run      {}\nlog      {}\n", done.dir, log.log));
    match &done.run.model {
        Ok(model) => text.push_str(&format!("model    {model}\n")),
        Err(reason) => text.push_str(&format!("model    unknown: {reason}\n")),
    }
    text
}

/// A recipe, run by the engine.
#[cfg(feature = "engine")]
pub(super) mod native {
    use clap::Args;

    use super::super::outlook::SeedView;
    use super::super::progress::Progress;
    use super::TrainArgs;
    use crate::Result;
    use crate::error::exit;
    use crate::runner::{native, recipes};
    use caddie_engine::run::Phase;

    /// Options that only a recipe has.
    #[derive(Debug, Clone, Args)]
    pub struct NativeTrainOptions {
        /// Name of a built-in recipe (baseline, demo) or path of a recipe file
        #[arg(value_name = "RECIPE", required_unless_present = "script", conflicts_with = "script")]
        pub recipe: Option<String>,
        /// Change a key of the recipe; repeatable
        #[arg(long, value_name = "KEY=VALUE", conflicts_with = "script")]
        pub set: Vec<String>,
        /// auto, cpu, cuda or cuda:N, for a recipe
        #[arg(long, value_name = "DEVICE", default_value = "auto", conflicts_with = "script")]
        pub device: String,
        /// Score the model file too, as submit does
        #[arg(long, conflicts_with = "script")]
        pub evaluate: bool,
        /// Do not repeat the log on stdout
        #[arg(long, short, conflicts_with = "script")]
        pub quiet: bool,
    }

    pub fn run(args: &TrainArgs, recipe: &str) -> Result<u8> {
        let recipe = recipes::resolve(recipe, &args.native.set)?;
        let dir = args.out.clone().unwrap_or_else(|| native::run_dir("runs".into(), &recipe.name, args.seed));
        let (data, device) = (&args.data, &args.native.device);
        let until = if args.native.evaluate { Phase::Evaluated } else { Phase::Quantized };
        let job = native::job(recipe, args.seed, &dir, data, device, until, crate::stop::flag())?;
        let mut progress = Progress::new(SeedView::alone(&format!("seed {}", args.seed)), !args.native.quiet);
        let done = caddie_engine::run::run(&job, &mut progress);
        drop(progress);
        done?;
        if args.native.evaluate {
            eprintln!("{dir}: trained, quantized and scored");
            return Ok(exit::OK);
        }
        let model = caddie_engine::run::model_path(dir.as_std_path())?;
        eprintln!(
            "{dir}: trained and quantized; score it with\n  caddie evaluate {} --data {}",
            model.display(),
            args.data
        );
        Ok(exit::OK)
    }
}
