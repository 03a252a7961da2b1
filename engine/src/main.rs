//! The program that `train_gpt.py` of a native submission builds and starts: the engine alone, without the toolkit.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use caddie_engine::evaluate::file::FileJob;
use caddie_engine::evaluate::ledger;
use caddie_engine::log::{Event, Observer, Silent};
use caddie_engine::recipe::EvalMode;
use caddie_engine::run::{Job, Phase, run, score_lines};
use caddie_engine::{Error, Recipe, Result, device};
use lexopt::prelude::*;

const USAGE: &str = "\
usage: caddie-engine run|train --recipe FILE --data DIR [--seed N] [--out DIR] [--device D] [--code-bytes N] [--set K=V]
       caddie-engine evaluate MODEL --data DIR [--mode full|sliding|ogd|ttt] [--recipe FILE] [--device D] [--set K=V]

run       train, quantize and evaluate into --out; the same call continues an unfinished run
train     stop after training and quantizing
evaluate  score a model file, or a checkpoint with --recipe, and write its ledger beside it
--device  auto (default), cpu, cuda or cuda:N";

/// Never set: a signal ends the process, and the run directory lets the same command continue.
static STOP: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    caddie_engine::parallel::prepare_process();
    match Arguments::parse().and_then(|arguments| arguments.execute()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

#[derive(Default)]
struct Arguments {
    command: String,
    model: Option<PathBuf>,
    recipe: Option<PathBuf>,
    data: Option<PathBuf>,
    out: Option<PathBuf>,
    seed: Option<u64>,
    device: Option<String>,
    mode: Option<EvalMode>,
    code_bytes: Option<u64>,
    set: Vec<String>,
}

impl Arguments {
    fn parse() -> Result<Arguments> {
        let usage = |e: lexopt::Error| Error::Recipe(format!("{e}\n{USAGE}"));
        let mut out = Arguments::default();
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next().map_err(usage)? {
            match argument {
                Long("help") | Short('h') => out.command = "help".to_owned(),
                Long(name) => {
                    let name = name.to_owned();
                    let value = parser.value().map_err(usage)?;
                    out.option(&name, value.string().map_err(usage)?)?;
                }
                Value(word) if out.command.is_empty() => out.command = word.string().map_err(usage)?,
                Value(path) if out.model.is_none() => out.model = Some(path.into()),
                other => return Err(usage(other.unexpected())),
            }
        }
        Ok(out)
    }

    fn option(&mut self, name: &str, value: String) -> Result<()> {
        let number =
            || value.parse::<u64>().map_err(|_| Error::Recipe(format!("--{name} {value}: not a number\n{USAGE}")));
        match name {
            "recipe" => self.recipe = Some(value.into()),
            "data" => self.data = Some(value.into()),
            "out" => self.out = Some(value.into()),
            "seed" => self.seed = Some(number()?),
            "device" => self.device = Some(value),
            "code-bytes" => self.code_bytes = Some(number()?),
            "set" => self.set.push(value),
            "mode" => self.mode = Some(EvalMode::from_word(&value)?),
            _ => return Err(Error::Recipe(format!("unknown option --{name}\n{USAGE}"))),
        }
        Ok(())
    }

    fn execute(&self) -> Result<()> {
        match self.command.as_str() {
            "run" => self.run(Phase::Evaluated),
            "train" => self.run(Phase::Quantized),
            "evaluate" => self.evaluate(),
            "help" => {
                println!("{USAGE}");
                Ok(())
            }
            other => Err(Error::Recipe(format!("unknown command `{other}`\n{USAGE}"))),
        }
    }

    fn recipe(&self) -> Result<Recipe> {
        Recipe::load(need(&self.recipe, "--recipe")?, &self.set)
    }

    fn run(&self, until: Phase) -> Result<()> {
        let (recipe, seed) = (self.recipe()?, self.seed.unwrap_or(1337));
        let default = || PathBuf::from("runs").join(&recipe.name).join(format!("seed-{seed}"));
        let job = Job {
            dir: self.out.clone().unwrap_or_else(default),
            data: need(&self.data, "--data")?.to_owned(),
            device: device::select(self.device.as_deref().unwrap_or("auto"))?,
            code_bytes: self.code_bytes.or_else(launcher_bytes).unwrap_or(0),
            recipe,
            seed,
            until,
            stop: &STOP,
        };
        run(&job, &mut Echo).map(|_| ())
    }

    fn evaluate(&self) -> Result<()> {
        let model = need(&self.model, "MODEL")?.to_owned();
        let job = FileJob {
            recipe: self.recipe.as_deref().map(|path| Recipe::load(path, &[])).transpose()?,
            overrides: self.set.clone(),
            data: need(&self.data, "--data")?.to_owned(),
            mode: self.mode,
            device: device::select(self.device.as_deref().unwrap_or("auto"))?,
            stop: &STOP,
            model: model.clone(),
        };
        let loaded = job.load()?;
        let (score, eval_ms) = loaded.score(None, &STOP, &mut Silent)?;
        let digest = ledger::write(&ledger::path_beside(&model, loaded.mode), &score.rows)?;
        for line in score_lines(&loaded.metric_name(), loaded.mode, &score.rows, eval_ms, Some(&digest)) {
            println!("{line}");
        }
        Ok(())
    }
}

/// Returns the launcher's length, which the launcher passes on: it is the counted code.
fn launcher_bytes() -> Option<u64> {
    std::env::var("CADDIE_CODE_BYTES").ok()?.parse().ok()
}

fn need<'a>(path: &'a Option<PathBuf>, what: &str) -> Result<&'a Path> {
    path.as_deref().ok_or_else(|| Error::Recipe(format!("{what} is missing\n{USAGE}")))
}

/// Prints the log as it is written.
struct Echo;

impl Observer for Echo {
    fn on(&mut self, event: &Event) {
        if let Event::Line(line) = event {
            println!("{line}");
        }
    }
}
