//! `caddie verify` on a good folder, on copies spoiled one way each, and on the merged records where they are at hand.

#[path = "support/generator.rs"]
mod generator;
mod support;

use assert_cmd::Command;
use caddie::checks::{VerifyOptions, verify};
use caddie::report::{Code, FolderReport, Severity, Verdict};
use generator::SEEDS;
use support::{Copy, assert_only, found, report};

fn caddie() -> Command {
    let mut command = Command::cargo_bin("caddie").expect("the binary");
    command.current_dir(support::good().parent().expect("fixtures/folders")).env("NO_COLOR", "1");
    command
}

#[test]
fn the_committed_folder_is_what_the_generator_writes() {
    let good = support::good();
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::create_dir_all(&good).expect("creates");
        generator::files().iter().for_each(|(name, content)| support::write(&good, name, content));
    }
    for (name, content) in generator::files() {
        let bytes = std::fs::read(good.join(&name)).expect("committed");
        let bytes = if name.ends_with(".zst") { zstd::decode_all(bytes.as_slice()).expect("zstd") } else { bytes };
        assert!(bytes == content.as_bytes(), "{name} differs; run this test with UPDATE_FIXTURES=1");
    }
}

#[test]
fn a_good_folder_passes_without_findings() {
    let copy = Copy::new();
    let report = report(&copy);
    assert_eq!((report.verdict, report.findings.as_slice()), (Verdict::Pass, [].as_slice()));
    assert_eq!(report.runs.iter().map(|run| run.seed).collect::<Vec<_>>(), SEEDS.map(Some));
    assert_eq!(report.size.headroom, Some(16_000_000 - report.size.logged_max.expect("logged") as i64));
    assert_eq!(report.size.shipped_max, report.size.logged_max, "what ships is what is counted");
}

#[test]
fn missing_files_are_named() {
    let copy = Copy::new();
    copy.remove("README.md");
    assert_only(&copy, &[(Code::MissingReadme, Severity::Error)]);
    let copy = Copy::new();
    copy.remove("submission.json");
    assert_only(&copy, &[(Code::MissingSubmissionJson, Severity::Error), (Code::ClaimOnlyInReadme, Severity::Info)]);
    let copy = Copy::new();
    copy.remove("train_gpt.py");
    assert_only(&copy, &[(Code::MissingTrainScript, Severity::Error)]);
    let copy = Copy::new();
    SEEDS.iter().for_each(|seed| drop(copy.remove(&format!("train_seed{seed}.log")).path.clone()));
    let found = found(&copy);
    assert!(found.contains(&(Code::MissingLog, Severity::Error)));
    // The cause, once: that scores and sizes are then unknown would only bury it.
    assert!(!found.iter().any(|(code, _)| [Code::SizeNotLogged, Code::ScoreUnknown].contains(code)), "{found:?}");
    assert_eq!(report(&copy).verdict, Verdict::Fail, "unknown, never a pass");
}

#[test]
fn bad_json_is_refused_with_its_line() {
    for (from, to, reason) in [
        ("\"val_bpb\": ", "\"val_bpb\": NaN, \"x\": ", "NaN is not JSON"),
        ("\"author\": \"caddie\"", "\"author\": \"a\", \"author\": \"b\"", "occurs twice"),
        ("{", "[{", "expected"),
    ] {
        let copy = Copy::new();
        copy.edit("submission.json", from, to);
        let report = report(&copy);
        let finding = report.findings.iter().find(|finding| finding.code == Some(Code::JsonInvalid)).expect("found");
        assert!(finding.message.contains(reason), "{}", finding.message);
        assert!(finding.evidence[0].line.is_some());
        assert_eq!((report.verdict, report.claimed), (Verdict::Fail, None));
    }
}

#[test]
fn the_cap_holds_for_every_seed_and_can_be_overridden() {
    let good = support::good();
    let good = camino::Utf8Path::from_path(&good).expect("UTF-8");
    let under = |cap| verify(good, &VerifyOptions { cap: Some(cap), ..VerifyOptions::default() }).expect("a report");
    let totals: Vec<u64> = under(16_000_000).runs.iter().filter_map(|run| run.bytes_total).collect();
    let (smallest, largest) = (totals.iter().min().expect("three"), totals.iter().max().expect("three"));
    let over = |report: &FolderReport| -> Vec<String> {
        let code = Some(Code::SizeOverCapLogged);
        report.findings.iter().filter(|finding| finding.code == code).map(|finding| finding.rule.clone()).collect()
    };
    assert_eq!(over(&under(*largest)), Vec::<String>::new(), "the limit is inclusive");
    let one = under(largest - 1);
    assert_eq!(over(&one)[0], "size-every-seed", "one seed over while the others fit");
    assert_eq!((one.verdict, one.size.headroom), (Verdict::Fail, Some(-1)));
    assert!(over(&under(smallest - 1)).iter().all(|rule| rule == "size-cap-decimal"));
}

#[test]
fn parts_that_are_more_than_the_total_are_an_error() {
    let with = |model: &str| {
        let copy = Copy::new();
        copy.edit("train_seed42.log", "int8+zlib: 15815847 bytes (", &format!("int8+zlib: {model} bytes ("));
        found(&copy)
    };
    let more = with("15815900");
    assert!(more.contains(&(Code::SizePartsNeTotal, Severity::Error)));
    assert!(more.contains(&(Code::SeedBytesNeLog, Severity::Warning)), "the claimed model bytes differ as well");
    assert!(with("15815800").contains(&(Code::SizePartsNeTotal, Severity::Warning)), "the total counts more");
}

#[test]
fn the_shipped_script_is_the_counted_one() {
    let copy = Copy::new();
    copy.edit("train_gpt.py", "print", "print  ");
    assert_only(&copy, &[(Code::CodeSizeNeCommitted, Severity::Warning)]);
    let copy = Copy::new();
    std::fs::write(copy.path.join("train_gpt.py"), vec![b'#'; 300_000]).expect("writes");
    assert_only(
        &copy,
        &[(Code::CodeSizeNeCommitted, Severity::Warning), (Code::SizeOverCapShipped, Severity::Warning)],
    );
}

#[test]
fn training_may_overrun_by_one_step_and_is_an_error_from_a_second_on() {
    // Seed 42 is a multiple of 7, so its clock is the base value of the fixture.
    let overrun = |clock: &str, seconds: &str| {
        let copy = Copy::new();
        copy.edit("train_seed42.log", "train_time:599000ms", &format!("train_time:{clock}ms"));
        copy.edit("submission.json", "\"train_time_s\": 599.0,", &format!("\"train_time_s\": {seconds},"));
        copy.edit("README.md", "| 599.000 |", &format!("| {seconds} |"));
        // Seed 0 has the same clock in the fixture.
        copy.edit("train_seed0.log", "train_time:599000ms", &format!("train_time:{clock}ms"));
        copy
    };
    assert_only(&overrun("600000", "600.000"), &[]);
    assert_only(&overrun("600250", "600.250"), &[(Code::TrainTimeOver600s, Severity::Info)]);
    assert_only(&overrun("600251", "600.251"), &[(Code::TrainTimeOver600s, Severity::Warning)]);
    assert_only(&overrun("600999", "600.999"), &[(Code::TrainTimeOver600s, Severity::Warning)]);
    assert_only(&overrun("601000", "601.000"), &[(Code::TrainTimeOver600s, Severity::Error)]);
    let long = overrun("900000", "900.000");
    long.edit("submission.json", "10min_16mb", "non-record-unlimited-compute-16mb");
    assert_only(&long, &[(Code::TrainTimeOver600s, Severity::Info)]);
}

#[test]
fn the_evaluation_clock_is_that_of_the_score() {
    let copy = Copy::new();
    for seed in SEEDS {
        copy.edit(&format!("train_seed{seed}.log"), "eval_time:401250ms", "eval_time:600001ms");
    }
    copy.edit("submission.json", "401.25", "600.001").edit("README.md", "401.250", "600.001");
    assert_only(&copy, &[(Code::EvalTimeOver600s, Severity::Error)]);
    let copy = Copy::new();
    copy.edit("train_seed0.log", " eval_time:401250ms", "");
    assert!(found(&copy).contains(&(Code::EvalTimeUnknown, Severity::Unknown)));
    assert_eq!(report(&copy).verdict, Verdict::Unknown);
}

#[test]
fn three_distinct_seeds_are_counted_from_the_logs() {
    let copy = Copy::new();
    copy.remove("train_seed1234.log").remove("ledger_seed1234.jsonl.zst");
    let found_two = found(&copy);
    assert!(found_two.contains(&(Code::FewerThan3SeedLogs, Severity::Warning)));
    assert!(found_two.contains(&(Code::SeedWithoutLog, Severity::Error)), "submission.json states its score");
    let copy = Copy::new();
    copy.edit("train_seed1234.log", "\nseed:1234\n", "\nseed:42\n");
    let found_same = found(&copy);
    assert!(found_same.contains(&(Code::SeedLabelMismatch, Severity::Error)));
    let copy = Copy::new();
    std::fs::copy(copy.path.join("train_seed42.log"), copy.path.join("train.log")).expect("copies");
    assert_only(&copy, &[(Code::DuplicateLog, Severity::Info)]);
}

#[test]
fn a_record_is_timed_on_eight_h100_sxm() {
    let on = |machine: &str, world: &str| {
        let copy = Copy::new();
        for seed in SEEDS {
            let log = format!("train_seed{seed}.log");
            copy.edit(&log, "hardware: cuda:0 NVIDIA H100 80GB HBM3\n", machine);
            copy.edit(&log, "world_size:8 grad_accum_steps:1\n", world);
        }
        copy
    };
    let (h100, eight) = ("hardware: cuda:0 NVIDIA H100 80GB HBM3\n", "world_size:8 grad_accum_steps:1\n");
    assert_only(&on(h100, eight), &[]);
    for machine in ["cpu AMD EPYC threads:2", "cuda:0 NVIDIA H200", "cuda:0 NVIDIA H100 PCIe"] {
        let other = on(&format!("hardware: {machine}\n"), eight);
        assert_only(&other, &[(Code::WrongHardware, Severity::Error)]);
        assert!(report(&other).findings.iter().all(|finding| finding.rule == "time-hw-8xh100-sxm"));
        other.edit("submission.json", "10min_16mb", "non_record_16mb");
        assert_only(&other, &[]);
    }
    assert_only(&on(h100, "world_size:1 grad_accum_steps:8\n"), &[(Code::WrongWorldSize, Severity::Error)]);
    assert_only(&on("", eight), &[(Code::HardwareUnknown, Severity::Info)]);
    assert_only(&on("", ""), &[(Code::HardwareUnknown, Severity::Unknown)]);
}

#[test]
fn submission_json_names_the_machine_metric_and_track_of_the_logs() {
    let with = |key: &str, value: &str| {
        let copy = Copy::new();
        copy.edit("submission.json", "\"name\": \"Good\"", &format!("\"name\": \"Good\", \"{key}\": \"{value}\""));
        copy
    };
    assert_only(&with("hardware", "8x cuda:0 NVIDIA H100 80GB HBM3"), &[]);
    assert_only(&with("hardware", "8xH100 SXM (RunPod)"), &[]);
    assert_only(&with("hardware", "8xH200"), &[(Code::JsonHardwareNeLog, Severity::Warning)]);
    assert_only(&with("hardware", "cpu"), &[(Code::JsonHardwareNeLog, Severity::Warning)]);
    assert_only(&with("metric_line", "final_int8_ttt_lora_exact"), &[]);
    let other = with("metric_line", "final_int8_zlib_roundtrip_exact");
    assert_only(&other, &[(Code::JsonMetricNeLog, Severity::Warning)]);
    for (track, known) in [("non-record-unlimited-compute-16mb", true), ("10min_16mb_x", false), ("foo", false)] {
        let copy = Copy::new();
        copy.edit("submission.json", "10min_16mb", track);
        assert_only(&copy, if known { &[] } else { &[(Code::TrackUnknown, Severity::Warning)] });
        let message = report(&copy).findings.first().map(|finding| finding.message.clone());
        assert_eq!(message, (!known).then(|| format!("track \"{track}\" is unknown; checked as a record")));
    }
}

#[test]
fn recipe_and_script_are_those_of_the_runs() {
    let copy = Copy::new();
    copy.edit("recipe.toml", "name = \"good\"", "# the same values\nname   = 'good'");
    assert_only(&copy, &[]);
    copy.edit("recipe.toml", "hand-made", "bought");
    assert_only(&copy, &[(Code::RecipeNeLog, Severity::Error)]);
    assert!(report(&copy).findings[0].message.ends_with("they differ in blurb"));
    support::write(&copy.path, "recipe.toml", "name = ");
    assert_only(&copy, &[(Code::RecipeNeLog, Severity::Warning)]);
    let script = std::fs::read(support::good().join("train_gpt.py")).expect("reads");
    let digest = caddie_files::hex(&<sha2::Sha256 as sha2::Digest>::digest(script));
    let copy = Copy::new();
    copy.edit("submission.json", "\"name\": \"Good\"", &format!("\"name\": \"Good\", \"code_sha256\": \"{digest}\""));
    assert_only(&copy, &[]);
    // As many bytes as before: only the digest tells.
    copy.edit("train_gpt.py", "\"train\"", "\"trick\"");
    assert_only(&copy, &[(Code::CodeDigestMismatch, Severity::Error)]);
}

#[test]
fn what_is_no_folder_is_said_in_one_sentence() {
    let output = caddie().args(["verify", "nope"]).output().expect("runs");
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(error.contains("nope: no such folder; give a records folder, e.g. records/"), "{error}");
    assert!(!error.contains("os error") && error.trim_end().lines().count() == 1, "{error}");
}

#[test]
fn the_score_is_recomputed_from_the_ledger() {
    let ledger =
        generator::files().into_iter().find(|(name, _)| name == "ledger_seed42.jsonl.zst").expect("a ledger").1;
    let with = |content: &str| {
        let copy = Copy::new();
        support::write(&copy.path, "ledger_seed42.jsonl.zst", content);
        copy
    };
    let other = with(&ledger.replacen("\"nats\":83.", "\"nats\":84.", 1));
    assert_only(&other, &[(Code::LedgerNeLog, Severity::Error), (Code::LedgerDigestMismatch, Severity::Error)]);
    // A change too small for eight decimals still changes the digest.
    let nudged = with(&ledger.replacen("\"nats\":83.25042", "\"nats\":83.2504200000001", 1));
    assert_only(&nudged, &[(Code::LedgerDigestMismatch, Severity::Error)]);
    let last = ledger.trim_end().rsplit('\n').next().expect("a row");
    let twice = with(&format!("{ledger}{last}\n"));
    assert_only(&twice, &[(Code::LedgerUnreadable, Severity::Error)]);
    let gone = Copy::new();
    gone.remove("ledger_seed42.jsonl.zst");
    assert_only(&gone, &[(Code::LedgerMissing, Severity::Unknown)]);
    let digest = Copy::new();
    let text = std::fs::read_to_string(digest.path.join("ledgers.json")).expect("reads");
    let at = text.find("\"sha256\": \"").expect("a digest") + 11;
    std::fs::write(digest.path.join("ledgers.json"), format!("{}{}{}", &text[..at], "0".repeat(64), &text[at + 64..]))
        .expect("writes");
    assert_only(&digest, &[(Code::LedgerDigestMismatch, Severity::Error)]);
}

#[cfg(unix)]
#[test]
fn links_out_of_the_folder_are_not_followed() {
    let copy = Copy::new();
    let outside = copy.path.parent().expect("a parent").join("outside.md");
    std::fs::rename(copy.path.join("README.md"), &outside).expect("moves");
    std::os::unix::fs::symlink(&outside, copy.path.join("README.md")).expect("links");
    assert_only(&copy, &[(Code::MissingReadme, Severity::Error), (Code::UnreadableFile, Severity::Unknown)]);
}

#[test]
fn hostile_logs_cost_nothing_and_crash_nothing() {
    let copy = Copy::new();
    let mut bytes = vec![0xff; 1 << 20];
    bytes.extend_from_slice(b"\r\nseed:99999999999999999999999\r\nstep:18446744073709551616/1 train_loss:1\n");
    bytes
        .extend_from_slice(b"final_ val_loss:1 val_bpb:\nbudget:/\nledger: sha256:\n| NVIDIA |\nCode size: -1 bytes\n");
    std::fs::write(copy.path.join("noise.log"), bytes).expect("writes");
    assert_only(&copy, &[(Code::OtherLog, Severity::Info)]);
}

#[test]
fn reports_read_as_published() {
    let output = |arguments: &[&str]| {
        let output = caddie().arg("verify").args(arguments).output().expect("runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    // What comes next depends on the repository that this is, or is not.
    insta::with_settings!({filters => vec![(r"(?m)^next: .*$", "next: [command]")]}, {
        let (code, plain) = output(&["good"]);
        assert_eq!(code, Some(0));
        insta::assert_snapshot!("good_plain", plain);
        insta::assert_snapshot!("good_details", output(&["good", "--details"]).1);
    });
    let (code, plain) = output(&["good", "--cap", "15815927"]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!("over_plain", plain);
    insta::with_settings!({filters => vec![(r#""caddie": "[^"]+""#, r#""caddie": "[version]""#)]}, {
        insta::assert_snapshot!("over_json", output(&["good", "--cap", "15815927", "--format", "json"]).1);
    });
    insta::with_settings!({filters => vec![(r"caddie \d+\.\d+\.\d+", "caddie [version]")]}, {
        insta::assert_snapshot!("over_markdown", output(&["good", "--cap", "15815927", "--format", "markdown"]).1);
    });
    // Relative to the top of the repository, where this is one.
    insta::with_settings!({filters => vec![("file=fixtures/folders/", "file=")]}, {
        insta::assert_snapshot!("over_github", output(&["good", "--cap", "15815927", "--format", "github"]).1);
    });
    assert_eq!(output(&["good", "--quiet"]).1, "pass  good  (no findings)\n");
    assert!(output(&["good", "--color", "always"]).1.contains("\u{1b}["));
}

#[test]
fn exit_codes_are_the_documented_ones() {
    let status = |arguments: &[&str]| caddie().arg("verify").args(arguments).output().expect("runs").status.code();
    let over = ["good", "--cap", "1000"];
    assert_eq!(status(&over), Some(1));
    assert_eq!(status(&[&over[..], &["--fail-on", "never"]].concat()), Some(0));
    assert_eq!(status(&["good", "--fail-on", "warning"]), Some(0));
    assert_eq!(status(&["no-such-folder"]), Some(2));
    assert_eq!(status(&["good", "no-such-folder"]), Some(2), "the readable one is still reported");
    assert_eq!(status(&["--diff", "nonsense"]), Some(2));
}

/// Over the merged records, where the corpus is at hand: the facts of each run that was worked out by hand.
#[test]
fn merged_records_are_read_as_they_were_by_hand() {
    let shared =
        std::env::var("CADDIE_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    let corpus = camino::Utf8PathBuf::from(shared).join("corpus");
    let Ok(truth) = std::fs::read_to_string(corpus.join("truth.json")) else {
        eprintln!("skipped: no corpus at {corpus}");
        return;
    };
    let truth: serde_json::Value = serde_json::from_str(&truth).expect("JSON");
    let (mut runs, mut right) = (0, 0);
    for (key, folder) in truth.as_object().expect("folders") {
        let path = corpus.join("records").join(key);
        let Ok(report) = verify(&path, &VerifyOptions::default()) else { panic!("{path} cannot be read") };
        for expected in folder["per_seed"].as_array().into_iter().flatten() {
            runs += 1;
            let log = expected["log"].as_str().expect("a log");
            let run = report.runs.iter().find(|run| run.log == log);
            let same = run.is_some_and(|run| {
                serde_json::json!([run.seed, run.val_bpb, run.bytes_total, run.train_seconds, run.steps])
                    == serde_json::json!([
                        expected["log_seed"],
                        expected["val_bpb"],
                        expected["artifact_bytes"],
                        expected["train_time_s"],
                        expected["steps"]
                    ])
            });
            right += usize::from(same);
            if !same {
                eprintln!("{key}/{log}: {run:?}");
            }
        }
    }
    eprintln!("{right} of {runs} runs as read by hand");
    assert!(runs > 0 && right * 100 >= runs * 90, "{right} of {runs}");
}
