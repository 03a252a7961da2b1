//! The kind of a log file: one run from its first step to its score, or something else.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::time::of_runs;
use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_folder::{Fact, Logged, NotCounted, RunLog, Shows};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "logs",
    about: "Each log holds one whole run, once, under labels and a name that fit it.",
    rules: &["pkg-log", "repro"],
    needs: Needs::ANY_RUN,
    run,
};

/// Metadata of the number of shards.
pub const SHARDS: Check = Check {
    name: "train-shards",
    about: "The number of training shards is one that the tokenizer's exports have.",
    rules: &["val-train-disjoint"],
    needs: Needs::Run(|run| run.train_shards.is_some()),
    run: shards,
};

fn run(context: &Context<'_>) -> Vec<Finding> {
    let found =
        [several(context), twice(context), resumed(context), second_log(context), labels(context), megabytes(context)];
    found.into_iter().flatten().chain(misnamed(context)).collect()
}

/// Returns the runs of the submission and those beside it; copies of a log say nothing of their own.
fn all<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a RunLog> {
    let others = context.folder.runs.others.iter().filter(|other| !matches!(other.why, NotCounted::CopyOf(_)));
    context.runs().iter().chain(others.map(|other| &other.run))
}

fn several(context: &Context<'_>) -> Option<Finding> {
    let mut by_log: BTreeMap<&Utf8Path, Vec<&RunLog>> = BTreeMap::new();
    all(context).for_each(|run| by_log.entry(&run.log).or_default().push(run));
    // An attempt that never scored is no run, but the one after it has a number above 0.
    let number = |runs: &[&RunLog]| runs.iter().map(|run| run.run_index + 1).max().unwrap_or(1).max(runs.len());
    let several: Vec<(&Utf8Path, Vec<&RunLog>)> = by_log.into_iter().filter(|(_, runs)| number(runs) > 1).collect();
    let list: Vec<String> = several.iter().map(|(log, runs)| format!("{log} ({} runs)", number(runs))).collect();
    if several.is_empty() {
        return None;
    }
    let message = format!("logs hold several runs one after another: {}", list.join(", "));
    let finding = context.finding("pkg-log", message).code(Code::MultiRunLog).severity(Severity::Info);
    Some(several.iter().flat_map(|(_, runs)| runs).fold(finding, |finding, run| {
        let official = context.runs().iter().any(|other| std::ptr::eq(other, *run));
        let counted = if official { "counted" } else { "not counted" };
        let score = run.val_bpb.value().map_or_else(|| "no score".to_owned(), |bpb| format!("val_bpb {bpb}"));
        finding.in_log(run, run.first_line(), format!("run {}: {score}, {counted}", run.run_index + 1))
    }))
}

fn twice(context: &Context<'_>) -> Option<Finding> {
    let runs: Vec<&RunLog> = all(context).filter(|run| run.reprints > 0).collect();
    let first = runs.first()?;
    let message = format!(
        "{} prints one run {} times, as when the output is redirected onto the log; counted once",
        first.log,
        first.reprints + 1
    );
    let finding = context.finding("pkg-log", message).code(Code::DoubleRunInLog).severity(Severity::Info);
    Some(
        runs.into_iter()
            .fold(finding, |finding, run| finding.in_log(run, run.first_line(), format!("{} reprints", run.reprints))),
    )
}

fn resumed(context: &Context<'_>) -> Option<Finding> {
    let runs: Vec<&RunLog> = context.runs().iter().filter(|run| run.resumed_from.is_some()).collect();
    let (first, step) = runs.first().and_then(|run| Some((run, run.resumed_from.value()?)))?;
    let message = format!("{} starts at step {step}; what came before it is in no log", first.log);
    let finding = context.finding("pkg-log", message).code(Code::ResumedRun).severity(Severity::Info).measured(step);
    Some(runs.into_iter().fold(finding, |finding, run| {
        let text = format!("first step {}", run.resumed_from.value().unwrap_or_default());
        finding.in_log(run, run.resumed_from, text)
    }))
}

fn second_log(context: &Context<'_>) -> Option<Finding> {
    let runs: Vec<&RunLog> = context.runs().iter().filter(|run| run.score_log.is_some()).collect();
    let second = runs.first()?.score_log.as_ref()?;
    let message = format!(
        "the score of {} is in another log than its training ({second}): a separate evaluation of a stored model",
        of_runs(&runs, context.runs().len())
    );
    let finding = context.finding("pkg-log", message).code(Code::OfficialScoreInSecondLog).severity(Severity::Info);
    Some(runs.into_iter().fold(finding, |finding, run| match &run.score_log {
        Some(_) => finding.in_log(run, run.val_bpb, format!("scores the model of {}", run.log)),
        None => finding,
    }))
}

/// Returns the format in a label without the parts in which spellings differ: `quantized+brotli`, `int6+zstd-22`,
/// `int8_zlib`.
fn format_of(label: &str) -> String {
    let label = label.to_ascii_lowercase().replace('_', "+");
    label.split('-').next().unwrap_or("").trim().to_owned()
}

/// Reports labels that were left from an earlier format.
fn labels(context: &Context<'_>) -> Option<Finding> {
    let unlike = |run: &RunLog| -> Option<(String, String)> {
        let model = format_of(run.bytes_model_label.text()?);
        let total = run.bytes_total_label.text().map(|label| (format_of(label), "Total submission size"));
        let metric = run.metric.text().filter(|name| name.contains("int8_zlib"));
        let metric = metric.map(|name| ("int8+zlib".to_owned(), name));
        let (other, whose) = [total, metric].into_iter().flatten().find(|(label, _)| *label != model)?;
        Some((model, format!("{whose} says {other}")))
    };
    let runs: Vec<(&RunLog, (String, String))> =
        context.runs().iter().filter_map(|run| unlike(run).map(|labels| (run, labels))).collect();
    let (first, (model, other)) = runs.first()?;
    let message =
        format!("{}: the model is labelled {model}, {other}; one of them is left from an earlier format", first.log);
    let finding = context.finding("repro", message).code(Code::LogLabel).severity(Severity::Info);
    Some(runs.iter().fold(finding, |finding, (run, (model, other))| {
        finding.in_log(run, run.bytes_model, format!("model {model}, {other}"))
    }))
}

fn megabytes(context: &Context<'_>) -> Option<Finding> {
    let only = |run: &&RunLog| run.megabytes.is_some() && run.bytes_total.is_none();
    let runs: Vec<&RunLog> = context.runs().iter().filter(only).collect();
    let text = runs.first()?.megabytes.text()?;
    let message = format!(
        "{} states sizes in MB with a few decimals only ({text}); the counted bytes are not known to the byte",
        of_runs(&runs, context.runs().len())
    );
    let finding = context.finding("repro", message).code(Code::SizeOnlyInMb).severity(Severity::Warning);
    Some(
        runs.into_iter().fold(finding, |finding, run| {
            finding.in_log(run, &run.megabytes, run.megabytes.text().unwrap_or_default())
        }),
    )
}

/// Reports logs whose name states a setting that the run did not have: `…_seq4096.log` of a run with other sequences.
fn misnamed(context: &Context<'_>) -> Option<Finding> {
    let unlike = |run: &RunLog| {
        let named = number_after(run.log.file_stem()?, "seq")?;
        let set: Vec<Logged<u64>> = ["train_seq_len", "eval_seq_len", "seq_len", "val_seq_len"]
            .iter()
            .filter_map(|key| run.hyperparameters.get(*key))
            .filter_map(|set| Some(Logged::new(set.value.parse().ok()?, set.line)))
            .collect();
        let shown = *set.first()?;
        (!set.iter().any(|set| set.value == named)).then_some((named, shown))
    };
    let runs: Vec<(&RunLog, (u64, Logged<u64>))> =
        all(context).filter_map(|run| unlike(run).map(|pair| (run, pair))).collect();
    let (first, (named, shown)) = runs.first()?;
    let message = format!("{} is named for sequences of {named} tokens, its run has {}", first.log, shown.value);
    let finding = context.finding("repro", message).code(Code::LogNameVsContent).severity(Severity::Info);
    Some(runs.iter().fold(finding, |finding, (run, (named, shown))| {
        finding.in_log(run, shown, format!("seq {named} by name, {} set", shown.value))
    }))
}

fn number_after(name: &str, word: &str) -> Option<u64> {
    let (_, rest) = name.rsplit_once(word)?;
    let digits: String = rest.trim_start_matches(['_', '-']).chars().take_while(char::is_ascii_digit).collect();
    // Shorter numbers count something else.
    (digits.len() >= 3).then(|| digits.parse().ok()).flatten()
}

fn shards(context: &Context<'_>) -> Vec<Finding> {
    let known = &context.rulebook.fingerprints;
    // A preparation with the default that overlaps the validation split makes so many.
    let overlaps = |shards: u64| context.rulebook.training_data.overlap_shards.contains(&shards);
    let usual = |run: &RunLog| {
        let print =
            known.iter().find(|print| !print.train_shards.is_empty() && print.tokens == run.val_tokens.value())?;
        Some((print.alphabet.as_str(), &print.train_shards))
    };
    let unusual = |run: &&RunLog| {
        run.train_shards
            .value()
            .is_some_and(|shards| overlaps(shards) || usual(run).is_some_and(|(_, usual)| !usual.contains(&shards)))
    };
    let runs: Vec<&RunLog> = context.runs().iter().filter(unusual).collect();
    let Some((first, shards)) = runs.first().and_then(|run| Some((run, run.train_shards.value()?))) else {
        return Vec::new();
    };
    let which = of_runs(&runs, context.runs().len());
    let expected = usual(first).map_or_else(String::new, |(alphabet, usual)| {
        let list = usual.iter().map(u64::to_string).collect::<Vec<_>>().join(" or ");
        format!(", {alphabet} data usually has {list}")
    });
    let mut message = format!("{which}: {shards} training shards{expected}");
    let mut severity = Severity::Info;
    if overlaps(shards) {
        message = format!(
            "{message}; that many come from a preparation whose default trains on documents of the validation split: \
             show that the first training document is the 50,001st"
        );
        severity = context.on_record(Severity::Warning);
    }
    let finding = context.finding("val-train-disjoint", message).code(Code::TrainShards).severity(severity);
    let finding = runs.iter().fold(finding.measured(shards), |finding, run| {
        let text = format!("train_shards: {}", run.train_shards.value().unwrap_or_default());
        finding.in_log(run, run.train_shards, text)
    });
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_compared_by_their_format() {
        assert_eq!(format_of("int6+zstd-22"), format_of("int6+zstd"));
        assert_eq!(format_of("INT8_zlib"), "int8+zlib");
        assert_ne!(format_of("int6+zstd"), format_of("int8+zlib"));
        assert_eq!(number_after("hybrid_gdn_600s_seq32768_s42", "seq"), Some(32_768));
        assert_eq!(number_after("log_sequel", "seq"), None);
    }
}
