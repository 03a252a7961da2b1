//! `caddie ablate`: from a recipe or a script and what is varied of it to a table of what each part is worth.

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};

use super::ablate_script::ScriptStudy;
use super::ablate_view::TrialBars;
#[cfg(feature = "engine")]
use super::engine;
use super::rulebook_option::RulebookOption;
use crate::ablate::plan::Wish;
use crate::ablate::{AblationTable, Axis, Equality, Study, Subject, Together, csv, figure, markdown, plain, study};
use crate::artifact::{Limits, Staging};
use crate::error::exit;
use crate::{Error, Result};

/// In lines of at most 80 columns: clap breaks longer ones wherever they end.
macro_rules! help {
    ($native:literal) => {
        concat!(
            "Examples:\n",
            $native,
            "  caddie ablate --script train_gpt.py --data ./data --vary MATRIX_LR=0.02,0.03
  caddie ablate --script train_gpt.py --rehearse --vary TTT_ENABLED=0,1

Trials lie in OUT/runs/VARIANT/seed-N as those of submit, and are kept: the same
command goes on where it was, and another study of the same recipe uses them.
The table goes to OUT/ablations/NAME.json, .md, .csv and .svg; the .json is for
`caddie render --ablations`. The interval of a difference is Student's over the
pairs of trials with the same seed: two seeds give wide ones.

Exit codes:
  0  every trial finished
  1  a trial failed; its row says why, and the others are kept
  2  wrong usage, or input that cannot be used
  3  interrupted: run it again to continue"
        )
    };
}

#[cfg(feature = "engine")]
const HELP: &str = help!(
    "  caddie ablate demo --data demo/data --vary matrix_lr=0.02,0.04 --drop ttt,unet
  caddie ablate demo --data demo/data --vary quant.matrix.bits=8,6 \\
      --drop ttt --grid
  caddie ablate varlen-ttt-small --data demo/data --rung 'train.min_lr=0.1' \\
      --rung 'muon_polar_express=true ttt_weight_decay=2'
  caddie ablate varlen-ttt-small --data demo/data --vary quant.matrix.bits=8 \\
      --equal bytes --knob quant.matrix.clip_sigmas
  caddie ablate varlen-ttt --components
"
);
#[cfg(not(feature = "engine"))]
const HELP: &str = help!("");

/// Run variants of a recipe or of your own script with the same seeds, and tell what each part is worth
///
/// One thing differs from the reference at a time, or with --grid every combination; the table gives each variant's score, its
/// difference to the reference with the interval over seeds, its bytes, speed and times.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct AblateArgs {
    #[cfg(feature = "engine")]
    #[command(flatten)]
    native: native::NativeStudy,
    #[command(flatten)]
    script: ScriptStudy,
    /// A data root with datasets/ and tokenizers/, or a dataset folder with fineweb_*.bin shards
    #[arg(long, value_name = "DIR", env = "DATA_PATH")]
    data: Option<Utf8PathBuf>,
    /// A setting and its values: a key of the recipe, or a variable of the script; repeatable
    #[arg(long, value_name = "KEY=A,B,…", value_parser = Axis::parse)]
    vary: Vec<Axis>,
    /// Components of the recipe to switch off, each in turn (--components lists them)
    #[arg(long, value_name = "COMPONENT,…", value_delimiter = ',')]
    drop: Vec<String>,
    /// Run every combination, with and without each component
    #[arg(long)]
    grid: bool,
    /// A variant of several settings at once, KEY= takes a part of the recipe out; repeatable
    #[arg(long, value_name = "KEY=VALUE…", value_parser = Together::parse, conflicts_with = "grid")]
    variant: Vec<Together>,
    /// A rung of a ladder: settings that are added to those of the rungs before it; repeatable, and each is compared with the
    /// one before
    #[arg(long, value_name = "KEY=VALUE…", value_parser = Together::parse, conflicts_with_all = ["vary", "drop", "grid", "variant"])]
    rung: Vec<Together>,
    /// One trial of each variant with each
    #[arg(long, value_delimiter = ',', default_value = "0,1,2", value_name = "N,N,…")]
    seeds: Vec<u64>,
    /// What is made equal: bytes of the artifact (with --knob), training time, or steps
    #[arg(long, value_enum, value_name = "WHAT")]
    equal: Option<EqualOption>,
    /// The setting that makes artifacts equally large, such as model_dim or quant.matrix.clip_sigmas; of a script NAME=START
    #[arg(long, value_name = "KEY")]
    knob: Option<String>,
    /// Trials side by side [default: as many as cores or GPUs allow, one with --equal time]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Folder that gets runs/ (or rehearsals/) and ablations/
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: Utf8PathBuf,
    /// Name of the table's files [default: that of the recipe or the script, with its settings]
    #[arg(long)]
    name: Option<String>,
    /// What is printed; every form but plain is written to OUT/ablations too
    #[arg(long, value_enum, default_value = "plain")]
    format: TableFormat,
    #[command(flatten)]
    rulebook: RulebookOption,
}

/// `--equal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EqualOption {
    Bytes,
    Time,
    Steps,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TableFormat {
    Plain,
    Markdown,
    Json,
    Csv,
    Svg,
}

/// Runs the study and prints its table.
pub fn run(args: &AblateArgs) -> Result<u8> {
    #[cfg(feature = "engine")]
    if let Some(recipe) = &args.native.recipe {
        return engine::run(engine::Work::Ablate { args, recipe });
    }
    let subject = args.script.subject(args.data.as_deref(), &args.out, args.equality(), &args.limits()?)?;
    args.conclude(subject.subject.as_ref(), subject.fitting)
}

impl AblateArgs {
    fn equality(&self) -> Option<Equality> {
        self.equal.map(|equal| match equal {
            EqualOption::Bytes => Equality::Bytes,
            EqualOption::Time => Equality::Time,
            EqualOption::Steps => Equality::Steps,
        })
    }

    fn limits(&self) -> Result<Limits> {
        Ok(Limits::of(&self.rulebook.load()?, None))
    }

    /// `KEY`, or `KEY=START`.
    fn knob(&self) -> Result<Option<(String, Option<f64>)>> {
        let Some(text) = &self.knob else { return Ok(None) };
        let Some((key, start)) = text.split_once('=') else { return Ok(Some((text.clone(), None))) };
        let start = start.parse().map_err(|_| Error::usage(format!("--knob {text}: give a number to begin with")))?;
        Ok(Some((key.to_owned(), Some(start))))
    }

    /// Runs the study, writes its files, and prints it. `fitting` trials go on side by side unless it is said otherwise.
    fn conclude(&self, subject: &dyn Subject, fitting: usize) -> Result<u8> {
        let name = self.name.clone().unwrap_or_else(|| subject.settings().stem());
        let name = crate::runner::asked::folder_name(&name)?.to_owned();
        let folder = self.out.join("ablations");
        // A place that cannot be written to is found before the runs and not after them.
        fs_err::create_dir_all(&folder).map_err(caddie_files::Error::io(&folder, "creating"))?;
        let study = Study {
            name,
            wish: Wish {
                axes: self.vary.clone(),
                drops: self.drop.clone(),
                grid: self.grid,
                together: self.variant.clone(),
                rungs: self.rung.clone(),
            },
            seeds: self.seeds.clone(),
            jobs: self.jobs(fitting),
            equal: self.equality(),
            knob: self.knob()?,
            limits: self.limits()?,
        };
        let view = TrialBars::new();
        let table = study::run(&study, subject, &view)?;
        drop(view);
        write_files(&folder, &table)?;
        let text = match self.format {
            TableFormat::Plain => {
                let stem = folder.join(&table.name);
                format!(
                    "{}\ntable        {stem}.json, .md, .csv, .svg\n",
                    plain::write(&table, super::columns_of_stdout())
                )
            }
            TableFormat::Markdown => markdown::write(&table),
            TableFormat::Json => table.json()?,
            TableFormat::Csv => csv::write(&table),
            TableFormat::Svg => figure::write(&table),
        };
        super::print(&text)?;
        Ok(if table.failures().next().is_some() { exit::FINDINGS } else { exit::OK })
    }

    fn jobs(&self, fitting: usize) -> usize {
        match (self.jobs, self.equality()) {
            (Some(jobs), _) => usize::from(jobs),
            // Trials that share cores do not have the same time.
            (None, Some(Equality::Time)) => 1,
            (None, _) => fitting,
        }
    }
}

fn write_files(folder: &Utf8Path, table: &AblationTable) -> Result<()> {
    let files = [
        ("json", table.json()?),
        ("md", markdown::write(table)),
        ("csv", csv::write(table)),
        ("svg", figure::write(table)),
    ];
    for (extension, text) in files {
        let path = folder.join(format!("{}.{extension}", table.name));
        let staging = Staging::file(&path, true)?;
        fs_err::write(staging.path(), text).map_err(caddie_files::Error::io(&path, "writing"))?;
        staging.commit()?;
    }
    Ok(())
}

/// A recipe, run by the engine.
#[cfg(feature = "engine")]
pub(super) mod native {
    use caddie_engine::{Recipe, device};
    use clap::Args;
    use comfy_table::{ContentArrangement, Table, presets};

    use super::AblateArgs;
    use crate::ablate::recipe::{RecipeRuns, RecipeSubject};
    use crate::ablate::{Choice, Equality, components};
    use crate::error::exit;
    use crate::runner::recipes;
    use crate::runner::script::machine;
    use crate::{Error, Result};

    /// Steps that no clock lets a training reach.
    const ENDLESS: &str = "1000000000";

    /// Options that only a recipe has.
    #[derive(Debug, Clone, Args)]
    pub struct NativeStudy {
        /// Name of a built-in recipe (baseline, demo) or path of a recipe file
        #[arg(value_name = "RECIPE", required_unless_present = "script", conflicts_with = "script")]
        pub recipe: Option<String>,
        /// Change a key of the recipe for every variant; repeatable
        #[arg(long, value_name = "KEY=VALUE", conflicts_with = "script")]
        set: Vec<String>,
        /// auto, cpu, cuda or cuda:N, for a recipe
        #[arg(long, value_name = "DEVICE", default_value = "auto", conflicts_with = "script")]
        device: String,
        /// List the components of the recipe that --drop can switch off, and run nothing
        #[arg(long, conflicts_with_all = ["script", "vary", "drop", "variant", "rung"])]
        components: bool,
    }

    pub fn run(args: &AblateArgs, name: &str) -> Result<u8> {
        let (recipe, settings) = reference(args, name)?;
        if args.native.components {
            super::super::print(&listed(&recipe)?)?;
            return Ok(exit::OK);
        }
        let data = args.data.as_ref().ok_or_else(|| Error::usage("--data DIR is missing: the folder of the shards"))?;
        let device = &args.native.device;
        // Trials on the CPU share its cores; on GPUs that are not named by number, each has its own.
        let on_gpu = device::select(device)?.is_cuda();
        let gpus = if on_gpu && !device.contains(':') { machine::gpus().len() } else { 0 };
        let fitting = if on_gpu { gpus.max(1) } else { cores().min(most_trials(args)) };
        let threads = if on_gpu { cores() } else { (cores() / args.jobs(fitting)).max(1) };
        let device = if on_gpu { device.clone() } else { "cpu".to_owned() };
        let runs = RecipeRuns { device, gpus, threads };
        let subject = RecipeSubject::new(recipe, settings, &args.out, data, runs)?;
        args.conclude(&subject, fitting)
    }

    fn cores() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// An estimate from above, without combinations.
    fn most_trials(args: &AblateArgs) -> usize {
        let values: usize = args.vary.iter().map(|axis| axis.values.len()).sum();
        let variants = 1 + values + args.drop.len() + args.variant.len() + args.rung.len();
        if args.grid { usize::MAX } else { args.seeds.len() * variants }.max(1)
    }

    /// The recipe that variants are compared with, and what was changed to make it.
    fn reference(args: &AblateArgs, name: &str) -> Result<(Recipe, Vec<Choice>)> {
        let plain = recipes::resolve(name, &[])?.to_toml();
        let mut settings = Vec::new();
        for set in &args.native.set {
            let choice = Choice::parse(set).map_err(|reason| Error::usage(format!("--set {set}: {reason}")))?;
            // A key that the recipe does not have yet is the engine's to judge.
            let key = components::whole_key(&plain, &choice.key).unwrap_or(choice.key);
            settings.push(Choice::new(key, choice.value.trim()));
        }
        let resolved =
            |settings: &[Choice]| recipes::resolve(name, &settings.iter().map(Choice::to_string).collect::<Vec<_>>());
        let recipe = resolved(&settings)?;
        let seconds = recipe.train.max_wallclock_seconds;
        match args.equality() {
            Some(Equality::Steps) if seconds > 0.0 => settings.push(Choice::new("train.max_wallclock_seconds", "0")),
            Some(Equality::Time) if seconds > 0.0 => settings.push(Choice::new("train.iterations", ENDLESS)),
            Some(Equality::Time) => {
                return Err(Error::usage(format!(
                    "--equal time: the recipe {} has no clock (train.max_wallclock_seconds is 0); give it one, for example --set \
                     max_wallclock_seconds=60",
                    recipe.name
                )));
            }
            _ => {}
        }
        Ok((resolved(&settings)?, settings))
    }

    fn listed(recipe: &Recipe) -> Result<String> {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(["component", "without it"]);
        for one in components::of(recipe)? {
            let without = match one.off {
                Ok(_) => one.about,
                Err(reason) => format!("cannot be dropped: {reason}"),
            };
            table.add_row([one.name, without]);
        }
        let width = terminal_size::terminal_size().map_or(100, |(width, _)| width.0.clamp(60, 120));
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Ok(format!("{}\n", table.trim_fmt()))
    }
}
