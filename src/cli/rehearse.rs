//! `caddie rehearse`.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use indicatif::ProgressBar;

use super::requests::Asked;
use super::terminal;
use crate::project::Project;
use crate::rehearse::{Options, Rehearsal, Run, rehearse};
use caddie_files::text::{one_line, thousands};
use caddie_files::{Error, Result, exit};

/// Run a script from its first line to its score on this machine's CPU, at toy size
///
/// caddie emulates everything that a contest script expects of eight H100s (CUDA, flash-attention, Triton, torch.compile, NCCL),
/// makes its sizes small, and makes a corpus for its vocabulary, so that a mistake costs a minute. The script itself is not
/// changed. The toy runs are rendered as the folder that they would become and put through verify, and the model's parameters
/// and bits are counted at their own size.
/// It runs behind walls: without network, with no file but its own folder, as an unprivileged user.
///
/// A script is rehearsed, never valid: speed, memory, real numerics and sharding over GPUs do not show.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  caddie rehearse train_gpt.py\n  caddie rehearse records/track_10min_16mb/2026-05-01_Name\n  \
                        caddie rehearse train_gpt.py --seeds 1,2 --env TTT_ENABLED=1 --keep rehearsal\n\n\
                        Exit codes: 0 it came to its score in a log that verify reads, 1 it did not, 2 it was not run"
)]
pub struct RehearseArgs {
    /// A script, a records folder with one, or a fetched pull request (1530, '#1530')
    target: Utf8PathBuf,
    /// Training steps
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    steps: u32,
    /// Seeds, separated by commas; the first is run twice
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_name = "N,N")]
    seeds: Vec<i64>,
    /// Processes that train together, for paths that exist only with several ranks
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    nproc: u32,
    /// A setting that the script reads from the environment; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    env: Vec<(String, String)>,
    /// Keep what the runs write in this new folder
    #[arg(long, value_name = "DIR")]
    keep: Option<Utf8PathBuf>,
    /// A Python with torch 2.11.0 [default: one that caddie makes once, in its cache]
    #[arg(long, value_name = "FILE")]
    python: Option<Utf8PathBuf>,
    /// Seconds that one run may take
    #[arg(long, default_value_t = 300, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    limit: u64,
    /// Run the script without walls, as yourself: only for a script that you trust
    #[arg(long)]
    no_sandbox: bool,
    /// plain for a reader, json for programs
    #[arg(long, value_enum, default_value_t = RehearseFormat::Plain)]
    format: RehearseFormat,
}

/// Forms of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RehearseFormat {
    Plain,
    Json,
}

/// Parses a setting of the command line.
pub(super) fn setting(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

/// Rehearses and prints.
pub fn run(args: &RehearseArgs, project: Option<&Project>) -> Result<u8> {
    if args.seeds.is_empty() {
        return Err(Error::Usage("--seeds names no seed".to_owned()));
    }
    let rulebook = caddie_rulebook::Rulebook::builtin()?;
    let asked = Asked::of(std::slice::from_ref(&args.target), Utf8Path::new("."), &rulebook)?;
    let target = match asked.folders()?.as_slice() {
        [target] => target.clone(),
        many => {
            let reason = format!("the pull request adds {} folders; rehearse one of their scripts", many.len());
            return Err(Error::Usage(reason));
        }
    };
    let options = Options {
        target,
        steps: args.steps,
        seeds: args.seeds.clone(),
        nproc: args.nproc,
        env: project.map_or_else(|| args.env.clone(), |project| project.settings(&args.env)),
        keep: args.keep.clone(),
        python: args.python.clone(),
        walls: !args.no_sandbox,
        limit: Duration::from_secs(args.limit),
    };
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.enable_steady_tick(Duration::from_millis(120));
    let done = rehearse(&options, crate::stop::flag(), &mut |text| bar.set_message(text.to_owned()));
    bar.finish_and_clear();
    let mut done = done.map_err(|error| asked.renamed(error))?;
    done.script = asked.named(&done.script);
    match args.format {
        RehearseFormat::Plain => terminal::show(&plain(&done))?,
        RehearseFormat::Json => {
            let json = serde_json::to_string_pretty(&done);
            let json = json.map_err(|error| Error::Internal(format!("the rehearsal as JSON: {error}")))?;
            super::print(&format!("{json}\n"))?;
        }
    }
    Ok(if done.passed() { exit::OK } else { exit::FINDINGS })
}

fn plain(done: &Rehearsal) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let first = done.runs.first();
    let verdict = match first {
        Some(_) if done.passed() => "rehearsed: it came to its score, in a log that verify reads",
        Some(run) if run.report.reached_its_score() => {
            "rehearsed: it came to its score, in a log that verify does not read"
        }
        Some(run) if run.report.status == "stopped" => "it stopped before its score",
        Some(_) => "it ended without a score",
        None => "nothing was run",
    };
    let pen = terminal::pen();
    let verdict = if done.passed() { pen.good(verdict) } else { pen.alarm(verdict) };
    let _ = writeln!(text, "{}\n  {verdict}\n", done.script);
    for run in &done.runs {
        one_run(&mut text, run);
    }
    if let Some(run) = first {
        reading(&mut text, run);
    }
    let yes_or_no = |known: Option<bool>, yes: &'static str, no: &'static str| match known {
        Some(true) => yes,
        Some(false) => no,
        None => "not compared",
    };
    let _ = writeln!(
        text,
        "  seed      {}",
        yes_or_no(
            done.seed_matters,
            "another seed gives other losses",
            "another seed gives the same losses: SEED reaches nothing"
        )
    );
    let _ = writeln!(
        text,
        "  repeats   {}",
        yes_or_no(done.repeats, "the same seed gives the same losses", "the same seed gives other losses")
    );
    folder(&mut text, done);
    let packed =
        done.bytes_code_packed.map(|bytes| format!(", {} packed (caddie pack)", thousands(bytes))).unwrap_or_default();
    let _ = writeln!(text, "  code      {} bytes as it ships{packed}", thousands(done.bytes_code));
    let settings: Vec<String> =
        done.settings.iter().map(|setting| format!("{}={}", setting.name, setting.value)).collect();
    if !settings.is_empty() {
        let _ = writeln!(text, "  settings  {} (from the folder's commands)", settings.join(" "));
    }
    if let Some(run) = first {
        let emulated: Vec<&str> = run.report.emulated.keys().map(String::as_str).collect();
        let _ = writeln!(
            text,
            "  emulated  {}",
            if emulated.is_empty() { "nothing".to_owned() } else { emulated.join(", ") }
        );
    }
    let walls = if done.walls.is_empty() { "none: it ran as you".to_owned() } else { done.walls.join(", ") };
    let _ = writeln!(text, "  walls     {walls}");
    text.push_str("\nA rehearsal shows that a script runs and what it logs. Speed, memory, real numerics and sharding it cannot show.\n");
    text
}

/// The toy folder, and the sizes at full scale.
fn folder(text: &mut String, done: &Rehearsal) {
    if let Some(folder) = &done.folder {
        let count = caddie_files::text::counted(folder.findings.len(), "finding");
        let ends = match &folder.refused {
            Some(reason) => format!("cannot be made of these runs: {}", one_line(reason)),
            None if folder.findings.is_empty() => "verify finds nothing that the real one would have".to_owned(),
            None => format!("verify has {count} that the real one would have"),
        };
        let _ = writeln!(text, "  folder    {ends} ({:.1} s)", folder.seconds);
        for finding in &folder.findings {
            let name = finding.code.unwrap_or(&finding.rule);
            let _ = writeln!(text, "    {} {name}: {}", finding.severity.name(), one_line(&finding.message));
        }
    }
    if let Some(sizes) = &done.full_size {
        let bytes =
            sizes.bytes.map(|bytes| format!(", {} bytes before the compressor", thousands(bytes))).unwrap_or_default();
        let _ = writeln!(text, "  full size {} parameters{bytes}", thousands(sizes.parameters));
        for class in &sizes.classes {
            let bits =
                class.bits.map_or("saved in a form of its own".to_owned(), |bits| format!("{bits:.2} bits each"));
            let tensors = caddie_files::text::counted(class.tensors, "tensor");
            let _ = writeln!(text, "    {}: {} in {tensors}, {bits}", class.name, thousands(class.parameters));
        }
    }
    if let Some(reason) = &done.full_size_unknown {
        let _ = writeln!(text, "  full size unknown: {}", one_line(reason));
    }
}

fn one_run(text: &mut String, run: &Run) {
    let again = if run.repetition { " again" } else { "" };
    let phases: Vec<String> =
        run.report.phases.iter().map(|phase| format!("{} {:.1} s", phase.name, phase.seconds)).collect();
    let _ = writeln!(text, "  seed {}{again}: {:.0} s: {}", run.seed, run.report.seconds, phases.join(", "));
    if let Some(line) = &run.report.score_line {
        let _ = writeln!(text, "    {}", one_line(line));
    }
    if let Some(failure) = &run.report.failure {
        let place = failure.place.as_ref().map(|place| format!("{}:{}: ", place.file, place.line)).unwrap_or_default();
        let kind = failure.exception.as_ref().map(|kind| format!("{kind}: ")).unwrap_or_default();
        let _ = writeln!(text, "    {place}{kind}{}", one_line(&failure.message));
        if let Some(line) = failure.place.as_ref().and_then(|place| place.text.as_ref()) {
            let _ = writeln!(text, "      {}", one_line(line));
        }
        let _ = writeln!(text, "    {}", one_line(&failure.explanation));
    }
    if let Some(kept) = &run.kept {
        let _ = writeln!(text, "    kept in {kept}");
    }
}

fn reading(text: &mut String, run: &Run) {
    let read = &run.read;
    if read.found.is_empty() {
        let _ = writeln!(text, "\n  verify    reads nothing in what it printed");
        return;
    }
    let _ = writeln!(text, "\n  verify    reads {}", read.found.join(", "));
    if !read.missing.is_empty() {
        let _ = writeln!(
            text,
            "  missing   {}: print them as the baseline does, or a folder with this log gets an error",
            read.missing.join(", ")
        );
    }
    if !read.silent.is_empty() {
        let _ = writeln!(text, "  silent    {}: stays unknown to a reviewer", read.silent.join(", "));
    }
}
