//! The reports of `caddie verify`, over a folder that is spoiled in every way that a report must survive.

#[path = "reports/chosen.rs"]
mod chosen;
#[path = "reports/command.rs"]
mod command;
#[path = "reports/formats.rs"]
mod formats;
#[path = "reports/page.rs"]
mod page;
mod support;

use std::path::Path;

use assert_cmd::Command;
use caddie::checks::{VerifyOptions, verify};
use caddie::report::{
    Code, Confidence, Explanation, FORMATS, Finding, Format, Look, Report, Root, Severity, Topic, UnreadFolder,
};
use caddie_rulebook::Rulebook;
use serde_json::Value;
use support::Copy;

/// What strangers write into files to deceive a reader or a program.
const HOSTILE: &str = "\u{1b}]0;title\u{7}\u{1b}[2Jgone\u{202e}dlrow\u{200b} <img src=x onerror=alert(1)> @openai #1 [x](http://evil) `|` %0A::error::fake ]]> & \u{0} \u{e0041}end";

/// The good folder with numbers that no log states, in a name with spaces.
fn bad() -> Copy {
    let copy = Copy::new();
    copy.edit("README.md", "| 13700 |", "| 13600 |");
    copy.edit("submission.json", "\"steps\": 13700", "\"steps\": 13701");
    copy.edit("submission.json", "\"github_id\": \"caddie\"", "\"github_id\": \"\"");
    copy.edit("submission.json", "\"n_seeds\": 3", "\"n_seeds\": 5");
    copy.edit("train_seed42.log", "train_time:599000ms", "train_time:601000ms");
    copy.edit("train_seed1234.log", " eval_time:401250ms", "");
    copy
}

/// `caddie` in a repository whose `records/track_10min_16mb/2026-03-17_Bad Entry` is the bad folder.
struct Repository {
    dir: tempfile::TempDir,
}

const FOLDER: &str = "records/track_10min_16mb/2026-03-17_Bad Entry";

impl Repository {
    fn new(copy: &Copy) -> Repository {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir_all(dir.path().join(".git")).expect("creates");
        let folder = dir.path().join(FOLDER);
        std::fs::create_dir_all(&folder).expect("creates");
        for entry in std::fs::read_dir(&copy.path).expect("lists") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("copies");
        }
        Repository { dir }
    }

    fn caddie(&self, below: &str) -> Command {
        let mut command = Command::cargo_bin("caddie").expect("the binary");
        command.current_dir(self.dir.path().join(below)).env("NO_COLOR", "1").env_remove("GITHUB_ACTIONS");
        command
    }

    /// Standard output of `caddie verify` with these arguments.
    fn verify(&self, arguments: &[&str]) -> String {
        let output = self.caddie("").arg("verify").args(arguments).output().expect("runs");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.verify(arguments)).expect("JSON")
    }
}

/// A report whose every text is hostile, beside a folder that could not be read.
fn hostile() -> Report {
    let mut folder = verify(&Copy::new().utf8(), &VerifyOptions::default()).expect("a report");
    folder.path = format!("records/track_x/{HOSTILE}").into();
    folder.track = Some(HOSTILE.to_owned());
    folder.runs.iter_mut().for_each(|run| {
        run.log = format!("{HOSTILE}.log").into();
        run.metric = Some(HOSTILE.to_owned());
    });
    let finding = |severity, size: usize| {
        let finding = Finding {
            rule: HOSTILE.to_owned(),
            code: None,
            severity,
            confidence: Confidence::Low,
            message: HOSTILE.repeat(size),
            measured: Some(HOSTILE.into()),
            claimed: None,
            limit: None,
            evidence: Vec::new(),
            citations: vec![HOSTILE.to_owned()],
            clear: Some(HOSTILE.to_owned()),
        };
        finding.at(HOSTILE, Some(3), HOSTILE.repeat(size)).at("b", None, HOSTILE)
    };
    folder.findings = [Severity::Error, Severity::Unknown, Severity::Warning, Severity::Info]
        .into_iter()
        .flat_map(|severity| [finding(severity, 1), finding(severity, 5_000)])
        .collect();
    let failure = UnreadFolder { path: HOSTILE.into(), reason: HOSTILE.to_owned() };
    Report::new("parameter-golf-2026/1".to_owned(), vec![folder]).with_failures([failure])
}

/// The format of that name.
fn format(name: &str) -> &'static Format {
    Format::named(name).expect("a format")
}

fn looks() -> [Look; 5] {
    let plain = Look::default();
    [
        plain,
        Look { width: Some(80), ..plain },
        Look { width: Some(1), ..plain },
        Look { details: true, width: Some(40), ..plain },
        Look { quiet: true, ..plain },
    ]
}

#[test]
fn a_report_with_details_ends_with_what_no_check_decides() {
    let book = Rulebook::builtin().expect("loads");
    let counts = caddie::checks::coverage::Counts::of(&book);
    let report = Report::new(book.id(), vec![support::report(&Copy::new())]);
    let text = |details| report.render(format("plain"), Look { details, ..Look::default() });
    let open = counts.undecided + counts.out_of_scope;
    let begins = format!("{open} of {} rules are not decided", counts.rules);
    let details = text(true);
    let line = details.lines().find(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("{details}"));
    assert!(counts.undecided > 0 && line.contains(&format!("this version does not decide {}", counts.undecided)));
    assert!(details.ends_with("\npass\nno findings\n"), "{details}");
    assert!(!text(false).contains("not decided here"));
}

#[test]
fn a_total_over_the_cap_that_is_claimed_as_well_is_one_of_the_worst_findings_once() {
    let copy = Copy::new();
    copy.edit("train_seed42.log", "size int8+zlib: 15815926", "size int8+zlib: 16815926");
    copy.edit("train_seed42.log", "int8+zlib: 15815847", "int8+zlib: 16815847");
    copy.edit("submission.json", "\"bytes_total\": 15815928", "\"bytes_total\": 16815926");
    let report = support::report(&copy);
    let over = report.findings.iter().filter(|finding| finding.code == Some(Code::SizeOverCapLogged));
    assert_eq!(over.count(), 2, "both stay in the report");
    let plain = Report::new("parameter-golf-2026/1".to_owned(), vec![report]).render(format("plain"), Look::default());
    assert_eq!(plain.lines().filter(|line| line.contains("over the cap")).count(), 1, "{plain}");
}

#[test]
fn no_format_passes_on_what_could_deceive_a_terminal() {
    let report = hostile();
    for format in FORMATS {
        for look in looks() {
            let text = report.render(format, look);
            let bad = text.chars().find(|c| {
                (c.is_control() && *c != '\n')
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}'..='\u{200f}' | '\u{e0041}')
            });
            assert_eq!(bad, None, "{format:?} {look:?}");
            assert!(text.ends_with('\n'));
            assert!(text.len() < 400_000, "{format:?}: {} bytes", text.len());
        }
    }
}

#[test]
fn hostile_text_stays_inside_its_line_and_its_format() {
    let report = hostile();
    let github = report.render(format("github"), Look::default());
    assert!(
        github.lines().all(|line| ["::error ", "::warning ", "::notice "].iter().any(|level| line.starts_with(level)))
    );
    let markdown = report.render(format("markdown"), Look::default());
    let outside = without_code(&markdown);
    assert!(outside.len() < markdown.len() && outside.contains("runs and sizes"));
    for markup in ["<img", "@openai", "#1 ", "](http"] {
        assert!(!outside.replace("\\]", "").contains(markup), "{markup} is outside of code");
    }
    let read: Value = serde_json::from_str(&report.render(format("json"), Look::default())).expect("JSON");
    assert_eq!(read["folders"][0]["track"], HOSTILE, "JSON keeps values as they are");
    let plain = report.render(format("plain"), Look { details: true, width: Some(80), ..Look::default() });
    assert!(plain.contains("\\u{1b}[2Jgone\\u{202e}dlrow"), "what was there is still visible");
}

/// Markdown without its code spans: a run of backticks ends at the next run of the same length.
fn without_code(markdown: &str) -> String {
    let text = markdown.replace("\\`", "");
    let (mut outside, mut rest) = (String::new(), text.as_str());
    while let Some(start) = rest.find('`') {
        outside += &rest[..start];
        let fence = rest[start..].chars().take_while(|c| *c == '`').count();
        let inside = &rest[start + fence..];
        let closes = |at: &usize| {
            inside[*at..].chars().take_while(|c| *c == '`').count() == fence && !inside[..*at].ends_with('`')
        };
        let end = inside.match_indices('`').map(|(at, _)| at).find(closes).expect("every code span is closed");
        rest = &inside[end + fence..];
    }
    outside + rest
}

#[test]
fn every_format_reads_as_published() {
    let repository = Repository::new(&bad());
    let version = concat!("(\"version\": |\"caddie\": |\"semanticVersion\": |caddie )\"?", r"\d+\.\d+\.\d+");
    insta::with_settings!({filters => vec![(version, "$1[version]")]}, {
        for format in ["plain", "markdown", "github", "junit"] {
            insta::assert_snapshot!(format!("bad_{format}"), repository.verify(&[FOLDER, "--format", format]));
        }
        insta::assert_snapshot!("bad_details", repository.verify(&[FOLDER, "--details"]));
        insta::assert_snapshot!("bad_html", repository.verify(&[FOLDER, "--format", "html"]));
        let mut sarif = repository.json(&[FOLDER, "--format", "sarif"]);
        // One rule stands for all: the rulebook has its own tests.
        sarif.pointer_mut("/runs/0/tool/driver/rules").and_then(Value::as_array_mut).expect("rules").truncate(1);
        for result in sarif.pointer_mut("/runs/0/results").and_then(Value::as_array_mut).expect("results") {
            result["ruleIndex"] = "[index]".into();
        }
        insta::assert_snapshot!("bad_sarif", serde_json::to_string_pretty(&sarif).expect("JSON"));
    });
}

#[test]
fn the_first_ten_lines_show_verdict_score_headroom_and_the_worst() {
    let text = Repository::new(&bad()).verify(&[FOLDER]);
    let top: Vec<&str> = text.lines().take(10).collect();
    assert!(top[0].starts_with("fail  records/"), "{top:?}");
    let shown = |part: &str| assert!(top.iter().any(|line| line.contains(part)), "{part} is not in {top:#?}");
    let over = "error    training of train_seed42.log:16 took 601.000 s, 1.000 s over 600 s [TRAIN_TIME_OVER_600S]";
    ["val_bpb 1.25670935", "headroom", over].into_iter().for_each(shown);
    let worst = |line: &&&str| ["  error ", "  unknown ", "  warning "].iter().any(|level| line.starts_with(level));
    assert!(top.iter().filter(worst).count() >= 3, "{top:#?}");
}

#[test]
fn rules_and_codes_are_explained() {
    let repository = Repository::new(&bad());
    let explain = |arguments: &[&str]| {
        let output = repository.caddie("").arg("explain").args(arguments).output().expect("runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    insta::assert_snapshot!("explain", explain(&["size-every-seed", "train_time_over_600s"]).1);
    let (code, _, error) = explain(&["size-every-sed"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("\"size-every-sed\" is neither a rule nor a code; did you mean size-every-seed"), "{error}");
    let list = explain(&["--list"]).1;
    let report = repository.json(&[FOLDER, "--format", "json"]);
    for finding in report["folders"][0]["findings"].as_array().expect("findings") {
        for name in [&finding["rule"], &finding["code"]].into_iter().filter_map(Value::as_str) {
            assert!(list.contains(&format!("  {name} ")), "{name}");
            assert_eq!(explain(&[name]).0, Some(0), "{name}");
        }
    }
}
