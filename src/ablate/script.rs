//! Somebody's own script as the subject of a study: its settings are variables of its environment, and each trial is run as
//! `submit --script` runs a seed.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use super::choice::Choice;
use super::plan::{Variant, plain};
use super::subject::{
    Goal, Onlooker, Ran, Subject, SubjectFacts, SubjectKind, Trial, TrialEnd, TrialFailure, TrialNumbers, Watching,
};
use crate::render::script::modules;
use crate::runner::script::data::Data;
use crate::runner::script::environment::{self, Environment};
use crate::runner::script::launcher::Launcher;
use crate::runner::script::machine;
use crate::runner::script::process::Cap;
use crate::runner::script::record::{Cause, Machine, Written};
use crate::runner::script::seed::{Failure, Seed, Surroundings};
use crate::{Error, Result};

/// How a script is run.
#[derive(Debug, Clone)]
pub struct ScriptRuns {
    pub data: Utf8PathBuf,
    /// Processes; as many as GPUs are found where `None`, else 1.
    pub nproc: Option<u32>,
    pub launcher: Option<Launcher>,
    /// Limits that end a run.
    pub cap: Option<Cap>,
}

/// A script with the settings that every variant has.
pub struct ScriptSubject {
    text: ScriptText,
    /// Folder that gets `runs/`.
    out: Utf8PathBuf,
    data: Data,
    launcher: Launcher,
    nproc: u32,
    machine: Machine,
    cap: Option<Cap>,
}

/// A script and its settings, however it is run.
pub(super) struct ScriptText {
    pub path: Utf8PathBuf,
    pub source: Vec<u8>,
    /// Variables that it asks for.
    asked: BTreeSet<String>,
    /// Settings of every variant.
    pub settings: Vec<Choice>,
}

impl ScriptSubject {
    /// Looks at a script, its data and the machine.
    ///
    /// # Errors
    /// When the script or its data cannot be used.
    pub fn new(script: &Utf8Path, settings: Vec<Choice>, out: &Utf8Path, runs: &ScriptRuns) -> Result<ScriptSubject> {
        let text = ScriptText::read(script, settings)?;
        let vocab = text.settings.iter().find(|choice| choice.key == "VOCAB_SIZE").map(|choice| {
            let size = choice.value.parse();
            size.map_err(|_| Error::usage(format!("--env VOCAB_SIZE={}: give a number of tokens", choice.value)))
        });
        let launcher = Launcher::or_found(runs.launcher.as_ref());
        let machine = machine::look(&text.path, &launcher);
        let gpus = u32::try_from(machine.gpus.len()).unwrap_or(1).max(1);
        let several = !matches!(launcher, Launcher::Python);
        Ok(ScriptSubject {
            data: Data::locate(&runs.data, vocab.transpose()?)?,
            nproc: runs.nproc.unwrap_or(if several { gpus } else { 1 }),
            cap: runs.cap,
            out: out.to_owned(),
            text,
            launcher,
            machine,
        })
    }

    /// Trials that fit side by side: one for each `nproc` of the GPUs; one without GPUs, where a script uses the whole machine.
    pub fn fitting(&self) -> usize {
        (self.machine.gpus.len() / self.nproc.max(1) as usize).max(1)
    }

    /// Tells whether the script seems to read a variable.
    pub fn reads(&self, name: &str) -> bool {
        self.text.reads(name)
    }

    fn seed(&self, trial: &Trial<'_>, slot: usize) -> Result<Seed<'_>> {
        let run_id = format!("{}_seed{}", trial.variant.folder.replace(['=', '+'], "_"), trial.seed);
        let given = self.text.environment(&trial.variant.changes);
        let inherited = |name: &str| std::env::var(name).ok();
        let mut environment = Environment::of(trial.seed, &run_id, &self.data, &given, &self.text.asked, inherited);
        let cause = Cause {
            script: self.text.path.clone(),
            script_bytes: self.text.source.len() as u64,
            script_sha256: self.text.sha256(),
            modules: modules::beside(&self.text.path)?.iter().map(Written::of_module).collect(),
            command: self.launcher.command(&self.text.path, self.nproc, trial.seed)?,
            env: environment.recorded.clone(),
            env_withheld: environment.withheld.clone(),
        };
        // Trials on several GPUs have their own. Which ones decides nothing, so that it is no part of the cause.
        let nproc = self.nproc as usize;
        if self.machine.gpus.len() >= 2 * nproc {
            let first = slot % self.fitting() * nproc;
            let devices: Vec<String> = (first..first + nproc).map(|gpu| gpu.to_string()).collect();
            environment.set.push(("CUDA_VISIBLE_DEVICES".to_owned(), devices.join(",")));
        }
        Ok(Seed {
            seed: trial.seed,
            dir: self.folder(trial.variant).join(format!("seed-{}", trial.seed)),
            cause,
            environment,
            machine: &self.machine,
            cap: self.cap,
            surroundings: Surroundings::default(),
        })
    }
}

impl Subject for ScriptSubject {
    fn facts(&self) -> SubjectFacts {
        self.text.facts(SubjectKind::Script)
    }

    fn stem(&self) -> String {
        self.text.stem()
    }

    fn whole_key(&self, key: &str) -> Result<String> {
        self.text.variable(key)
    }

    fn without(&self, component: &str) -> Result<Vec<Choice>> {
        Err(no_components(component))
    }

    fn configured(&self, changes: &[Choice]) -> Result<String> {
        Ok(self.text.configured(changes))
    }

    fn value(&self, key: &str) -> Option<String> {
        self.text.settings.iter().find(|choice| choice.key == key).map(|choice| choice.value.clone())
    }

    fn folder(&self, variant: &Variant) -> Utf8PathBuf {
        self.out.join("runs").join(&variant.folder)
    }

    fn run(&self, trial: &Trial<'_>, _goal: Goal, slot: usize, onlooker: &dyn Onlooker) -> Result<Ran> {
        let seed = self.seed(trial, slot)?;
        let before = seed.finished()?;
        let kept = before.is_some();
        let ended = match before {
            Some(record) => Ok(record),
            None => {
                self.text.check_unchanged()?;
                let mut line = onlooker.begin(&trial.name());
                let say = &mut |text: &str| onlooker.say(&format!("{}: {text}", trial.variant.name()));
                seed.run(crate::stop::flag(), &mut Watching(line.as_mut()), say)?
            }
        };
        let read = match ended {
            Ok(record) => seed.read(&record)?,
            Err(failure) => Err(failure),
        };
        let end = match read {
            Ok(run) => TrialEnd::Finished(TrialNumbers::of(&run.log)),
            Err(Failure { reason, tail, log, .. }) => TrialEnd::Failed(TrialFailure { reason, tail, log }),
        };
        Ok(Ran { end, kept })
    }
}

/// Why a component of a script cannot be named.
pub(super) fn no_components(component: &str) -> Error {
    Error::usage(format!(
        "--drop {component}: components are those of a recipe; a script's are switched off by its own variables, for example \
         --vary TTT_ENABLED=0"
    ))
}

impl ScriptText {
    /// Reads a script.
    pub fn read(script: &Utf8Path, settings: Vec<Choice>) -> Result<ScriptText> {
        caddie_files::regular(script)?;
        let path = script.canonicalize_utf8().map_err(caddie_files::Error::io(script, "resolving"))?;
        let source = caddie_files::read_bounded(&path)?;
        let asked = environment::asked_for(&source);
        Ok(ScriptText { path, source, asked, settings })
    }

    pub fn facts(&self, kind: SubjectKind) -> SubjectFacts {
        let name = self.path.file_name().unwrap_or_default().to_owned();
        SubjectFacts { kind, name, sha256: self.sha256(), settings: self.settings.clone() }
    }

    pub fn sha256(&self) -> String {
        caddie_files::hex(&Sha256::digest(&self.source))
    }

    pub fn stem(&self) -> String {
        let stem = plain(self.path.file_stem().unwrap_or("script"));
        std::iter::once(stem)
            .chain(self.settings.iter().map(|set| plain(&set.to_string())))
            .collect::<Vec<_>>()
            .join(".")
    }

    /// The settings of every variant, with the changes of one, which win.
    pub fn environment(&self, changes: &[Choice]) -> Vec<(String, String)> {
        let own = self.settings.iter().filter(|set| changes.iter().all(|change| change.key != set.key));
        own.chain(changes).map(|choice| (choice.key.clone(), unquoted(&choice.value).to_owned())).collect()
    }

    /// The environment, whatever the order of its settings.
    pub fn configured(&self, changes: &[Choice]) -> String {
        let mut environment = self.environment(changes);
        environment.sort();
        format!("{environment:?}")
    }

    /// Tells whether the text asks for a variable, or has its name at least.
    pub fn reads(&self, name: &str) -> bool {
        let text = String::from_utf8_lossy(&self.source);
        self.asked.contains(name) || text.contains(&format!("\"{name}\"")) || text.contains(&format!("'{name}'"))
    }

    /// Refuses a variable that the script does not read: its variants would all be the reference.
    pub fn variable(&self, name: &str) -> Result<String> {
        if self.reads(name) || self.settings.iter().any(|setting| setting.key == name) {
            return Ok(name.to_owned());
        }
        let mut near: Vec<&String> = self.asked.iter().collect();
        near.sort_by(|a, b| strsim::jaro_winkler(name, b).total_cmp(&strsim::jaro_winkler(name, a)));
        let near: Vec<&str> = near.into_iter().take(3).map(String::as_str).collect();
        let near = if near.is_empty() { String::new() } else { format!(" (it reads {} …)", near.join(", ")) };
        Err(Error::usage(format!(
            "{}: does not seem to read the variable {name}{near}; if it does, give it its usual value with --env {name}=VALUE",
            self.path
        )))
    }

    /// Every trial runs the same script, however long the first ones take.
    pub fn check_unchanged(&self) -> Result<()> {
        if caddie_files::read_bounded(&self.path)? == self.source {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{} was changed while the study was going on; run the command again, and every trial is made with the new script",
            self.path
        )))
    }
}

/// The value without the quotes that kept its commas together.
fn unquoted(value: &str) -> &str {
    let of = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.contains(quote));
    of('\'').or_else(|| of('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str, settings: &[(&str, &str)]) -> ScriptText {
        let temp = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(temp.path().join("my train.py")).unwrap();
        std::fs::write(&path, source).unwrap();
        ScriptText::read(&path, settings.iter().map(|(key, value)| Choice::new(*key, *value)).collect()).unwrap()
    }

    #[test]
    fn a_variable_that_the_script_does_not_read_is_refused_with_those_near_it() {
        let text =
            text("lr = os.environ.get(\"MATRIX_LR\", 0.1)\nfor k in ['DYNAMIC']: os.environ[k]\n", &[("GIVEN", "1")]);
        for name in ["MATRIX_LR", "DYNAMIC", "GIVEN"] {
            assert_eq!(text.variable(name).unwrap(), name);
        }
        let refused = text.variable("MATRX_LR").unwrap_err().to_string();
        assert!(refused.contains("it reads MATRIX_LR") && refused.contains("--env MATRX_LR=VALUE"), "{refused}");
    }

    #[test]
    fn a_variants_value_wins_and_quotes_only_hold_it_together() {
        let text = text("", &[("A", "1"), ("B", "2")]);
        let given = text.environment(&[Choice::new("B", "'x,y'"), Choice::new("C", "\"a\"b\"")]);
        let expected = [("A", "1"), ("B", "x,y"), ("C", "\"a\"b\"")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(given, expected);
        assert_eq!(text.stem(), "my_train.A=1.B=2");
    }
}
