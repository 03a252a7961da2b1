//! README.md, PULL_REQUEST.md and requirements.txt: formats every number and puts it into its template.

use minijinja::{Environment, UndefinedBehavior, Value, context};

use super::facts::Facts;
use super::figures::{BYTES, FigureFiles, LOSS};
use super::legality::{Answer, Statement};
use super::results::{MetricKind, Other, Results, SeedResult};
use super::submission::ledger_file;
use super::{launcher, numbers};
use crate::artifact::Limits;
use caddie_files::text::thousands;
use caddie_files::{Error, Result};

const README: &str = include_str!("../../templates/README.md");
const PULL_REQUEST: &str = include_str!("../../templates/PULL_REQUEST.md");
const REQUIREMENTS: &str = include_str!("../../templates/requirements.txt");

/// The text for a fact that the log does not state.
const NOT_STATED: &str = "not stated";

/// The documents in prose.
#[derive(Debug, Clone, PartialEq)]
pub struct Pages {
    pub readme: String,
    /// Title in the first line, as a heading; then the body.
    pub pull_request: String,
    pub requirements: String,
}

/// Writes the prose of a folder.
///
/// # Errors
/// When a template asks for what is not there: a bug, caught by the tests that render each.
pub fn pages(facts: &Facts, statements: &[Statement]) -> Result<Pages> {
    let context = context! {
        meta => meta(facts),
        score => score(facts),
        runs => facts.results.runs.iter().zip(&facts.ledgers).map(|(run, l)| row(facts, run, &l.1)).collect::<Vec<_>>(),
        others => others(facts),
        gain => gain(&facts.results),
        sample => sample(facts.scored.documents),
        settings => facts.recipe.key_settings(),
        ablations => facts.ablations,
        probed => facts.probe.is_some(),
        figures => figures(&facts.figures),
        size => size(facts),
        made => made(facts),
        statements => statements,
        broken => rules(statements, Answer::No),
        open => open_rules(statements),
    };
    Ok(Pages {
        readme: fill("README.md", README, &context)?,
        pull_request: fill("PULL_REQUEST.md", PULL_REQUEST, &context)?,
        requirements: fill("requirements.txt", REQUIREMENTS, &context)?,
    })
}

/// Names the figures that there are.
pub(super) fn figures(files: &FigureFiles) -> Value {
    context! { loss => files.loss.as_ref().map(|_| LOSS), bytes => files.bytes.as_ref().map(|_| BYTES) }
}

/// Fills a template; what it asks for must be there.
pub(super) fn fill(name: &str, template: &str, context: &Value) -> Result<String> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_keep_trailing_newline(true);
    env.set_trim_blocks(true);
    env.set_lstrip_blocks(true);
    env.add_filter("cell", |text: String| text.replace('|', "\\|").replace('\n', " "));
    env.render_named_str(name, template, context).map_err(|e| Error::Internal(format!("template {name}: {e:#}")))
}

fn meta(facts: &Facts) -> Value {
    let meta = &facts.meta;
    context! {
        name => meta.name,
        author => meta.author,
        github_id => meta.github_id,
        date => meta.date.to_string(),
        track => meta.track.name.as_str(),
        is_record => meta.track.is_record,
        path => format!("records/{}/{}", meta.track.folder, facts.folder_name()),
        artifact => format!("{}.tar.zst", meta.file_name()),
        blurb => facts.blurb(),
    }
}

fn score(facts: &Facts) -> Value {
    let results = &facts.results;
    context! {
        headline => facts.headline(),
        metric => results.metric,
        method => results.kind().describe(),
        bpb_mean => numbers::score(results.val_bpb.mean),
        bpb_std => score_or_dash(results.val_bpb.std),
        loss_mean => score_or_dash(results.val_loss.map(|loss| loss.mean)),
        loss_std => score_or_dash(results.val_loss.and_then(|loss| loss.std)),
        seeds => results.runs.len(),
        seeds_demanded => facts.limits.seeds,
        dataset => facts.dataset(),
        tokenizer => facts.tokenizer(),
        documents => thousands(facts.scored.documents),
        tokens => thousands(facts.scored.tokens),
        bytes => thousands(facts.scored.bytes),
        train_max => results.train_seconds_max().map(numbers::seconds),
        eval_max => results.eval_seconds_max().map(numbers::seconds),
    }
}

fn row(facts: &Facts, run: &SeedResult, ledger_sha256: &str) -> Value {
    context! { ledger => ledger_file(run.seed), ledger_sha256, ..run_row(run, &facts.limits) }
}

/// Writes a run's row of a table.
pub(super) fn run_row(run: &SeedResult, limits: &Limits) -> Value {
    let headroom = |bytes: u64| thousands(i128::from(limits.bytes_total) - i128::from(bytes));
    context! {
        seed => run.seed,
        val_bpb => numbers::score(run.val_bpb),
        val_loss => score_or_dash(run.val_loss),
        steps => count(run.steps),
        train => seconds(run.train_seconds),
        eval => seconds(run.eval_seconds),
        memory => count(run.peak_memory_mib),
        bytes_model => count(run.bytes_model),
        bytes_total => count(run.bytes_total),
        headroom => run.bytes_total.map_or("–".to_owned(), headroom),
        log => run.log,
    }
}

/// Lists other scores of the same models, and the gain of the official way. A score before quantization has no Δ,
/// because two things differ at once: it has full context, and it may cover only a part of the targets.
fn others(facts: &Facts) -> Vec<Value> {
    let results = &facts.results;
    let scored = results.others.iter().map(|o| {
        let (val_bpb, delta) = (numbers::score(o.val_bpb), Some(numbers::delta(o.delta)));
        context! { what => format!("`{}`", o.metric), val_bpb, delta }
    });
    let before = results.pre_quant.map(|(_, val_bpb)| {
        let part = facts.recipe.integer("train.val_tokens_limit").filter(|&limit| limit > 0);
        let targets = match part {
            Some(limit) => format!("the first {} targets only", thousands(limit)),
            None => "all targets".to_owned(),
        };
        let what =
            format!("full context, before quantization (last validation of the training loop, {targets}, 4 decimals)");
        let alike = results.kind() == MetricKind::Roundtrip && part.is_none();
        let delta = alike.then(|| numbers::loop_delta(results.val_bpb.mean - val_bpb));
        context! { what, val_bpb => numbers::loop_score(val_bpb), delta }
    });
    scored.chain(before).collect()
}

/// One sentence: how far the official score lies from the same models' other scores. `None` where there are no others.
pub(super) fn gain(results: &Results) -> Option<String> {
    let name = |metric: &str| MetricKind::of(metric).short().map_or(format!("`{metric}`"), str::to_owned);
    let step = |other: &Other| {
        let way = if other.delta <= 0.0 { "lower" } else { "higher" };
        format!("{} {way} than with {}", numbers::headline(other.delta.abs()), name(&other.metric))
    };
    let steps: Vec<String> = results.others.iter().map(step).collect();
    let mean = if results.runs.len() > 1 { " (means over the seeds)" } else { "" };
    let official = name(&results.metric);
    (!steps.is_empty())
        .then(|| format!("With {official}, val_bpb of the same model files is {}{mean}.", steps.join(", ")))
}

/// Describes how to ask `caddie reproduce` for a sample, and how many documents it then scores; a small set is scored
/// whole.
fn sample(documents: u64) -> Value {
    const SAMPLE: u64 = 100;
    if documents > SAMPLE {
        context! { option => format!(" --sample {SAMPLE}"), what => format!("{SAMPLE} randomly drawn documents") }
    } else {
        context! { option => "", what => "every document" }
    }
}

fn size(facts: &Facts) -> Value {
    context! {
        code => count(facts.results.bytes_code),
        code_sha256 => facts.code_sha256,
        total_max => count(facts.results.bytes_total_max()),
        limit => thousands(facts.limits.bytes_total),
        over => facts.results.bytes_total_max() > Some(facts.limits.bytes_total),
    }
}

/// Describes the machine and the versions behind the numbers.
fn made(facts: &Facts) -> Value {
    let hardware = &facts.results.hardware;
    context! {
        hardware => facts.hardware(),
        on_cpu => !hardware.is_empty() && hardware.iter().all(|name| name.starts_with("cpu")),
        torch => facts.versions.pytorch.as_deref().unwrap_or(NOT_STATED),
        torch_demanded => launcher::TORCH,
        caddie => facts.versions.caddie,
        engine => facts.versions.engine,
        rulebook => facts.limits.rulebook,
        params => facts.results.model_params.map(thousands),
        model_file => facts.model_file,
        tokenizer => facts.recipe.tokenizer_file(),
    }
}

pub(super) fn rules(statements: &[Statement], answer: Answer) -> Vec<&'static str> {
    statements.iter().filter(|s| s.answer == answer).map(|s| s.rule).collect()
}

/// The rules that the files do not show to be met, each with its answer.
pub(super) fn open_rules(statements: &[Statement]) -> Vec<String> {
    let open = |s: &Statement| match s.answer {
        Answer::No => Some(format!("{} (no)", s.rule)),
        Answer::Unknown => Some(format!("{} (unknown)", s.rule)),
        Answer::Yes | Answer::ByConstruction | Answer::NotDemanded => None,
    };
    statements.iter().filter_map(open).collect()
}

fn seconds(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), numbers::seconds)
}

pub(super) fn count(value: Option<u64>) -> String {
    value.map_or("–".to_owned(), thousands)
}

pub(super) fn score_or_dash(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), numbers::score)
}
