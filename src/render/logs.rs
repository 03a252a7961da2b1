//! README.md and submission.json of a folder that has logs and no such files yet.
//!
//! The runs were made elsewhere: no command, no settings and no machine are recorded. So the documents hold what the logs
//! show, and say nothing of the rest.

use minijinja::context;
use serde_json::Value;

use super::facts::Meta;
use super::legality::{self, Answer, Measured, Statement};
use super::numbers;
use super::page::{fill, gain, run_row, score_or_dash};
use super::results::Results;
use super::submission::Entry;
use crate::artifact::Limits;
use caddie_files::Result;
use caddie_files::text::{counted, thousands};
use caddie_folder::{Fact as _, RunLog};

const README: &str = include_str!("../../templates/logs/README.md");

/// The facts that a folder's logs show.
#[derive(Debug, Clone)]
pub struct LoggedEntry {
    pub meta: Meta,
    pub limits: Limits,
    /// The author's words on the method; may be empty.
    pub blurb: String,
    pub results: Results,
    /// SHA-256 of the script that lies in the folder, in lower-case hexadecimal.
    pub script_sha256: Option<String>,
    /// File name of the tokenizer, where a log states it.
    pub tokenizer: Option<String>,
}

impl LoggedEntry {
    /// Puts the facts of logs together, each with its seed. `shipped` is the length of the script as it lies in the
    /// folder: where no log counts the code or the total, the total is the logged model and this script.
    ///
    /// # Errors
    /// As [`Results::stated`].
    pub fn of(meta: Meta, limits: Limits, logs: &[(i64, &RunLog)], shipped: Option<u64>) -> Result<LoggedEntry> {
        let mut results = Results::stated(logs)?;
        let counts_code = logs.iter().any(|(_, log)| log.bytes_code.is_some() || log.bytes_total.is_some());
        if let Some(shipped) = shipped.filter(|_| !counts_code) {
            results.bytes_code = Some(shipped);
            for run in &mut results.runs {
                run.bytes_total = run.bytes_model.and_then(|model| model.checked_add(shipped));
            }
        }
        for run in &mut results.runs {
            if let Some((_, log)) = logs.iter().find(|(seed, _)| *seed == run.seed) {
                run.log = log.log.to_string();
            }
        }
        let tokenizer = logs.iter().find_map(|(_, log)| log.tokenizer.text());
        let tokenizer = tokenizer.and_then(|path| path.trim_end_matches('/').rsplit('/').next()).map(str::to_owned);
        Ok(LoggedEntry {
            meta,
            limits,
            blurb: String::new(),
            results,
            script_sha256: None,
            tokenizer: tokenizer.filter(|name| !name.is_empty()),
        })
    }

    /// Writes submission.json in its canonical form, ended by a newline. What the logs do not state is left out: a key that
    /// is null is a warning of verify.
    pub fn submission_json(&self) -> String {
        let results = &self.results;
        let document = Entry {
            meta: &self.meta,
            results,
            limits: &self.limits,
            blurb: &self.blurb,
            hardware: (!results.hardware.is_empty()).then(|| results.hardware()),
            pytorch_version: (!results.torch_versions.is_empty()).then(|| results.torch_versions.join(", ")),
            caddie_version: env!("CARGO_PKG_VERSION"),
            tokenizer: self.tokenizer.clone(),
            dataset: results.dataset(),
            code_sha256: self.script_sha256.as_deref(),
            native: None,
        };
        let mut document = document.document(&self.statements());
        without_nulls(&mut document);
        format!("{document:#}\n")
    }

    /// Writes README.md: the results and what the limits make of them.
    ///
    /// # Errors
    /// When the template asks for what is not there: a bug.
    pub fn readme(&self) -> Result<String> {
        let results = &self.results;
        let context = context! {
            name => self.meta.name, blurb => self.blurb, gain => gain(results),
            headline => results.headline(), metric => results.metric,
            total_max => results.bytes_total_max().map(thousands), limit => thousands(self.limits.bytes_total),
            train_max => results.train_seconds_max().map(numbers::seconds),
            eval_max => results.eval_seconds_max().map(numbers::seconds),
            bpb_mean => numbers::score(results.val_bpb.mean), bpb_std => score_or_dash(results.val_bpb.std),
            loss_mean => score_or_dash(results.val_loss.map(|loss| loss.mean)),
            loss_std => score_or_dash(results.val_loss.and_then(|loss| loss.std)),
            runs => results.runs.iter().map(|run| run_row(run, &self.limits)).collect::<Vec<_>>(),
            seeds_demanded => self.limits.seeds,
            statements => self.statements(),
        };
        fill("logs/README.md", README, &context)
    }

    /// The statements that logs decide; what they do not show is left to their author.
    fn statements(&self) -> Vec<Statement> {
        let measured = Measured { results: &self.results, limits: &self.limits, track: &self.meta.track };
        let mut all = vec![legality::size(&measured), legality::train_time(&measured), legality::eval_time(&measured)];
        all.extend(legality::hardware(&measured));
        let (runs, demanded) = (self.results.runs.len() as u64, self.limits.seeds);
        all.push(Statement {
            rule: "stat-seeds",
            demand: format!("at least {demanded} runs of one configuration"),
            basis: format!("{}, each of another seed, scored by one metric.", counted(self.results.runs.len(), "log")),
            answer: Answer::measured(Some(runs >= demanded)),
        });
        all
    }
}

/// Takes keys out whose value is null; in `compliance` it says that a question is open.
fn without_nulls(value: &mut Value) {
    let Some(object) = value.as_object_mut() else {
        value.as_array_mut().into_iter().flatten().for_each(without_nulls);
        return;
    };
    object.retain(|_, value| !value.is_null());
    object.iter_mut().filter(|(key, _)| *key != "compliance").for_each(|(_, value)| without_nulls(value));
    object.retain(|_, value| value.as_object().is_none_or(|object| !object.is_empty()));
}
