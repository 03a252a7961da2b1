//! `caddie train`: one seed, trained and quantized, and scored on demand.

use camino::Utf8PathBuf;
use clap::Args;

use super::engine_options::{EngineOptions, RecipeOptions};
use super::progress::Progress;
use crate::Result;
use crate::error::exit;
use crate::runner::native;
use caddie_engine::run::Phase;

/// Train one seed of a recipe and quantize it
///
/// The run directory receives log.txt, checkpoint.safetensors and the model file (model.int8.zlib for the baseline).
/// Started again, an interrupted training continues at its last checkpoint.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  caddie train demo --seed 42 --data demo/data\n  \
                        caddie train baseline --seed 1337 --data ./data --device cuda --set iterations=200")]
pub struct TrainArgs {
    #[command(flatten)]
    recipe: RecipeOptions,
    #[command(flatten)]
    engine: EngineOptions,
    /// Seed of the initial weights
    #[arg(long, default_value_t = 1337)]
    seed: u64,
    /// Run directory [default: runs/<recipe name>/seed-<seed>]
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
    /// Score the model file too, as submit does
    #[arg(long)]
    evaluate: bool,
    /// Do not repeat the log on stdout
    #[arg(long, short)]
    quiet: bool,
}

/// Trains and prints the paths of the results.
pub fn run(args: &TrainArgs) -> Result<u8> {
    let recipe = args.recipe.resolve()?;
    let dir = args.out.clone().unwrap_or_else(|| native::run_dir("runs".into(), &recipe.name, args.seed));
    let job = native::job(
        recipe,
        args.seed,
        &dir,
        &args.engine.data,
        &args.engine.device,
        if args.evaluate { Phase::Evaluated } else { Phase::Quantized },
        crate::stop::flag(),
    )?;
    let mut progress = Progress::new(&format!("seed {}", args.seed), !args.quiet);
    let done = caddie_engine::run::run(&job, &mut progress);
    drop(progress);
    done?;
    if args.evaluate {
        eprintln!("{dir}: trained, quantized and scored");
        return Ok(exit::OK);
    }
    let model = caddie_engine::run::model_path(dir.as_std_path())?;
    eprintln!(
        "{dir}: trained and quantized; score it with\n  caddie evaluate {} --data {}",
        model.display(),
        args.engine.data
    );
    Ok(exit::OK)
}
