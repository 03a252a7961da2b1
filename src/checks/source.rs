//! Checks that the source that a log embeds, the code that it counts, and the shipped script are one program.

use std::collections::{BTreeMap, BTreeSet};

use super::time::of_runs;
use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_files::text::thousands;
use caddie_folder::{Fact, Log, Logged, RunLog, Shows, SourceDump};
use caddie_python::Script;

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "log-source",
    about: "The runs' scripts are one script: as dumped, as counted and as shipped.",
    rules: &["pkg-log-source-match", "repro"],
    needs: Needs::Run(|run| run.source.is_some()),
    run,
};

/// Most lines in which two texts of one script may differ.
const TOUCHED_LINES: usize = 2;
/// Largest relative difference of packed sizes that were made in one way.
const SAME_PACKING: f64 = 0.02;
/// Largest relative difference of the sizes of one source with a line edited.
const SAME_SOURCE: f64 = 0.001;

fn run(context: &Context<'_>) -> Vec<Finding> {
    let found = [
        not_shipped(context),
        dump_and_count(context),
        between_seeds(context),
        count_method(context),
        independence(context),
    ];
    let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
    findings.extend(edited(context));
    findings
}

/// Returns the size of the script's text as a run counts it: the uncompressed one, where a packed estimate is counted.
fn counted(run: &RunLog) -> Option<Logged<u64>> {
    run.bytes_code_uncompressed.or(run.bytes_code)
}

/// Returns a dump whose size and digest have a meaning.
fn dump(run: &RunLog) -> Option<&SourceDump> {
    run.source.as_ref().filter(|dump| !dump.fragment)
}

/// Returns a dump with the count of the same log. A separate evaluation that packs the model again counts a script of
/// its own.
fn counted_dump(run: &RunLog) -> Option<(&SourceDump, Logged<u64>)> {
    let counted = counted(run).filter(|counted| counted.log == Log::Own)?;
    Some((dump(run)?, counted))
}

/// Reports that none of the runs dumps a script that the folder holds.
fn not_shipped(context: &Context<'_>) -> Option<Finding> {
    let folder = context.folder;
    let shipped = folder.script.as_ref()?;
    let script = folder.code.iter().find(|script| script.path == shipped.path).filter(|script| script.bytes > 0)?;
    let dumps: Vec<(&RunLog, &SourceDump)> = context.runs().iter().filter_map(|run| Some((run, dump(run)?))).collect();
    let holds = |dump: &SourceDump| folder.code.iter().any(|script| script.sha256 == dump.sha256);
    let is_other =
        |(run, dump): &&(&RunLog, &SourceDump)| !holds(dump) && !only_lacks_a_feed(context, run, dump, script);
    let other: Vec<&(&RunLog, &SourceDump)> = dumps.iter().filter(is_other).collect();
    let (first, first_dump) = other.first()?;
    let published = context.rulebook.known_scripts.iter().find(|known| known.sha256 == script.sha256);
    let text = dump_text(context, first);
    let lines = text.as_deref().map(|text| lines_apart(text, script));
    let moved = lines == Some((0, 0)) && !text.is_some_and(|text| same_lines(&text, script, str::trim_end));
    let runs: Vec<&RunLog> = other.iter().map(|(run, _)| *run).collect();
    let touched = !moved && lines.is_some_and(|(dumped, shipped)| dumped + shipped <= TOUCHED_LINES);
    let mut message = format!(
        "{} is not {}the script of {}: the log dumps one of {} bytes",
        script.path,
        if touched { "byte for byte " } else { "" },
        of_runs(&runs, context.runs().len()),
        thousands(first_dump.bytes)
    );
    if let Some((dumped, shipped)) = lines {
        let what = match (dumped, shipped) {
            (0, 0) if moved => "the same lines in another order".to_owned(),
            (0, 0) => "the same lines with other line ends".to_owned(),
            _ => format!("+{dumped} -{shipped} lines"),
        };
        message = format!("{message} ({what} against the shipped {})", thousands(script.bytes));
    }
    // A shipped script that none of these runs can have been: the unchanged baseline, while all logs dump other code.
    let severity = match published {
        Some(known) if other.len() == dumps.len() => {
            message = format!("{message}; the shipped script is {}, unchanged", known.what);
            Severity::Error
        }
        // A line end, a comment: no other program.
        _ if touched => Severity::Info,
        _ => Severity::Warning,
    };
    let finding = context.finding("pkg-log-source-match", message).code(Code::ScriptIsNotTheRun).severity(severity);
    let finding = finding.claimed(script.sha256.clone()).measured(first_dump.sha256.clone());
    let finding = finding.at(script.path.clone(), None, format!("{} bytes, SHA-256 {}", script.bytes, script.sha256));
    Some(other.iter().fold(finding, |finding, (run, dump)| {
        let text = format!("dump of {} bytes, SHA-256 {}", dump.bytes, dump.sha256);
        finding.in_log(run, *dump, text)
    }))
}

/// Tells whether a dump differs from the script only in its last line feed: a log may print one more, or one less.
fn only_lacks_a_feed(context: &Context<'_>, run: &RunLog, dump: &SourceDump, script: &Script) -> bool {
    let near = dump.bytes.abs_diff(script.bytes) == 1;
    near && dump_text(context, run).is_some_and(|text| same_lines(&text, script, |line| line))
}

/// Tells whether the lines are the same in the same order after `of` is applied to each; empty lines at the end are
/// ignored.
fn same_lines(dump: &str, script: &Script, of: fn(&str) -> &str) -> bool {
    let lines = |text| str::lines(text).map(of);
    lines(dump.trim_end_matches(['\r', '\n'])).eq(lines(script.text.trim_end_matches(['\r', '\n'])))
}

/// Counts the lines of the dump that the script lacks, and the lines of the script that the dump lacks.
fn lines_apart(dump: &str, script: &Script) -> (usize, usize) {
    let mut surplus: BTreeMap<&str, i64> = BTreeMap::new();
    dump.lines().for_each(|line| *surplus.entry(line.trim_end()).or_default() += 1);
    script.text.lines().for_each(|line| *surplus.entry(line.trim_end()).or_default() -= 1);
    let sum = |counts: &mut dyn Iterator<Item = i64>| counts.sum::<i64>().unsigned_abs() as usize;
    let dumped = sum(&mut surplus.values().copied().filter(|count| *count > 0));
    (dumped, sum(&mut surplus.values().copied().filter(|count| *count < 0)))
}

/// Reads the dump of a run again from its log, which only folders where it matters pay for.
fn dump_text(context: &Context<'_>, run: &RunLog) -> Option<String> {
    let dump = run.source.as_ref()?;
    let text = caddie_files::read_text(&context.folder.path.join(&run.log)).ok()?;
    let lines = text.lines().skip(usize::try_from(dump.first_line).ok()?.saturating_sub(1));
    let count = usize::try_from(dump.last_line.saturating_sub(dump.first_line)).ok()?.saturating_add(1);
    Some(lines.take(count).collect::<Vec<_>>().join("\n"))
}

/// Returns the runs whose dump has another size than their count.
fn unequal<'a>(context: &Context<'a>) -> Vec<(&'a RunLog, &'a SourceDump, Logged<u64>)> {
    let runs = context.runs().iter();
    let all = runs.filter_map(|run| counted_dump(run).map(|(dump, counted)| (run, dump, counted)));
    all.filter(|(_, dump, counted)| dump.bytes != counted.value).collect()
}

fn dump_and_count(context: &Context<'_>) -> Option<Finding> {
    let unequal = unequal(context);
    let (first, first_dump, first_count) = *unequal.first()?;
    let runs: Vec<&RunLog> = unequal.iter().map(|(run, ..)| *run).collect();
    let message = format!(
        "the source dumped into {} is not the one it counts: {} dumps {} bytes and counts {}",
        of_runs(&runs, context.runs().len()),
        first.log,
        thousands(first_dump.bytes),
        thousands(first_count.value)
    );
    let finding = context.finding("pkg-log-source-match", message).code(Code::EmbeddedSourceNeLoggedCodeSize);
    Some(unequal.iter().fold(finding, |finding, (run, dump, counted)| {
        finding.in_log(run, counted, format!("{} dumped, {} counted", dump.bytes, counted.value))
    }))
}

/// Explains why dump and count differ. A script that reads its file once cannot differ from itself, so its dump was
/// changed afterwards. A script that reads its file again to count it was edited while it ran.
fn edited(context: &Context<'_>) -> Vec<Finding> {
    let mut during: Vec<(&RunLog, String)> = Vec::new();
    let mut after: Vec<(&RunLog, String)> = Vec::new();
    let others = context.folder.runs.others.iter().map(|other| &other.run);
    for run in context.runs().iter().chain(others) {
        let Some((dump, Logged { value: counted, .. })) = counted_dump(run) else { continue };
        if dump.bytes == counted {
            continue;
        }
        let Some(text) = dump_text(context, run) else { continue };
        if text.matches("__file__").count() <= 1 {
            after.push((run, format!("{} dumped, {counted} counted, from one reading of the file", dump.bytes)));
        } else {
            during.push((run, format!("{} dumped at the start, {counted} counted at the end", dump.bytes)));
        }
    }
    let report = |code: Code, message: &str, runs: Vec<(&RunLog, String)>| {
        let (first, _) = runs.first()?;
        let message = if runs.len() == 1 {
            format!("{}: {message}", first.log)
        } else {
            format!("{} logs: {message}", runs.len())
        };
        let finding = context.finding("pkg-log-source-match", message).code(code);
        Some(runs.into_iter().fold(finding, |finding, (run, text)| finding.in_log(run, &run.source, text)))
    };
    let edited = "the script was edited while it ran: its size at the end is not that of the dump at the start";
    let replaced = "the dumped source cannot be the one that ran; the log was changed afterwards";
    let found =
        [report(Code::CodeChangedDuringRun, edited, during), report(Code::EmbeddedSourceEdited, replaced, after)];
    found.into_iter().flatten().collect()
}

fn between_seeds(context: &Context<'_>) -> Option<Finding> {
    let runs = context.runs();
    let sizes: BTreeSet<u64> = runs.iter().filter_map(|run| counted(run).value()).collect();
    let digests: BTreeSet<&str> = runs.iter().filter_map(|run| Some(dump(run)?.sha256.as_str())).collect();
    if sizes.len() < 2 && digests.len() < 2 {
        return None;
    }
    let list = sizes.iter().map(|size| thousands(*size)).collect::<Vec<_>>().join(", ");
    let message = if sizes.len() > 1 {
        format!("the runs count scripts of different sizes: {list} bytes; they are not runs of one script")
    } else {
        format!("the runs dump {} different scripts of {list} bytes; they are not runs of one script", digests.len())
    };
    let finding = context.finding("repro", message).code(Code::CodeChangedBetweenSeeds);
    let finding = finding.severity(context.on_record(Severity::Warning));
    Some(runs.iter().fold(finding, |finding, run| match counted(run) {
        Some(size) => finding.in_log(run, size, format!("Code size: {} bytes", size.value)),
        None => finding,
    }))
}

/// Reports one source that was packed to different sizes, as happens when the minifier is on one machine and not on the
/// other.
fn count_method(context: &Context<'_>) -> Option<Finding> {
    let sizes = |run: &RunLog| Some((run.bytes_code_uncompressed.value()? as f64, run.bytes_code.value()? as f64));
    let all: Vec<(&RunLog, f64, f64)> =
        context.runs().iter().filter_map(|run| sizes(run).map(|(raw, packed)| (run, raw, packed))).collect();
    let apart = |a: f64, b: f64, share: f64| (a - b).abs() > share * a.min(b);
    let pair = all.iter().enumerate().find_map(|(index, a)| {
        let rest = all.get(index + 1..)?;
        rest.iter().find(|b| !apart(a.1, b.1, SAME_SOURCE) && apart(a.2, b.2, SAME_PACKING)).map(|b| (a, b))
    });
    let (a, b) = pair?;
    let message = format!(
        "one source is counted as {} bytes in {} and as {} in {}: the packed size depends on the machine",
        thousands(a.2 as u64),
        a.0.log,
        thousands(b.2 as u64),
        b.0.log
    );
    let finding = context.finding("repro", message).code(Code::CodeCountMethod).severity(Severity::Warning);
    Some(all.iter().fold(finding, |finding, (run, raw, packed)| {
        finding.in_log(run, run.bytes_code, format!("{raw} bytes, packed {packed}"))
    }))
}

/// Reports runs with one seed and different code: they are neither repeats nor further seeds.
fn independence(context: &Context<'_>) -> Option<Finding> {
    let mut by_seed: BTreeMap<i64, Vec<(&RunLog, u64)>> = BTreeMap::new();
    for run in context.runs() {
        if let (Some(seed), Some(size)) = (run.seed.value(), counted(run).value()) {
            by_seed.entry(seed).or_default().push((run, size));
        }
    }
    let differ = |runs: &[(&RunLog, u64)]| runs.windows(2).any(|pair| pair[0].1 != pair[1].1);
    let (seed, runs) = by_seed.into_iter().find(|(_, runs)| differ(runs))?;
    let message = format!(
        "{} runs have seed {seed} and different code: they are neither repeats of one script nor further seeds",
        runs.len()
    );
    let finding = context.finding("repro", message).code(Code::Independence);
    let finding = finding.severity(context.on_record(Severity::Warning)).measured(runs.len());
    Some(
        runs.into_iter().fold(finding, |finding, (run, size)| {
            finding.in_log(run, run.seed, format!("seed:{seed}, code {size} bytes"))
        }),
    )
}
