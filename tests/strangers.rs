//! Files as strangers send them: pointers, other encodings, launchers' prefixes, numbers in quotes, two dates.

mod support;

use std::path::Path;

use assert_cmd::Command;
use caddie::report::{Code, FolderReport, Severity, Verdict};
use serde_json::Value;
use support::{Copy, report as report_of};

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 16400000\n";

fn caddie(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("caddie").expect("the binary");
    let output = command.current_dir(directory).env("NO_COLOR", "1").args(arguments).output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Replaces every log of a copy.
fn logs(copy: &Copy, change: impl Fn(&str) -> Vec<u8>) {
    for seed in ["0", "42", "1234"] {
        let path = copy.path.join(format!("train_seed{seed}.log"));
        let text = std::fs::read_to_string(&path).expect("reads");
        std::fs::write(path, change(&text)).expect("writes");
    }
}

/// Seed, score, evaluation time and bytes of a run.
type Facts = (Option<i64>, Option<f64>, Option<f64>, Option<u64>);
/// What becomes of a log's text.
type Change = Box<dyn Fn(&str) -> Vec<u8>>;

/// What a report says of the runs, whatever their files look like.
fn facts(report: &FolderReport) -> Vec<Facts> {
    report.runs.iter().map(|run| (run.seed, run.val_bpb, run.eval_seconds, run.bytes_total)).collect()
}

fn codes(report: &FolderReport) -> Vec<(Code, Severity)> {
    report.findings.iter().filter_map(|finding| Some((finding.code?, finding.severity))).collect()
}

#[test]
fn a_pointer_is_never_counted_in_place_of_its_file() {
    for name in ["final_model.int8.ptz", "train_gpt.py", "train_seed42.log", "submission.json", "weights.bin"] {
        let copy = Copy::new();
        support::write(&copy.path, name, POINTER);
        let parent = copy.path.parent().expect("a parent");
        let (code, out, error) = caddie(parent, &["size", "good"]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{name}");
        assert!(error.contains(name) && error.contains("16,400,000") && error.contains("git lfs pull"), "{error}");
        let (code, out, _) = caddie(parent, &["verify", "good"]);
        assert!(code == Some(0) && out.starts_with("unknown"), "{name}: {code:?} {out}");
        assert!(out.contains(&format!("{name} was not read: a Git LFS pointer")), "{out}");
    }
    let copy = Copy::new();
    support::write(&copy.path, "curves.png", POINTER);
    let parent = copy.path.parent().expect("a parent");
    assert_eq!(caddie(parent, &["size", "good"]).0, Some(0), "no accounting counts a picture");
}

#[test]
fn a_pointer_on_the_command_line_is_named_with_what_fetches_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    support::write(dir.path(), "train_gpt.py", "print('a')\n");
    for name in ["model.ptz", "a.tar.zst", "script.py"] {
        support::write(dir.path(), name, if name.ends_with(".zst") { "" } else { POINTER });
        std::fs::write(dir.path().join(name), POINTER).expect("writes");
    }
    let commands: [&[&str]; 6] = [
        &["size", "train_gpt.py", "model.ptz"],
        &["size", "a.tar.zst"],
        &["unpack", "a.tar.zst"],
        &["audit", "model.ptz"],
        &["audit", "script.py"],
        &["unwrap", "script.py"],
    ];
    for command in commands {
        let (code, out, error) = caddie(dir.path(), command);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{command:?} {out}{error}");
        assert!(error.contains("Git LFS pointer") && error.contains("git lfs pull"), "{command:?} {error}");
    }
}

#[test]
fn logs_of_no_known_form_leave_their_rules_unjudged_in_every_format() {
    let copy = Copy::new();
    logs(&copy, |_| b"iteration 9000: held-out score 1.2340 after 590 s\n".to_vec());
    let report = report_of(&copy);
    assert_eq!(report.verdict, Verdict::Unknown);
    let told: Vec<_> = report.findings.iter().filter(|finding| finding.rule == "pkg-log").collect();
    assert!(
        told.iter().any(|finding| finding.severity == Severity::Unknown && finding.message.contains("no log form"))
    );
    let parent = copy.path.parent().expect("a parent");
    let (_, junit, _) = caddie(parent, &["verify", "--format", "junit", "good"]);
    for rule in [
        "pkg-log",
        "time-train-600",
        "time-eval-600",
        "time-hw-8xh100-sxm",
        "stat-seeds",
        "score-metric",
        "bpb-denominator",
        "size-parts",
        "size-cap-decimal",
        "val-full",
        "repro",
    ] {
        let from = junit.find(&format!("<testcase name=\"{rule}\"")).unwrap_or_else(|| panic!("no {rule} in {junit}"));
        let case = &junit[from..from + junit[from..].find("</testcase>").expect("an end")];
        assert!(case.contains("<skipped"), "{case}");
    }
    let good = Copy::new();
    let (_, junit, _) = caddie(good.path.parent().expect("a parent"), &["verify", "--format", "junit", "good"]);
    let from = junit.find("<testcase name=\"time-train-600\"").expect("a case");
    let case = &junit[from..from + junit[from..].find("</testcase>").expect("an end")];
    assert!(!case.contains("<skipped") && !case.contains("<failure"), "what is judged and holds passes: {case}");
}

#[test]
fn a_seed_whose_log_is_not_understood_is_unknown_and_nobody_is_accused_of_it() {
    let copy = Copy::new();
    support::write(&copy.path, "train_seed42.log", "iteration 9000: held-out score 1.2567 after 590 s\n");
    let report = report_of(&copy);
    assert_eq!(report.verdict, Verdict::Unknown, "{:#?}", report.findings);
    let told = report.findings.iter().find(|finding| finding.code == Some(Code::OtherLog)).expect("a finding");
    assert!(told.severity == Severity::Unknown && told.message.contains("train_seed42.log"), "{}", told.message);
    let accused = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    assert_eq!(accused.count(), 0, "{:#?}", report.findings);
}

#[test]
fn numbers_in_quotes_are_compared_and_named() {
    let copy = Copy::new();
    let text = std::fs::read_to_string(copy.path.join("submission.json")).expect("reads");
    let mut json: Value = serde_json::from_str(&text).expect("JSON");
    json["val_bpb"] = "1.2999".into();
    json["bytes_total"] = "15,900,001".into();
    std::fs::write(copy.path.join("submission.json"), json.to_string()).expect("writes");
    let report = report_of(&copy);
    let found = codes(&report);
    assert!(found.contains(&(Code::JsonNumberAsText, Severity::Warning)), "{found:?}");
    let claims = |words: &str| report.findings.iter().any(|finding| finding.message.contains(words));
    assert!(claims("val_bpb 1.2999") && claims("15,900,001"), "{:#?}", report.findings);
    assert!(!claims("does not state val_bpb"));
}

#[test]
fn a_seed_whose_score_cannot_be_read_keeps_its_log() {
    for stated in ["\"1.2001\"", "\"see the log\"", "null"] {
        let copy = Copy::new();
        let results = format!(
            r#"{{"val_bpb": 1.25670935, "seeds": [0, 42, 1234], "seed_results": {{"0": {{"val_bpb": 1.25667419}},
            "42": {{"val_bpb": {stated}}}, "1234": {{"val_bpb": 1.25677621}}}}}}"#
        );
        std::fs::write(copy.path.join("submission.json"), results).expect("writes");
        let report = report_of(&copy);
        assert_eq!(report.scores.runs, 3, "{stated}: {:#?}", report.findings);
        assert!(!codes(&report).iter().any(|(code, _)| *code == Code::SeedWithoutLog), "{stated}");
        let differs = report
            .findings
            .iter()
            .any(|finding| finding.message.contains("seed 42") && finding.severity == Severity::Error);
        assert_eq!(differs, stated == "\"1.2001\"", "{stated}: {:#?}", report.findings);
    }
}

#[test]
fn logs_in_any_encoding_and_behind_any_prefix_are_the_same_runs() {
    let plain = facts(&report_of(&Copy::new()));
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let each = |text: &str, prefix: &str| -> Vec<u8> {
        text.lines().map(|line| format!("{prefix}{line}\n")).collect::<String>().into_bytes()
    };
    let marked = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let changes: Vec<(&str, Change)> = vec![
        ("UTF-8 with a mark", Box::new(move |text| marked(text).into_bytes())),
        ("UTF-16 as PowerShell writes it", Box::new(move |text| utf16(&marked(text), u16::to_le_bytes))),
        ("UTF-16, big endian", Box::new(move |text| utf16(&marked(text), u16::to_be_bytes))),
        ("UTF-16 without a mark", Box::new(move |text| utf16(text, u16::to_le_bytes))),
        (
            "UTF-8 with UTF-16 appended",
            Box::new(move |text| {
                let (head, tail) = text.split_at(text.find("seed:").expect("a seed"));
                [head.as_bytes(), &utf16(tail, u16::to_le_bytes)].concat()
            }),
        ),
        ("torchrun", Box::new(move |text| each(text, "[default0]:"))),
        ("logging", Box::new(move |text| each(text, "2026-01-01 12:00:00,123 - INFO - "))),
        ("logging's default", Box::new(move |text| each(text, "INFO:root:"))),
        ("docker compose", Box::new(move |text| each(text, "trainer-1  | "))),
        ("docker compose, a name", Box::new(move |text| each(text, "trainer  | "))),
        ("a workflow", Box::new(move |text| each(text, "2026-03-20T12:00:00.1234567Z "))),
        (
            "colors",
            Box::new(move |text| {
                text.lines().map(|line| format!("\u{1b}[32m{line}\u{1b}[0m\r\n")).collect::<String>().into_bytes()
            }),
        ),
        ("a progress bar", Box::new(move |text| each(text, " 50%|#####     | 1/2 [00:01<00:01,  1.00it/s]\r"))),
    ];
    for (what, change) in changes {
        let copy = Copy::new();
        logs(&copy, change);
        assert_eq!(facts(&report_of(&copy)), plain, "{what}");
    }
}

#[test]
fn another_encoding_is_named_where_other_tools_trip_over_it() {
    let copy = Copy::new();
    let text = std::fs::read_to_string(copy.path.join("submission.json")).expect("reads");
    let latin: Vec<u8> = text.replacen("\"name\": \"", "\"name\": \"\u{e9}", 1).chars().map(|c| c as u8).collect();
    std::fs::write(copy.path.join("submission.json"), latin).expect("writes");
    let report = report_of(&copy);
    let told = report.findings.iter().find(|finding| finding.code == Some(Code::FileEncoding)).expect("a finding");
    assert_eq!((told.severity, told.rule.as_str()), (Severity::Error, "pkg-json"));
    assert!(told.message.contains("Latin-1") && told.message.contains("json.load"), "{}", told.message);
    assert!(told.evidence[0].line > Some(1), "the line of the first such byte");

    let copy = Copy::new();
    copy.edit("submission.json", "\"name\": \"", "\"name\": \"\\ud83d");
    let report = report_of(&copy);
    let told = report.findings.iter().find(|finding| finding.code == Some(Code::JsonInvalid)).expect("a finding");
    assert!(told.message.contains("half a character") && told.evidence[0].line > Some(1), "{}", told.message);
}

#[test]
fn of_two_dates_the_stricter_record_is_the_one_to_beat() {
    let root = tempfile::tempdir().expect("a folder");
    let place = |name: &str| root.path().join("records/track_10min_16mb").join(name);
    let report = |name: &str, date: &str| {
        let folder = place(name);
        std::fs::create_dir_all(&folder).expect("creates");
        let copy = Copy::new();
        for entry in std::fs::read_dir(&copy.path).expect("the copy") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("copies");
        }
        let text = std::fs::read_to_string(folder.join("submission.json")).expect("reads");
        let mut json: Value = serde_json::from_str(&text).expect("JSON");
        json["date"] = date.into();
        std::fs::write(folder.join("submission.json"), json.to_string()).expect("writes");
        let folder = camino::Utf8PathBuf::from_path_buf(folder).expect("UTF-8");
        caddie::checks::verify(&folder, &caddie::checks::VerifyOptions::default()).expect("a report")
    };
    let against = |report: &FolderReport| report.significance.first().map(|test| test.baseline_name.clone());
    let same = report("2026-05-02_Mine", "2026-05-02");
    assert!(!codes(&same).iter().any(|(code, _)| *code == Code::DatesContradict));
    for (name, date) in [("2026-05-02_Mine", "2026-03-20"), ("2026-03-20_Mine", "2026-05-02")] {
        let two = report(name, date);
        assert!(codes(&two).contains(&(Code::DatesContradict, Severity::Warning)), "{name}");
        assert_eq!(against(&two), against(&same), "{name} dated {date}");
    }
    let near = report("2026-05-01_Mine", "2026-05-02");
    assert!(!codes(&near).iter().any(|(code, _)| *code == Code::DatesContradict), "a day apart is another time zone");
    let unread = report("2026-05-02_Mine", "May 2nd");
    assert!(codes(&unread).contains(&(Code::DatesContradict, Severity::Info)));
}

/// A pipe is never waited for: every command says that it is no file.
#[cfg(unix)]
#[test]
fn a_pipe_is_no_file() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["p", "p.tar.zst", "p.py"] {
        let made = std::process::Command::new("mkfifo").current_dir(dir.path()).arg(name).status();
        if !made.is_ok_and(|status| status.success()) {
            return; // No such program.
        }
    }
    for (command, name) in [
        ("size", "p"),
        ("size", "p.tar.zst"),
        ("unpack", "p.tar.zst"),
        ("audit", "p"),
        ("audit", "p.py"),
        ("unwrap", "p.py"),
        ("pack", "p.py"),
        ("verify", "p"),
    ] {
        let mut caddie = Command::cargo_bin("caddie").expect("the binary");
        caddie.current_dir(dir.path()).args([command, name]).timeout(std::time::Duration::from_secs(20));
        let output = caddie.output().expect("runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command} {name}: {error}");
        assert!(error.contains(name), "{command} {name}: {error}");
    }
}

/// A log of no known form stands on the first screen, also where others are understood.
#[test]
fn what_was_not_read_is_on_the_first_screen() {
    let copy = Copy::new();
    support::write(&copy.path, "train_more.log", "epoch one went well\n");
    copy.edit("README.md", "A hand-made folder.", "A hand-made folder. Seed 42: 1.3000.");
    let (_, out, _) = caddie(copy.path.parent().expect("a parent"), &["verify", "good"]);
    let first: Vec<&str> = out.lines().take(10).collect();
    assert!(first.iter().any(|line| line.contains("unread") && line.contains("train_more.log")), "{out}");
}

/// Python refuses bytes that are no UTF-8 where no coding line names their encoding, and reads them where one does.
#[test]
fn a_script_is_read_in_the_encoding_that_python_reads() {
    let dir = tempfile::tempdir().expect("a folder");
    let body = b"import torch\n# caf\xe9\nprint(1)\n";
    std::fs::write(dir.path().join("bare.py"), body).expect("writes");
    std::fs::write(dir.path().join("coded.py"), [b"# coding: latin-1\n", &body[..]].concat()).expect("writes");
    let (code, out, _) = caddie(dir.path(), &["audit", "bare.py"]);
    assert!(code == Some(1) && out.contains("no Python reads the script") && out.contains("line 2"), "{out}");
    let (code, out, _) = caddie(dir.path(), &["audit", "coded.py"]);
    assert!(code == Some(0) && !out.contains("no Python reads"), "{out}");
}
