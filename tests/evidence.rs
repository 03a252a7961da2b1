//! Every place that a report shows exists: a fact of a text file has its line, and the line holds what the report says.

mod support;

use caddie::checks::{VerifyOptions, verify};
use caddie::report::{Evidence, Finding};
use support::Copy;

/// What is said of a whole text file: that something is nowhere in it, or what kind of file it is.
const WHOLE: [&str; 6] =
    ["no seed line", "no such time", "no size line", "no table with a seed column", "no command", "no log: line"];
/// What describes a line without quoting it: of which weights or model its score is, which run begins there, what breaks
/// the syntax.
const DESCRIBED: [&str; 7] = [
    "before quantization",
    "after quantization",
    "scores the model of ",
    "no hardware line, no nvidia-smi table",
    ", counted",
    " reprints",
    "must be quoted",
];

/// The digits of a number, so that `601.002 s` is found in `train_time:601002ms` and `15,815,926` in `15815926`.
fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The numbers of a text, each as its telling digits.
fn numbers(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',')));
    let of_word = |word: &str| {
        let word = word.trim_matches(['.', ',']);
        let short = if word.contains('.') { word.trim_end_matches('0') } else { word };
        digits(short).trim_start_matches('0').to_owned()
    };
    words.filter(|word| word.contains(|c: char| c.is_ascii_digit())).map(of_word).collect()
}

/// Whether the line holds the quoted text or a number of it; of a text without a telling number, a word of it.
fn shows(line: &str, quoted: &str) -> bool {
    let plain = digits(line);
    let telling: Vec<String> = numbers(quoted).into_iter().filter(|number| number.len() > 2).collect();
    if !telling.is_empty() {
        return telling.iter().any(|number| plain.contains(number.as_str()));
    }
    let word = |word: &str| word.len() >= 3 && word.contains(char::is_alphabetic) && line.contains(word);
    line.contains(quoted)
        || numbers(quoted).iter().any(|number| plain.contains(number.as_str()))
        || quoted.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(word)
}

/// What is wrong with a place; nothing where it is no text file of the folder.
fn wrong(copy: &Copy, evidence: &Evidence) -> Option<String> {
    let path = copy.path.join(evidence.file.as_str());
    let is_text = ["log", "json", "md", "toml", "txt"].iter().any(|end| evidence.file.extension() == Some(*end));
    if !is_text || !path.is_file() {
        return None;
    }
    let text = std::fs::read_to_string(path).expect("reads");
    let Some(line) = evidence.line else {
        let whole = WHOLE.iter().any(|said| evidence.text.contains(said));
        return (!whole).then(|| "no line".to_owned());
    };
    let Some(found) = text.lines().nth(usize::try_from(line - 1).expect("a line")) else {
        return Some(format!("the file has {} lines", text.lines().count()));
    };
    let described = DESCRIBED.iter().any(|said| evidence.text.contains(said));
    (!described && !shows(found, &evidence.text)).then(|| format!("the line is {found:?}"))
}

/// Asserts that every place of a report is one that its reader can look up. Returns the findings.
#[track_caller]
fn look_up(copy: &Copy, what: &str) -> Vec<Finding> {
    let findings = verify(&copy.utf8(), &VerifyOptions::default()).expect("a report").findings;
    let places = findings.iter().flat_map(|finding| finding.evidence.iter().map(move |place| (finding, place)));
    let wrong: Vec<String> = places
        .filter_map(|(finding, place)| Some(format!("{} {place:?}: {}", finding.message, wrong(copy, place)?)))
        .collect();
    assert!(wrong.is_empty(), "{what}: {wrong:#?}");
    findings
}

/// Edits of a good folder, each with the file, a text of it, and what takes its place.
const EDITS: &[(&str, &str, &str)] = &[
    ("submission.json", "\"github_id\": \"caddie\"", "\"github_id\": \"\""),
    ("submission.json", "\"bytes_code\": 79,\n  \"artifact\"", "\"bytes_code\": null,\n  \"artifact\""),
    ("submission.json", "\"val_bpb\": 1.25670935", "\"val_bpb\": 1.25667419"),
    ("submission.json", "\"val_bpb\": 1.25670935", "\"val_bpb\": 0.9"),
    ("submission.json", "\"val_bpb\": 1.25670935", "\"val_bpb\": 1.3172"),
    ("submission.json", "\"val_loss\": 2.09661039", "\"val_loss\": 1.25670935"),
    ("submission.json", "\"bytes_total\": 15815928", "\"bytes_total\": 15000001"),
    ("submission.json", "\"bytes_total\": 15815928", "\"bytes_total\": \"16,815,928\""),
    ("submission.json", "\"n_seeds\": 3", "\"n_seeds\": 5"),
    ("submission.json", "    1234\n  ]", "    1234,\n    77\n  ]"),
    ("submission.json", "\"documents\": 6", "\"documents\": 7"),
    ("submission.json", "\"steps\": 13700", "\"steps\": 13701"),
    ("submission.json", "\"train_time_s\": 599.0", "\"train_time_s\": 598.9"),
    ("submission.json", "\"val_bpb_std\": 0.00005793", "\"val_bpb_std\": 0.0004"),
    ("submission.json", "\"track\": \"10min_16mb\"", "\"track\": \"elsewhere\""),
    ("submission.json", "\"date\": \"2026-03-17\"", "\"date\": \"17 March\""),
    ("submission.json", "\"name\": \"Good\"", "\"name\": \"Good\",\n  \"hardware\": \"8xA100\""),
    ("submission.json", "\"name\": \"Good\"", "\"name\": \"Good\",\n  \"metric_line\": \"final_other_exact\""),
    ("submission.json", "5c47216b1fdf586ac238ede79c7c6a80", "00000000000000000000000000000000"),
    ("ledgers.json", "5c47216b1fdf586ac238ede79c7c6a80", "00000000000000000000000000000000"),
    ("README.md", "| 0 | 1.25667419", "| 0 | 1.24667419"),
    ("README.md", "13702", "13802"),
    ("README.md", "**1.25670935**", "**1.24670935**"),
    ("README.md", "0.00005793", "0.0004"),
    ("README.md", "SEED=0 torchrun", "as usual:"),
    ("README.md", "| seed |", "| run |"),
    ("recipe.toml", "A hand-made folder.", "Another one."),
    ("recipe.toml", "\"good\"", "good"),
    ("train_seed42.log", "train_time:599000ms", "train_time:601000ms"),
    ("train_seed42.log", "\nseed:42\n", "\nseed:48213\n"),
    ("train_seed42.log", "\nseed:42\n", "\n"),
    ("train_seed42.log", "\nseed:42\n", "\nseed:0\n"),
    ("train_seed42.log", "world_size:8", "world_size:4"),
    ("train_seed42.log", "NVIDIA H100 80GB HBM3", "NVIDIA H200"),
    ("train_seed42.log", "Code size: 79", "Code size: 97"),
    ("train_seed42.log", "15815926 bytes", "16815926 bytes"),
    ("train_seed42.log", "15815926 bytes", "15999999 bytes"),
    ("train_seed42.log", "val_bpb:1.25667766", "val_bpb:1.35667766"),
    ("train_seed42.log", "eval_time:", "evaluated_in:"),
    ("train_seed42.log", "sha256:", "digest:"),
    ("train_seed42.log", "documents:6", "documents:7"),
    ("train_seed42.log", "final_", "diagnostic_"),
];

#[test]
fn what_a_report_says_of_a_text_stands_on_its_line() {
    let mut seen = std::collections::BTreeSet::new();
    for (file, from, to) in EDITS {
        let copy = Copy::new();
        copy.edit(file, from, to);
        let findings = look_up(&copy, &format!("{file}: {from} became {to}"));
        assert!(!findings.is_empty(), "{file}: {from} became {to}, and nobody sees it");
        seen.extend(findings.into_iter().map(|finding| finding.name().to_owned()));
    }
    assert!(seen.len() > 30, "kinds of findings looked up: {seen:?}");
}

#[test]
fn settings_that_differ_are_shown_line_by_line() {
    let copy = Copy::new();
    for (seed, settings) in [(0, "matrix_lr:0.04"), (42, "matrix_lr:0.05"), (1234, "matrix_lr:0.04")] {
        let line = format!("\nseed:{seed}\n");
        let settings = format!("\ntie_embeddings:True {settings}\nattention_mode:gqa embed_lr:{settings}");
        copy.edit(&format!("train_seed{seed}.log"), &line, &format!("{settings}{line}"));
    }
    let findings = look_up(&copy, "drift");
    let drift = findings.iter().find(|finding| finding.name() == "CONFIG_DRIFT").expect("a finding");
    assert_eq!(drift.evidence.len(), 6, "two lines of each log: {:?}", drift.evidence);
    assert!(drift.evidence.iter().all(|place| place.line.is_some()));
}

#[test]
fn a_score_from_a_second_log_is_shown_there() {
    let copy = Copy::new();
    let text = std::fs::read_to_string(copy.path.join("train_seed42.log")).expect("reads");
    let (training, scores) = text.split_once("final_").expect("a score");
    support::write(&copy.path, "train_seed42.log", training);
    let evaluation = format!("Hyperparameters:\n  seed: 42\nfinal_{scores}").replace("1.25667766", "1.35667766");
    support::write(&copy.path, "eval_seed42.log", &evaluation);
    let findings = look_up(&copy, "a second log");
    let score = findings.iter().find(|finding| finding.name() == "SEED_SCORE_NE_LOG").expect("the score differs");
    let place = score.evidence.iter().find(|place| place.file == "eval_seed42.log").expect("shown in the evaluation");
    assert!(place.line.is_some(), "{place:?}");
}

#[test]
fn runs_that_were_dropped_are_shown_where_the_first_begins() {
    let copy = Copy::new();
    support::write(&copy.path, "sweep.log", &support::sweep(52));
    let findings = verify(&copy.utf8(), &VerifyOptions::default()).expect("a report").findings;
    let dropped = findings.iter().find(|finding| finding.message.contains("too many runs")).expect("a finding");
    // Six lines a run, and fifty runs are kept.
    assert_eq!(dropped.evidence[0].line, Some(301));
}
