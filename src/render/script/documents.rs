//! README.md, PULL_REQUEST.md and submission.json of a script's entry.

use minijinja::{Value, context};

use super::{ScriptEntry, ScriptFacts};
use crate::render::legality::{Answer, Statement};
use crate::render::numbers;
use crate::render::page::{count, figures, fill, gain, open_rules, rules, run_row, score_or_dash};
use crate::render::submission::Entry;
use caddie_files::Result;
use caddie_files::text::thousands;
use caddie_folder::Fact as _;

const README: &str = include_str!("../../../templates/script/README.md");
const PULL_REQUEST: &str = include_str!("../../../templates/script/PULL_REQUEST.md");

/// The documents that are prose.
pub struct ScriptPages {
    pub readme: String,
    pub pull_request: String,
}

/// Version of PyTorch: as the logs state it, else as it was installed.
pub fn torch(entry: &ScriptEntry, facts: &ScriptFacts) -> Option<String> {
    let logged = &facts.results.torch_versions;
    if logged.is_empty() { entry.made.torch.clone() } else { Some(logged.join(", ")) }
}

/// The tokenizer by its file name: as the logs state it, else as the runs were given it.
fn tokenizer(entry: &ScriptEntry) -> Option<String> {
    let logged = entry.runs.iter().find_map(|run| run.log.tokenizer.text());
    let name = logged.and_then(|path| path.trim_end_matches('/').rsplit('/').next()).map(str::to_owned);
    name.filter(|name| !name.is_empty()).or_else(|| entry.tokenizer.clone())
}

/// Hardware as the logs state it, else as nvidia-smi did.
fn hardware(entry: &ScriptEntry, facts: &ScriptFacts) -> Option<String> {
    if !facts.results.hardware.is_empty() {
        return Some(facts.results.hardware());
    }
    let name = entry.made.gpus.first()?.split(',').next()?.trim();
    Some(match entry.made.gpus.len() {
        1 => name.to_owned(),
        several => format!("{several}x {name}"),
    })
}

/// Writes the prose of a folder.
///
/// # Errors
/// When a template asks for what is not there: a bug.
pub fn pages(entry: &ScriptEntry, facts: &ScriptFacts, statements: &[Statement]) -> Result<ScriptPages> {
    let (meta, results) = (&entry.meta, &facts.results);
    let others: Vec<Value> = results
        .others
        .iter()
        .map(|other| context! { what => other.metric, val_bpb => numbers::score(other.val_bpb), delta => numbers::delta(other.delta) })
        .collect();
    let whole = entry.runs.iter().all(|run| run.model.is_ok());
    let context = context! {
        meta => context! {
            name => meta.name, track => meta.track.name, is_record => meta.track.is_record, blurb => entry.blurb,
            path => format!("records/{}/{}", meta.track.folder, meta.folder_name()),
            artifact => whole.then(|| format!("{}.tar.zst", meta.file_name())),
        },
        score => context! {
            headline => results.headline(), metric => results.metric, seeds => results.runs.len(),
            seeds_demanded => facts.limits.seeds,
            bpb_mean => numbers::score(results.val_bpb.mean), bpb_std => score_or_dash(results.val_bpb.std),
            loss_mean => score_or_dash(results.val_loss.map(|loss| loss.mean)),
            loss_std => score_or_dash(results.val_loss.and_then(|loss| loss.std)),
            train_max => results.train_seconds_max().map(numbers::seconds),
            eval_max => results.eval_seconds_max().map(numbers::seconds),
            dataset => results.dataset(), tokenizer => tokenizer(entry),
        },
        size => context! {
            total_max => results.bytes_total_max().map(thousands), limit => thousands(facts.limits.bytes_total),
            over => results.bytes_total_max() > Some(facts.limits.bytes_total),
            code => count(results.bytes_code), script => thousands(facts.script_bytes),
            same => results.bytes_code == Some(facts.script_bytes), sha256 => facts.script_sha256,
        },
        made => context! {
            hardware => hardware(entry, facts), python => entry.made.python, torch => torch(entry, facts),
            caddie => entry.made.caddie, rulebook => facts.limits.rulebook,
            params => results.model_params.map(thousands), requirements => entry.requirements.is_some(),
        },
        command => entry.command,
        settings => entry.settings.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect::<Vec<_>>(),
        runs => results.runs.iter().map(|run| run_row(run, &facts.limits)).collect::<Vec<_>>(),
        gain => gain(results),
        ablations => entry.ablations,
        figures => figures(&facts.figures),
        others => others,
        statements => statements,
        broken => rules(statements, Answer::No),
        open => open_rules(statements),
    };
    Ok(ScriptPages {
        readme: fill("script/README.md", README, &context)?,
        pull_request: fill("script/PULL_REQUEST.md", PULL_REQUEST, &context)?,
    })
}

/// A value as a shell takes it.
pub fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+/:,=@%".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', "'\\''"))
    }
}

/// The whole file in its canonical form, ended by a newline. What the logs do not state is null.
pub fn submission_json(entry: &ScriptEntry, facts: &ScriptFacts, statements: &[Statement]) -> String {
    let document = Entry {
        meta: &entry.meta,
        results: &facts.results,
        limits: &facts.limits,
        blurb: &entry.blurb,
        hardware: hardware(entry, facts),
        pytorch_version: torch(entry, facts),
        caddie_version: &entry.made.caddie,
        tokenizer: tokenizer(entry),
        dataset: facts.results.dataset(),
        code_sha256: Some(&facts.script_sha256),
        native: None,
    };
    format!("{:#}\n", document.document(statements))
}
