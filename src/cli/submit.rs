//! `caddie submit`: from a recipe to a records folder.

use camino::Utf8PathBuf;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use super::engine_options::{EngineOptions, RecipeOptions};
use super::progress::Progress;
use super::render::SubmissionOptions;
use crate::Result;
use crate::error::exit;
use crate::render::{Track, numbers};
use crate::report::{FolderReport, Severity, Verdict};
use crate::runner::submit::{Submission, Submitted, submit};
use caddie_files::text::thousands;

/// Train every seed of a recipe, quantize, evaluate, render the records folder, pack the artifact, and verify it
///
/// Each phase of each seed leaves its result under OUT/runs; killed and started again, the command continues there and
/// ends with the same folder.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  caddie submit demo --data demo/data --seeds 42,0,1234 --track non_record_16mb --out demo\n  \
                        caddie submit baseline --data ./data --device cuda --name MyEntry --author Ada --github-id ada\n\n\
                        Exit codes: 0 the folder verifies; 1 it has findings, or a run diverged; 3 interrupted, run it again."
)]
pub struct SubmitArgs {
    #[command(flatten)]
    recipe: RecipeOptions,
    #[command(flatten)]
    engine: EngineOptions,
    /// One run each
    #[arg(long, value_delimiter = ',', default_value = "42,0,1234", value_name = "N,N,…")]
    seeds: Vec<u64>,
    #[command(flatten)]
    submission: SubmissionOptions,
    /// Folder that gets runs/, records/<track>/<date>_<Name>/, PULL_REQUEST.md and <Name>.tar.zst
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: Utf8PathBuf,
}

/// Submits and closes with the table.
pub fn run(args: &SubmitArgs) -> Result<u8> {
    let about = &args.submission;
    let rulebook = about.rulebook.load()?;
    let submission = Submission {
        recipe: args.recipe.resolve()?,
        seeds: args.seeds.clone(),
        name: about.name.clone(),
        author: about.author.clone(),
        github_id: about.github_id.clone(),
        track: Track::of(&rulebook, about.track.as_deref())?,
        rulebook,
        date: about.date,
        out: args.out.clone(),
        data: args.engine.data.clone(),
        device: args.engine.device.clone(),
        force: about.force,
    };
    let of = args.seeds.len();
    let mut begun = 0;
    let done = submit(&submission, |seed| {
        begun += 1;
        Box::new(Progress::new(&format!("seed {seed} ({begun}/{of})"), false))
    })?;
    super::print(&summary(&done))?;
    about.remind();
    let failed = done.report.findings.iter().any(|finding| finding.severity >= Severity::Error);
    Ok(if failed { exit::FINDINGS } else { exit::OK })
}

/// The closing table and what follows it.
fn summary(done: &Submitted) -> String {
    let results = &done.rendered.facts.results;
    let limit = done.rendered.facts.limits.bytes_total as i64;
    let seconds = |value: Option<f64>| value.map_or("?".to_owned(), numbers::seconds);
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["seed", "val_bpb", "val_loss", "train s", "eval s", "bytes", "headroom"]);
    for run in &results.runs {
        table.add_row([
            run.seed.to_string(),
            numbers::score(run.val_bpb),
            numbers::score(run.val_loss),
            seconds(run.train_seconds),
            seconds(run.eval_seconds),
            thousands(run.bytes_total),
            thousands(limit - run.bytes_total as i64),
        ]);
    }
    let std = |std: Option<f64>| std.map_or("one seed".to_owned(), |std| format!("± {}", numbers::score(std)));
    table.add_row(["mean", &numbers::score(results.val_bpb.mean), &numbers::score(results.val_loss.mean)]);
    table.add_row(["std", &std(results.val_bpb.std), &std(results.val_loss.std)]);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut out: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    out += &format!("\nscore        {} of {}\n", numbers::headline(results.val_bpb.mean), results.metric);
    for other in &results.others {
        let (delta, bpb) = (numbers::delta(other.delta), numbers::headline(other.val_bpb));
        out += &format!("             {delta} against {bpb} of {}\n", other.metric);
    }
    if let Some(source) = &done.source {
        let (floor, reached) = (source.val_bits_per_byte, results.val_bpb.mean);
        out +=
            &format!("source       floor {floor:.4}, reached {reached:.4}, gap {:.4} bits per byte\n", reached - floor);
    }
    out += &format!("verify       {}\n", verdict(&done.report));
    for finding in done.report.findings.iter().filter(|finding| finding.severity > Severity::Info) {
        out += &format!("             {}: {}\n", finding.rule, finding.message);
    }
    out += &format!("code         {} bytes of train_gpt.py\n", thousands(results.bytes_code));
    out += &format!("folder       {}\n", done.rendered.folder);
    out += &format!("pull request {}\n", done.rendered.pull_request);
    if let Some(artifact) = &done.rendered.artifact {
        out += &format!("artifact     {artifact}\n");
    }
    out
}

fn verdict(report: &FolderReport) -> String {
    let count = |severity, word: &str| {
        let count = report.findings.iter().filter(|finding| finding.severity == severity).count();
        format!("{count} {word}{}", if count == 1 { "" } else { "s" })
    };
    let word = match report.verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
        Verdict::Unknown => "unknown",
    };
    format!("{word} ({}, {})", count(Severity::Error, "error"), count(Severity::Warning, "warning"))
}
