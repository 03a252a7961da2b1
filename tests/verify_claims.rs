//! `caddie verify` on copies of a good folder whose claims were spoiled one way each.

mod support;

use caddie::report::{Code, FolderReport, Severity};
use support::{Copy, assert_only, found, report};

#[test]
fn required_keys_and_nulls_are_reported() {
    let copy = Copy::new();
    copy.edit("submission.json", "\"github_id\": \"caddie\"", "\"github_id\": \"\"");
    assert_only(&copy, &[(Code::JsonMissingField, Severity::Warning)]);
    let copy = Copy::new();
    copy.edit("submission.json", "\"bytes_code\": 79,\n  \"artifact\"", "\"bytes_code\": null,\n  \"artifact\"");
    assert_only(&copy, &[(Code::JsonNullField, Severity::Warning)]);
}

#[test]
fn the_headline_is_the_mean_of_the_logs() {
    let copy = Copy::new();
    let claimed = report(&copy).claimed.expect("claimed");
    let (mean, seed) = (claimed["val_bpb"].to_string(), claimed["runs"][0]["val_bpb"].to_string());
    let with = |value: &str| {
        let copy = Copy::new();
        copy.edit("submission.json", &format!("\"val_bpb\": {mean},"), &format!("\"val_bpb\": {value},"));
        copy
    };
    assert_only(&with(&seed), &[(Code::JsonScoreNotMean, Severity::Warning)]);
    // A score that is not of the runs has not their ratio to the loss either.
    assert_only(&with("0.9"), &[(Code::ClaimNotInLogs, Severity::Error), (Code::JsonBpbLossRatio, Severity::Warning)]);
    assert_only(
        &with("1.3172"),
        // Worse than the artifacts' score: nobody gains.
        &[(Code::PreQuantScore, Severity::Warning), (Code::JsonBpbLossRatio, Severity::Warning)],
    );
}

#[test]
fn every_claimed_number_is_compared_at_its_precision() {
    let seed_results = |from: &str, to: &str| {
        let copy = Copy::new();
        let text = std::fs::read_to_string(copy.path.join("submission.json")).expect("reads");
        let (head, tail) = text.split_once("\"seed_results\"").expect("per seed");
        assert!(tail.contains(from), "{from}");
        let spoiled = format!("{head}\"seed_results\"{}", tail.replacen(from, to, 1));
        std::fs::write(copy.path.join("submission.json"), spoiled).expect("writes");
        copy
    };
    let case = |from: &str, to: &str, code, severity| assert_only(&seed_results(from, to), &[(code, severity)]);
    case("15815926", "15815927", Code::SeedBytesNeLog, Severity::Error);
    case("\"steps\": 13700", "\"steps\": 13701", Code::SeedStepsNeLog, Severity::Warning);
    case("\"train_time_s\": 599.0", "\"train_time_s\": 598.9", Code::SeedTrainTimeNeLog, Severity::Warning);
    case("\"eval_time_s\": 401.25", "\"eval_time_s\": 400", Code::SeedEvalTimeNeLog, Severity::Warning);
    case("\"val_bpb\": ", "\"val_bpb\": 1", Code::SeedScoreNeLog, Severity::Error);

    let whole = |from: &str, to: &str, code, severity| {
        let copy = Copy::new();
        copy.edit("submission.json", from, to);
        assert_only(&copy, &[(code, severity)]);
    };
    whole("\"bytes_total\": 15815928", "\"bytes_total\": 15000001", Code::JsonBytesNeLog, Severity::Warning);
    whole("\"bytes_total\": 15815928", "\"bytes_total\": 15815926", Code::JsonBytesNotMax, Severity::Info);
    whole("\"n_seeds\": 3", "\"n_seeds\": 5", Code::SeedWithoutLog, Severity::Warning);
    whole("\"documents\": 6", "\"documents\": 7", Code::LedgerNeLog, Severity::Warning);
}

#[test]
fn the_standard_deviation_is_the_sample_form() {
    let copy = Copy::new();
    let claimed = report(&copy).claimed.expect("claimed");
    let sample = claimed["val_bpb_std"].as_f64().expect("a number");
    let with = |value: f64| {
        let copy = Copy::new();
        copy.edit(
            "submission.json",
            &format!("\"val_bpb_std\": {}", claimed["val_bpb_std"]),
            &format!("\"val_bpb_std\": {value:.8}"),
        );
        copy
    };
    assert_only(&with(sample * (2.0f64 / 3.0).sqrt()), &[(Code::StdIsPopulation, Severity::Info)]);
    assert_only(&with(sample * 2.0), &[(Code::StdMismatch, Severity::Warning)]);
}

#[test]
fn the_readme_states_what_the_logs_state() {
    let with = |from: &str, to: &str| {
        let copy = Copy::new();
        copy.edit("README.md", from, to);
        copy
    };
    let row = |report: &FolderReport, index: usize| format!("{:.8}", report.runs[index].val_bpb.expect("a score"));
    let bpb = row(&report(&Copy::new()), 0);
    assert_only(&with(&format!("| 0 | {bpb} |"), "| 0 | 0.9 |"), &[(Code::ReadmeScoreNeLog, Severity::Error)]);
    assert_only(&with("| 0 | ", "| 0 | ~"), &[]);
    assert_only(&with("15815926 |", "15815999 |"), &[(Code::ReadmeBytesNeLog, Severity::Warning)]);
    assert_only(&with("| 599.000 |", "| 598.000 |"), &[(Code::ReadmeTimeNeLog, Severity::Warning)]);
    assert_only(&with("| 13700 |", "| 13600 |"), &[(Code::ReadmeStepsNeLog, Severity::Info)]);
    assert_only(&with("| **mean** | **", "| **mean** | **1"), &[(Code::ReadmeScoreNeLog, Severity::Error)]);
    assert_only(
        &with("| **sample std** | 0.0", "| **sample std** | 0.5"),
        &[(Code::ReadmeStdMismatch, Severity::Warning)],
    );
    assert_only(&with("| seed |", "| run |"), &[(Code::ReadmeWithoutResults, Severity::Info)]);
}

#[test]
fn the_readme_headline_states_what_the_logs_state() {
    let with = |score: &str, std: &str, bytes: &str, train: &str| {
        let copy = Copy::new();
        let line = format!(
            "**val_bpb {score} (mean of 3 seeds, sample std {std})** · {bytes} of 16,000,000 bytes · train {train} s · \
             eval 401.250 s (bytes and times of the largest run)"
        );
        copy.edit("README.md", "A hand-made folder.", &line);
        copy
    };
    assert_only(&with("1.2567", "0.0001", "15,815,928", "599.002"), &[]);
    let other = with("1.2267", "0.0001", "15,815,928", "599.002");
    assert_only(&other, &[(Code::ReadmeScoreNeLog, Severity::Error)]);
    assert_eq!(report(&other).findings[0].evidence[0].line, Some(3));
    let slip = with("1.2566", "0.0001", "15,815,928", "599.002");
    assert_only(&slip, &[(Code::ReadmeScoreNeLog, Severity::Error)]);
    let slip = with("1.25671", "0.0001", "15,815,928", "599.002");
    assert_only(&slip, &[]);
    let slip = with("1.25675", "0.0001", "15,815,928", "599.002");
    assert_only(&slip, &[(Code::ReadmeScoreNeLog, Severity::Warning)]);
    let spread = with("1.2567", "0.0040", "15,815,928", "599.002");
    assert_only(&spread, &[(Code::ReadmeStdMismatch, Severity::Warning)]);
    let bytes = with("1.2567", "0.0001", "15,815,926", "599.002");
    assert_only(&bytes, &[(Code::ReadmeBytesNeLog, Severity::Warning)]);
    let largest = &report(&bytes).findings[0].evidence;
    assert!(largest.iter().any(|place| place.file == "train_seed1234.log"), "the run with the maximum: {largest:?}");
    assert_only(&with("1.2567", "0.0001", "15,815,928", "499.002"), &[(Code::ReadmeTimeNeLog, Severity::Warning)]);
    let foreign = Copy::new();
    foreign.edit("README.md", "A hand-made folder.", "**val_bpb: 1.1567**");
    assert_only(&foreign, &[(Code::ReadmeScoreNeLog, Severity::Warning)]);
    let foreign = Copy::new();
    foreign.edit("README.md", "A hand-made folder.", "val_bpb: **1.2567**");
    assert_only(&foreign, &[]);
}

/// A copy whose submission.json is edited.
fn json(from: &str, to: &str) -> Copy {
    let copy = Copy::new();
    copy.edit("submission.json", from, to);
    copy
}

/// A copy whose README has `text` in the place of its sentence.
fn readme(text: &str) -> Copy {
    let copy = Copy::new();
    copy.edit("README.md", "A hand-made folder.", text);
    copy
}

#[test]
fn total_bytes_are_named_for_what_they_are() {
    let total = |value: &str| json("\"bytes_total\": 15815928", &format!("\"bytes_total\": {value}"));
    assert_only(&total("15815928"), &[]);
    let mean = total("15815927");
    assert_only(&mean, &[(Code::JsonBytesNotMax, Severity::Info)]);
    assert!(report(&mean).findings[0].message.contains("the mean"));
    let not_logged = (Code::JsonBytesNeLog, Severity::Warning);
    assert_only(&total("15800000"), &[not_logged, (Code::JsonBytesRounded, Severity::Warning)]);
    let without_code = total("15815849");
    assert_only(&without_code, &[not_logged, (Code::JsonBytesFormula, Severity::Info)]);
    assert!(report(&without_code).findings.iter().any(|finding| finding.message.ends_with("without code")));
}

#[test]
fn a_loss_that_is_a_score_or_of_another_evaluation_is_seen() {
    let loss = |value: &str| json("\"val_loss\": 2.09661039,", &format!("\"val_loss\": {value},"));
    assert_only(&loss("1.25670935"), &[(Code::JsonValLossIsBpb, Severity::Error)]);
    assert_only(
        &loss("2.2"),
        &[(Code::JsonValLossNeLog, Severity::Warning), (Code::JsonBpbLossRatio, Severity::Warning)],
    );
}

#[test]
fn more_seeds_run_than_reported_are_pointed_out() {
    let disclosed = json("\"n_seeds\": 3", "\"all_seeds_disclosure\": {\"all\": [0, 7, 42, 1234]}, \"n_seeds\": 3");
    assert_only(&disclosed, &[(Code::SelectedSeeds, Severity::Warning)]);
    assert!(report(&disclosed).findings[0].message.contains("left out: 7"));
    assert_only(&json("\"n_seeds\": 3", "\"all_seeds\": [0, 42, 1234], \"n_seeds\": 3"), &[]);
}

#[test]
fn a_failed_evaluation_after_the_score_is_pointed_out() {
    let copy = Copy::new();
    let log = copy.path.join("train_seed42.log");
    let text = std::fs::read_to_string(&log).expect("reads");
    std::fs::write(&log, format!("{text}final_int6_roundtrip val_loss:3.1 val_bpb:1.9\n")).expect("writes");
    assert_only(&copy, &[(Code::TrailingWorseMetric, Severity::Warning)]);
}

#[test]
fn a_score_that_a_log_prints_in_its_own_words_is_unknown_and_no_error() {
    let per_seed = json("\"val_bpb\": 1.25667766,", "\"val_bpb\": 0.63463661,");
    assert_only(&per_seed, &[(Code::SeedScoreNeLog, Severity::Error)]);
    let log = per_seed.path.join("train_seed42.log");
    let text = std::fs::read_to_string(&log).expect("reads");
    std::fs::write(&log, format!("{text}mixture result: nats_loss 1.07155450 bpb 0.63463661\n")).expect("writes");
    assert_only(&per_seed, &[(Code::SeedScoreNeLog, Severity::Unknown)]);
}

#[test]
fn a_mean_over_seeds_without_logs_is_unknown_and_no_error() {
    let copy = Copy::new();
    copy.remove("train_seed1234.log").remove("ledger_seed1234.jsonl.zst");
    let found = found(&copy);
    assert!(found.contains(&(Code::ClaimNotInLogs, Severity::Unknown)), "{found:?}");
    assert!(!found.iter().any(|(code, severity)| *code == Code::ClaimNotInLogs && *severity == Severity::Error));
    // A log that contradicts its own seed's claim is another matter.
    copy.edit("submission.json", "\"val_bpb\": 1.25667766,", "\"val_bpb\": 1.2533,");
    copy.edit("README.md", "| 42 | 1.25667766 |", "| 42 | 1.2533 |");
    copy.edit("submission.json", "\"val_bpb\": 1.25670935,", "\"val_bpb\": 1.2545,");
    assert!(self::found(&copy).contains(&(Code::ClaimNotInLogs, Severity::Error)));
}

#[test]
fn without_logs_the_claims_are_compared_among_themselves() {
    let bare = || {
        let copy = Copy::new();
        for seed in [0, 42, 1234] {
            copy.remove(&format!("train_seed{seed}.log"));
        }
        copy
    };
    let codes = |copy: &Copy| found(copy).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert!(!codes(&bare()).contains(&Code::JsonNeReadme));
    let other = bare();
    other.edit("submission.json", "\"val_bpb\": 1.25670935,", "\"val_bpb\": 2.3876,");
    assert!(found(&other).contains(&(Code::JsonNeReadme, Severity::Error)));
    assert!(found(&other).contains(&(Code::JsonScoreNotMean, Severity::Warning)), "nor is it the mean of its seeds");
    support::write(&other.path, "results.tsv", "run\tval_bpb\n8\t2.38760001\n");
    assert!(codes(&other).contains(&Code::ClaimOnlyInTsv));
}

#[test]
fn a_population_deviation_that_stands_in_submission_json_alone_is_said_to_be_so() {
    let copy = json("\"val_bpb_std\": 0.00005793", "\"val_bpb_std\": 0.00004730");
    assert_only(&copy, &[(Code::StdIsPopulation, Severity::Info)]);
    copy.edit("README.md", "| **sample std** | 0.00005793 |", "| **best** | |");
    assert_only(&copy, &[(Code::StdIsPopulation, Severity::Info), (Code::StdJson, Severity::Info)]);
}

#[test]
fn the_folder_name_is_a_claim() {
    let named = |score: &str| {
        let copy = Copy::new();
        let renamed = copy.path.with_file_name(format!("2026-03-17_Good_{score}"));
        std::fs::rename(&copy.path, &renamed).expect("renames");
        let renamed = camino::Utf8PathBuf::from_path_buf(renamed).expect("UTF-8");
        let report = caddie::checks::verify(&renamed, &Default::default()).expect("a report");
        report.findings.iter().filter_map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(named("1.2567"), []);
    assert_eq!(named("1.2500"), [Code::FolderNameNeScore]);
    assert_eq!(named("v1.2"), [], "a version is no score");
}

#[test]
fn sentences_of_the_readme_are_compared_where_they_are_sure() {
    assert_only(&readme("**val_bpb: 1.2567** (3-seed mean, std 0.0001) | **15.82 MB** | 8xH100"), &[]);
    assert_only(&readme("- Final: 3-seed std: 0.00004730"), &[]);
    assert_only(&readme("3-seed std: 0.00004730"), &[(Code::StdIsPopulation, Severity::Info)]);
    assert_only(&readme("3-seed std: 0.00009"), &[(Code::ReadmeStdMismatch, Severity::Warning)]);
    assert_only(&readme("Artifact: 15.08 MB"), &[(Code::Units, Severity::Info)]);
    assert_only(&readme("- Total submission size int8+zlib: `15815926 bytes`"), &[]);
    assert_only(
        &readme("- Total submission size int8+zlib: `15815999 bytes`"),
        &[(Code::ReadmeBytesNeLog, Severity::Info)],
    );
    assert_only(&readme("Stopped at 13700/20000 steps"), &[]);
    assert_only(&readme("Stopped at 13999/20000 steps"), &[(Code::ReadmeStepsNeLog, Severity::Info)]);
    assert_only(&readme("Run `bash setup.sh` first."), &[(Code::ReadmeIncomplete, Severity::Info)]);
    assert_only(&readme("`train_seed42.log` is on 2xH100"), &[(Code::ReadmeRunLabel, Severity::Warning)]);
    assert_only(&readme("PR #1 had val_bpb 1.1, the baseline 1.2244, and 2xH100 gave 1.3."), &[]);
    let parts = "- Serialized model int8+zlib: `15815847 bytes`\n- Code size: `79 bytes`\n- Total submission size: `15815928 bytes`";
    assert_only(&readme(parts), &[(Code::ReadmeDiagNeLog, Severity::Warning)]);
}

#[test]
fn tables_about_other_runs_are_passed_over() {
    let table = "| seed | val_bpb | steps |\n|--|--|--|\n| 42 | 1.1 | 900 |\n";
    assert_only(&readme(&format!("## Ablations\n\n{table}\n## Run")), &[]);
    let varied = "## Runs\n\n| Config | Seed | val_bpb |\n|--|--|--|\n| a | 42 | 1.1 |\n| b | 42 | 1.2 |\n\n## Run";
    assert_only(&readme(varied), &[]);
    let rough = "## Run\n\n| seed | steps |\n|--|--|\n| 42 | ~13,700 |\n| 0 | ~12,000 |\n\n";
    assert_only(&readme(rough), &[(Code::ReadmeTableApprox, Severity::Warning)]);
    let scored =
        "## Systems\n\n| System | BPB | Steps |\n|--|--|--|\n| this | 1.25677621 | 12,000 |\n| other | 1.1 | 9 |\n\n";
    assert_only(&readme(scored), &[(Code::ReadmeDiagNeLog, Severity::Warning)]);
}

/// Counts are read in groups of three digits, and what every log says is said once.
#[test]
fn messages_round_to_the_unit_and_do_not_repeat_themselves() {
    let copy = Copy::new();
    copy.edit("submission.json", "\"bytes_code\": 79,\n  \"artifact\"", "\"bytes_code\": 113365,\n  \"artifact\"");
    copy.edit("submission.json", "\"bytes_mean\": 15815926.666666666", "\"bytes_mean\": 15434050.33333333");
    copy.edit(
        "README.md",
        "| **mean** | **1.25670935** | **2.09661039** | |",
        "| **mean** | **1.25670935** | **2.09661039** | 7185 |",
    );
    let messages: Vec<String> = support::report(&copy).findings.into_iter().map(|finding| finding.message).collect();
    for said in [
        "submission.json claims bytes_code 113,365, each of the 3 logs says 79",
        "submission.json claims artifact.bytes_mean 15,434,050, the mean of the logs is 15,815,927",
        "README.md says the mean steps is 7185, over 3 logs it is 13700.7",
    ] {
        assert!(messages.iter().any(|message| message == said), "{said}: {messages:#?}");
    }
}

/// The message of the only error of a copy.
#[track_caller]
fn only_error(copy: &Copy) -> String {
    let report = report(copy);
    let errors: Vec<_> = report.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    let [error] = errors.as_slice() else { panic!("{:#?}", report.findings) };
    error.message.clone()
}

#[test]
fn a_wrong_score_in_a_column_of_the_official_ones_is_an_error_whatever_the_column_is_called() {
    let copy = Copy::new();
    copy.edit("README.md", "| seed | val_bpb |", "| seed | Sliding BPB |");
    assert_only(&copy, &[]);
    copy.edit("README.md", "| 0 | 1.25667419 |", "| 0 | 1.25567419 |");
    assert_eq!(only_error(&copy), "seed 0 is 1.25567419 in README.md, its log says 1.25667419");
    // Two rows of one seed compare settings, and one of them is no claim.
    copy.edit("README.md", "| 42 | 1.25667766 |", "| 0 | 1.25667419 | | | | | |\n| 42 | 1.25667766 |");
    let errors = report(&copy).findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    assert_eq!(errors, 0);
}

#[test]
fn two_swapped_seeds_are_one_mistake() {
    let copy = Copy::new();
    copy.edit("README.md", "| 0 | 1.25667419 | 2.09655172 | 13700 |", "| 0 | 1.25677621 | 2.09672193 | 13702 |");
    copy.edit("README.md", "| 1234 | 1.25677621 | 2.09672193 | 13702 |", "| 1234 | 1.25667419 | 2.09655172 | 13700 |");
    assert_eq!(only_error(&copy), "README.md: the scores of seeds 0 and 1234 are swapped");
    let copy = Copy::new();
    let text = std::fs::read_to_string(copy.path.join("submission.json")).expect("reads");
    let text = text.replace("1.25667419", "A").replace("1.25677621", "1.25667419").replace('A', "1.25677621");
    std::fs::write(copy.path.join("submission.json"), text).expect("writes");
    assert_eq!(only_error(&copy), "submission.json: the scores of seeds 0 and 1234 are swapped");
    let copy = Copy::new();
    for (from, to) in [("train_seed0.log", "x"), ("train_seed42.log", "train_seed0.log"), ("x", "train_seed42.log")] {
        std::fs::rename(copy.path.join(from), copy.path.join(to)).expect("renames");
    }
    assert_eq!(
        only_error(&copy),
        "the logs of seeds 0 and 42 are swapped: train_seed0.log is of seed 42, train_seed42.log of seed 0"
    );
}

#[test]
fn a_claimed_score_needs_the_log_of_its_seed() {
    let copy = Copy::new();
    copy.remove("train_seed1234.log").remove("ledger_seed1234.jsonl.zst");
    let without =
        |copy: &Copy| found(copy).into_iter().filter(|(code, _)| *code == Code::SeedWithoutLog).collect::<Vec<_>>();
    assert!(without(&copy).contains(&(Code::SeedWithoutLog, Severity::Error)));
    // A file that may be the log leaves it to a reader.
    support::write(&copy.path, "run_1234.txt", "a form that is not read\n");
    assert!(without(&copy).iter().all(|(_, severity)| *severity == Severity::Warning));
}

#[test]
fn a_date_that_contradicts_the_folder_s_name_is_found_from_two_days_on() {
    for (date, expected) in
        [("2026-03-18", None), ("2026-03-19", Some(Severity::Info)), ("2026-04-19", Some(Severity::Warning))]
    {
        let copy = Copy::new();
        copy.edit("submission.json", "\"date\": \"2026-03-17\"", &format!("\"date\": \"{date}\""));
        let named = copy.path.with_file_name("2026-03-17_Good");
        std::fs::rename(&copy.path, &named).expect("renames");
        let path = camino::Utf8PathBuf::from_path_buf(named).expect("UTF-8");
        let report = caddie::checks::verify(&path, &caddie::checks::VerifyOptions::default()).expect("a report");
        let found = report.findings.iter().find(|finding| finding.code == Some(Code::DatesContradict));
        assert_eq!(found.map(|finding| finding.severity), expected, "{date}");
    }
}
