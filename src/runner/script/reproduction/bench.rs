//! The folder, the data, the Python and the machine of a reproduction, and each of its runs.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::settings::{self, FoldersSetting};
use super::{ClaimedScores, Measures, ROUNDED, ReproducedSeed, ReproductionRequest, seed_of, stated, within};
use crate::rehearse::Interpreter;
use crate::runner::script::code::ScriptCode;
use crate::runner::script::data::Data;
use crate::runner::script::environment::{self, Environment};
use crate::runner::script::launcher::{Launcher, on_path};
use crate::runner::script::process::Cap;
use crate::runner::script::record::Machine;
use crate::runner::script::seed::{FILES, Failure, LOG, Seed, Surroundings};
use crate::runner::script::stranger::{KEPT, Stranger};
use crate::runner::script::{Audience, machine};
use caddie_files::{Error, Result};
use caddie_folder::{Fact as _, Folder, RunLog, Scope};

/// Everything that the runs have in common.
pub(super) struct Bench<'a> {
    request: &'a ReproductionRequest,
    script: &'a Utf8Path,
    code: ScriptCode,
    /// The script without its wrappers, as text.
    text: String,
    data: Data,
    interpreter: Interpreter,
    pub(super) machine: Machine,
    pub(super) nproc: u32,
    /// The folder of the runs.
    pub(super) runs: Utf8PathBuf,
    /// Scores that submission.json states for seeds.
    claims: Vec<(i64, f64)>,
}

impl<'a> Bench<'a> {
    /// Reads the script, finds data and Python, and looks at the machine.
    ///
    /// # Errors
    /// When one of them is not there.
    pub(super) fn of(request: &'a ReproductionRequest, folder: &Folder, script: &'a Utf8Path) -> Result<Bench<'a>> {
        let code = ScriptCode::read(&request.folder.join(script))?;
        let unwrapped = caddie_folder::executed::executed(folder).map(|executed| executed.unwrapped.source);
        let text = String::from_utf8_lossy(unwrapped.as_deref().unwrap_or(&code.source)).into_owned();
        let vocab = settings::vocab(&request.env, folder);
        let data = Data::locate(&request.data, vocab)?;
        let python = match &request.python {
            Some(python) => python.clone(),
            None => on_path("python3").or_else(|| on_path("python")).ok_or_else(|| {
                Error::Usage(
                    "python3 is not on PATH; activate the environment that has torch, or pass --python".to_owned(),
                )
            })?,
        };
        let interpreter = Interpreter::plain(&python)?;
        let machine = machine::look(&code.path, &Launcher::of_python(&interpreter.python, false));
        let gpus = u32::try_from(machine.gpus.len()).unwrap_or(1);
        let logged = folder.runs.official.iter().find_map(|run| run.world_size.value());
        let logged = logged.and_then(|size| u32::try_from(size).ok()).unwrap_or(1);
        let name = request.folder.canonicalize_utf8().map_err(Error::io(&request.folder, "resolving"))?;
        let name = format!("reproduce-{}", name.file_name().unwrap_or("folder"));
        let runs = request.out.join("runs").join(name);
        fs::create_dir_all(&runs).map_err(Error::io(&runs, "creating"))?;
        let runs = runs.canonicalize_utf8().map_err(Error::io(&runs, "resolving"))?;
        let nproc = request.nproc.unwrap_or_else(|| logged.min(gpus).max(1));
        let numbers = folder.runs.official.iter().filter_map(seed_of);
        let claims = numbers.filter_map(|seed| Some((seed, stated(folder, Scope::Seed(seed))?))).collect();
        Ok(Bench { request, script, code, text, data, interpreter, machine, nproc, runs, claims })
    }

    /// Prepares the run of a seed, and returns it with the settings that it is given beside seed and data.
    ///
    /// # Errors
    /// When the seed is below zero.
    pub(super) fn seed(&self, run: &RunLog, folder: &Folder) -> Result<(Seed<'_>, Vec<FoldersSetting>)> {
        let number = seed_of(run).and_then(|seed| u64::try_from(seed).ok());
        let number = number.ok_or_else(|| Error::unreadable(&run.log, "states a seed below zero"))?;
        let asked = environment::asked_for(&self.code.source);
        let settings = settings::of(folder, run, &self.text, &asked, &self.request.env);
        let given: Vec<(String, String)> =
            settings.iter().map(|setting| (setting.name.clone(), setting.value.clone())).collect();
        let dir = self.runs.join(format!("seed-{number}"));
        let files = dir.join(FILES);
        let stranger = self.stranger();
        let inherited = |name: &str| KEPT.contains(&name).then(|| std::env::var(name).ok()).flatten();
        let mut environment =
            Environment::of(number, &format!("reproduce_seed{number}"), &self.data, &given, &asked, inherited);
        let base = stranger.environment(&files).into_iter();
        let base: Vec<(String, String)> =
            base.filter(|(name, _)| !environment.set.iter().any(|(own, _)| own == name)).collect();
        environment.set.splice(0..0, base);
        let cause = self.code.cause(self.command(&files.join(self.script), number)?, &environment);
        let seed = Seed {
            seed: number,
            cause,
            environment,
            machine: &self.machine,
            cap: Some(Cap { wall_seconds: self.request.limit_seconds, train_seconds: None, option: "--limit" }),
            surroundings: Surroundings { brought: brought(folder), stranger: Some(stranger) },
            dir,
        };
        Ok((seed, settings))
    }

    fn stranger(&self) -> Stranger {
        let mut readable = self.interpreter.folders.clone();
        readable.extend([self.data.root.clone(), self.data.shards.clone()]);
        readable.extend(self.data.tokenizer.clone());
        Stranger {
            python: self.interpreter.python.clone(),
            readable,
            walls: self.request.walls,
            limit_seconds: self.request.limit_seconds,
        }
    }

    /// The command: Python itself, so that torchrun need not be on PATH.
    fn command(&self, script: &Utf8Path, seed: u64) -> Result<Vec<String>> {
        Launcher::of_python(&self.interpreter.python, self.nproc > 1).command(script, self.nproc, seed)
    }

    /// Makes the run, or takes the finished one, and compares it with that of the folder.
    ///
    /// # Errors
    /// When it cannot be started or kept, or the user interrupts.
    pub(super) fn result(
        &self,
        run: &RunLog,
        seed: &Seed<'_>,
        claimed: ClaimedScores,
        tolerance: f64,
        audience: &mut dyn Audience,
    ) -> Result<ReproducedSeed> {
        let ended = match seed.finished()? {
            Some(record) => {
                audience.kept(seed.seed);
                Ok(record)
            }
            None => {
                let budget = run.train_seconds.value().unwrap_or(600.0);
                let mut watch = audience.watch(seed.seed, budget);
                seed.run(crate::stop::flag(), watch.as_mut(), &mut |text| audience.say(text))?
            }
        };
        let read = match ended {
            Ok(record) => match seed.read(&record) {
                Err(Error::Unreadable { path, reason }) => {
                    let reason = format!("{path}: {reason}");
                    Err(Failure { seed: seed.seed, reason, tail: Vec::new(), log: path })
                }
                read => read?,
            },
            Err(failure) => Err(failure),
        };
        let mut theirs = Measures::of(run, None);
        let number = seed_of(run).unwrap_or_default();
        theirs.val_bpb = self.claims.iter().find(|(seed, _)| *seed == number).map(|(_, bpb)| *bpb).or(theirs.val_bpb);
        let (ours, failure) = match read {
            Ok(made) => (Some(Measures::of(&made.log, run.metric.text())), None),
            Err(failure) => (None, Some(failure)),
        };
        let difference = ours.as_ref().map(|ours| ours.less(&theirs)).unwrap_or_default();
        let std = claimed.val_bpb_std.filter(|std| *std > 0.0);
        Ok(ReproducedSeed {
            seed: number,
            in_std: difference.val_bpb.zip(std).map(|(delta, std)| delta / std),
            reproduced: difference.val_bpb.is_some_and(|delta| within(delta, tolerance)),
            claimed: theirs,
            found: ours,
            difference,
            last_lines: failure.as_ref().map(|failure| failure.tail.clone()).unwrap_or_default(),
            failure: failure.map(|failure| self.explained(&failure)),
            log: seed.dir.join(LOG),
        })
    }

    /// The reason of a failure, with the way out where a GPU is what is missing.
    fn explained(&self, failure: &Failure) -> String {
        let words = ["CUDA", "cuda", "NVIDIA", "nccl", "NCCL"];
        let said =
            failure.tail.iter().chain([&failure.reason]).any(|line| words.iter().any(|word| line.contains(word)));
        if !said || !self.machine.gpus.is_empty() {
            return failure.reason.clone();
        }
        format!(
            "{}. The script asks for CUDA, and there is no GPU here: run it on a machine that has one, or check what can be \
             checked without with `caddie reproduce {} --rehearse`",
            failure.reason, self.request.folder
        )
    }

    /// Circumstances that differ from those of the folder's runs.
    pub(super) fn notes(&self, folder: &Folder, run: Option<&RunLog>) -> Vec<String> {
        let mut notes = Vec::new();
        let logged = run.and_then(|run| run.world_size.value());
        if let Some(logged) = logged.filter(|logged| *logged != u64::from(self.nproc)) {
            notes.push(format!("the logs state a world size of {logged}, and here it is {}", self.nproc));
        }
        let torch = run.and_then(|run| run.torch_version.text().map(str::to_owned));
        if let (Some(theirs), Some(ours)) = (torch, &self.machine.torch)
            && theirs != *ours
        {
            notes.push(format!("the logs state PyTorch {theirs}, and {ours} ran here"));
        }
        let gpu = run.and_then(|run| run.gpu.text().map(str::to_owned));
        if let Some(theirs) = gpu {
            match self.machine.gpus.first() {
                Some(ours) if !ours.contains(&theirs) => {
                    notes.push(format!("the logs state {theirs}, and here is {ours}"))
                }
                Some(_) => {}
                None => notes.push(format!("the logs state {theirs}, and there is no GPU here")),
            }
        }
        for run in &folder.runs.official {
            let (Some(seed), Some(logged)) = (seed_of(run), run.val_bpb.value()) else { continue };
            let claim = self.claims.iter().find(|(known, _)| *known == seed).map(|(_, bpb)| *bpb);
            if let Some(claim) = claim.filter(|claim| !within(claim - logged, ROUNDED)) {
                notes.push(format!("submission.json states {claim} for seed {seed}, and its log {logged}"));
            }
        }
        notes.extend(settings::missing_requirements(folder, &self.interpreter.python));
        notes
    }
}

/// Returns the files that the script may want beside it: everything but logs, documents and ledgers.
fn brought(folder: &Folder) -> Vec<(Utf8PathBuf, Utf8PathBuf)> {
    let others = folder.runs.others.iter().map(|other| &other.run);
    let logs: Vec<&Utf8PathBuf> = folder.runs.official.iter().chain(others).map(|run| &run.log).collect();
    let is_document = |path: &Utf8Path| {
        let name = path.file_name().unwrap_or_default().to_ascii_lowercase();
        name.starts_with("readme") || name.starts_with("submission") || name.starts_with("ledger")
    };
    let wanted = folder.files.iter().filter(|file| !logs.contains(&&file.path) && !is_document(&file.path));
    wanted.map(|file| (file.path.clone(), folder.path.join(&file.path))).collect()
}
