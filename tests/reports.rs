//! The reports of `caddie verify`, over a folder that is spoiled in every way that a report must survive.

mod support;

use std::path::Path;

use assert_cmd::Command;
use caddie::checks::{VerifyOptions, verify};
use caddie::report::{
    Code, Confidence, Explanation, FORMATS, Failure, Finding, Format, Look, Report, Root, Severity, Topic,
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
    let failure = Failure { path: HOSTILE.into(), reason: HOSTILE.to_owned() };
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
    let last = text(true).lines().last().map(str::to_owned).unwrap_or_default();
    let open = counts.undecided + counts.out_of_scope;
    assert!(counts.undecided > 0 && last.starts_with(&format!("{open} of {} rules are not decided", counts.rules)));
    assert!(last.contains(&format!("this version does not decide {}", counts.undecided)), "{last}");
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
    let worst: Vec<&str> = plain.lines().skip(5).take_while(|line| !line.is_empty()).collect();
    let over = worst.iter().filter(|line| line.contains("over the cap")).count();
    assert_eq!((worst.len(), over), (3, 1), "{worst:#?}");
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
    ["val_bpb 1.25670935", "headroom", "error training of train_seed42.log took 601"].into_iter().for_each(shown);
    let worst = |line: &&&str| ["  error ", "  unknown ", "  warning "].iter().any(|level| line.starts_with(level));
    assert_eq!(top.iter().filter(worst).count(), 3, "{top:#?}");
}

#[test]
fn the_published_schema_describes_real_reports() {
    let schema: Value = serde_json::from_str(caddie::report::VERIFY_SCHEMA).expect("the schema is JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let valid = |report: &Value| {
        let errors: Vec<String> =
            validator.iter_errors(report).map(|error| format!("{}: {error}", error.instance_path)).collect();
        assert_eq!(errors, Vec::<String>::new());
    };
    let repository = Repository::new(&bad());
    let report = repository.json(&[FOLDER, "no-such-folder", "--format", "json"]);
    valid(&report);
    assert_eq!(report["failures"][0]["path"], "no-such-folder");
    valid(&repository.json(&[FOLDER, "--cap", "1000", "--format", "json"]));
    valid(
        &serde_json::to_value(hostile())
            .map(|mut report| {
                report["folders"][0]["track"] = Value::Null;
                report["folders"][0]["findings"] = Value::Array(Vec::new());
                report
            })
            .expect("JSON"),
    );
    // The schema says something: a report without a field, or with another one, is none.
    for spoil in [
        |report: &mut Value| drop(report["folders"][0].as_object_mut().expect("an object").remove("verdict")),
        |report: &mut Value| report["folders"][0]["runs"][0]["seed"] = "42".into(),
        |report: &mut Value| report["folders"][0]["findings"][0]["severity"] = "bad".into(),
        |report: &mut Value| report["extra"] = 1.into(),
    ] {
        let mut report = report.clone();
        spoil(&mut report);
        assert!(!validator.is_valid(&report));
    }
    let printed = repository.caddie("").args(["schema", "verify"]).output().expect("runs").stdout;
    assert_eq!(serde_json::from_slice::<Value>(&printed).expect("JSON"), schema);
    merged_records().iter().for_each(valid);
}

/// Reports on the merged records, where the corpus is at hand.
fn merged_records() -> Vec<Value> {
    let shared =
        std::env::var("CADDIE_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    let records = Path::new(&shared).join("corpus/records");
    let Ok(tracks) = std::fs::read_dir(&records) else {
        eprintln!("skipped: no corpus at {}", records.display());
        return Vec::new();
    };
    let folders = tracks.flatten().filter_map(|track| std::fs::read_dir(track.path()).ok()).flatten().flatten();
    let paths = folders.filter_map(|folder| camino::Utf8PathBuf::from_path_buf(folder.path()).ok());
    let reports = paths.filter_map(|path| verify(&path, &VerifyOptions::default()).ok());
    let report = |folder| Report::new("parameter-golf-2026/1".to_owned(), vec![folder]);
    reports.map(|folder| serde_json::to_value(report(folder)).expect("JSON")).collect()
}

/// What GitHub documents of SARIF files that it accepts.
#[test]
fn sarif_is_what_github_accepts() {
    let repository = Repository::new(&bad());
    let sarif = repository.json(&[FOLDER, "no-such-folder", "--format", "sarif"]);
    assert_eq!(
        (&sarif["version"], &sarif["$schema"]),
        (&"2.1.0".into(), &"https://json.schemastore.org/sarif-2.1.0.json".into())
    );
    let run = &sarif["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!((&driver["name"], &driver["version"]), (&"caddie".into(), &env!("CARGO_PKG_VERSION").into()));
    let rules = driver["rules"].as_array().expect("rules");
    for rule in rules {
        let length = |key: &str| rule[key]["text"].as_str().map_or(0, |text| text.chars().count());
        for key in ["shortDescription", "fullDescription"] {
            assert!((1..=1024).contains(&length(key)), "{key} of {rule}");
        }
        assert!(length("help") > 0 && rule["help"]["markdown"].is_string() && rule["name"].is_string());
        assert!(rule["helpUri"].as_str().is_some_and(|uri| uri.starts_with("https://")));
        assert!(
            ["error", "warning", "note"].contains(&rule["defaultConfiguration"]["level"].as_str().expect("a level"))
        );
        assert!(rule["properties"]["tags"].as_array().is_some_and(|tags| (1..=20).contains(&tags.len())));
        assert!(
            ["error", "warning", "recommendation"]
                .contains(&rule["properties"]["problem.severity"].as_str().expect("one"))
        );
    }
    let results = run["results"].as_array().expect("results");
    let report = repository.json(&[FOLDER, "--format", "json"]);
    assert_eq!(results.len(), report["folders"][0]["findings"].as_array().expect("findings").len());
    let mut fingerprints = std::collections::HashSet::new();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().expect("a level")));
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(fingerprints.insert(result["partialFingerprints"]["primaryLocationLineHash"].clone()), "{result}");
        let places = result["locations"]
            .as_array()
            .expect("one")
            .iter()
            .chain(result["relatedLocations"].as_array().into_iter().flatten());
        for place in places {
            let physical = &place["physicalLocation"];
            let uri = physical["artifactLocation"]["uri"].as_str().expect("a URI");
            assert!(uri.starts_with("records/track_10min_16mb/2026-03-17_Bad%20Entry/"), "{uri}");
            assert!(physical["region"]["startLine"].as_u64() >= Some(1));
        }
    }
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let note = invocation["toolExecutionNotifications"][0]["message"]["text"].as_str().expect("a note");
    assert!(note.starts_with("no such folder"), "{note}");
}

#[test]
fn fingerprints_survive_lines_that_are_added_above() {
    let fingerprints = |copy: &Copy| {
        let sarif = Repository::new(copy).json(&[FOLDER, "--format", "sarif"]);
        let results = sarif["runs"][0]["results"].as_array().expect("results").clone();
        let of = |result: &Value| (result["partialFingerprints"].to_string(), result["locations"][0].to_string());
        let (mut prints, places): (Vec<String>, Vec<String>) = results.iter().map(of).unzip();
        prints.sort();
        (prints, places)
    };
    let copy = bad();
    let before = fingerprints(&copy);
    copy.edit("submission.json", "{\n  \"", "{\n\n\n  \"");
    copy.edit("train_seed42.log", "\nseed:42\n", "\nnothing\nseed:42\n");
    let after = fingerprints(&copy);
    assert_ne!(before.1, after.1, "the lines moved");
    assert_eq!(before.0, after.0);
}

#[test]
fn paths_are_those_of_the_repository_from_wherever_caddie_runs() {
    let repository = Repository::new(&bad());
    let below = repository
        .caddie("records/track_10min_16mb")
        .args(["verify", "2026-03-17_Bad Entry", "--format", "github"])
        .output();
    let text = String::from_utf8(below.expect("runs").stdout).expect("UTF-8");
    assert!(text.lines().all(|line| line.contains(&format!("file={FOLDER}/"))), "{text}");
}

#[test]
fn annotations_are_as_many_as_github_shows() {
    let mut folder = verify(&bad().utf8(), &VerifyOptions::default()).expect("a report");
    let first = folder.findings.first().expect("one").clone();
    folder.findings = [(Severity::Error, 12), (Severity::Unknown, 3), (Severity::Warning, 12), (Severity::Info, 12)]
        .into_iter()
        .flat_map(|(severity, count)| vec![first.clone().severity(severity); count])
        .collect();
    let report = Report::new("parameter-golf-2026/1".to_owned(), vec![folder]).with_root(Root::default());
    let text = report.render(format("github"), Look::default());
    let count = |level: &str| text.lines().filter(|line| line.starts_with(level)).count();
    assert_eq!((count("::error"), count("::warning"), count("::notice")), (10, 10, 10));
    assert_eq!(text.matches("::not determined: ").count(), 3, "what must be looked at comes before warnings");
    assert!(text.ends_with("::notice title=caddie::10 more findings; the whole report has them\n"), "{text}");
}

#[test]
fn a_comment_fits_github_and_says_what_is_left_out() {
    let folder = verify(&bad().utf8(), &VerifyOptions::default()).expect("a report");
    let report = |count| Report::new("parameter-golf-2026/1".to_owned(), vec![folder.clone(); count]);
    let text = report(300).render(format("markdown"), Look::default());
    assert!((40_000..60_100).contains(&text.len()), "{}", text.len());
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    assert!(text.contains("*Cut to fit a comment: "));
    assert!(!report(1).render(format("markdown"), Look::default()).contains("Cut to fit"));
}

#[test]
fn junit_shows_what_passes_as_well_and_is_the_same_every_time() {
    let repository = Repository::new(&bad());
    let text = repository.verify(&[FOLDER, "no-such-folder", "--format", "junit"]);
    let case = |rule: &str| {
        let from = text.find(&format!("<testcase name=\"{rule}\"")).unwrap_or_else(|| panic!("no {rule} in {text}"));
        let end = text[from..].find("</testcase>").expect("an end");
        &text[from..from + end]
    };
    assert!(case("time-train-600").contains("<failure message=\"training of train_seed42.log took 601"));
    assert!(case("time-eval-600").contains("<skipped message="));
    assert!(!case("size-cap-decimal").contains("<failure") && !case("size-cap-decimal").contains("<skipped"));
    assert!(case("pkg-json").contains("<system-out>warning JSON_MISSING_FIELD: "));
    assert!(text.contains("<testcase name=\"read\" classname=\"no-such-folder\">"));
    assert!(!text.contains("timestamp"));
    assert_eq!(text, repository.verify(&[FOLDER, "no-such-folder", "--format", "junit"]));
}

#[test]
fn many_folders_are_a_table_with_totals() {
    let repository = Repository::new(&bad());
    let good = support::good();
    let good = good.to_str().expect("UTF-8");
    let text = repository.verify(&[FOLDER, good, "no-such-folder"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("folder") && lines[0].ends_with("worst finding"));
    let row =
        |name: &str| *lines.iter().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
    let words = |name: &str| row(name)[name.len()..].split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(good)[..8], ["10min_16mb", "pass", "1.25670935", "0.000058", "3", "15,815,928", "184,072", "0"]);
    assert_eq!(words(FOLDER)[1], "fail");
    assert!(row("no-such-folder").contains("unread") && row("no-such-folder").contains("no such folder"));
    assert!(text.contains("error     TRAIN_TIME_OVER_600S (time-train-600)\n"), "{text}");
    assert!(text.ends_with("3 folders: 1 pass, 1 fail, 1 unread\n"), "{text}");
    let quiet = repository.verify(&[good, "no-such-folder", "--quiet"]);
    assert!(
        quiet.starts_with(&format!("pass  {good}  (no findings)\nunread  no-such-folder  (no such folder")),
        "{quiet}"
    );
    let details = repository.verify(&[FOLDER, good, "--details"]);
    assert!(details.contains("error[time-train-600]") && details.ends_with("2 folders: 1 pass, 1 fail\n"));
    let narrow = {
        let folders = [good, repository.dir.path().join(FOLDER).to_str().expect("UTF-8")]
            .map(|path| verify(path.into(), &VerifyOptions::default()).expect("a report"));
        let report = Report::new("parameter-golf-2026/1".to_owned(), folders.to_vec());
        report.render_table(Look { width: Some(80), ..Look::default() })
    };
    let table = narrow.split("\n\n").next().expect("a table");
    let own = |line: &&str| !line.starts_with('/');
    assert!(table.lines().filter(own).all(|line| line.chars().count() <= 80), "{table}");
}

#[test]
fn what_is_no_folder_has_findings_and_no_size() {
    let mut folder = verify(&bad().utf8(), &VerifyOptions::default()).expect("a report");
    folder.path = ".".into();
    (folder.track, folder.claimed) = (None, None);
    folder.runs.clear();
    folder.scores = Default::default();
    folder.size = caddie::report::Size { limit: 16_000_000, ..Default::default() };
    let report = Report::new("parameter-golf-2026/1".to_owned(), vec![folder]);
    let text = |format| report.render(format, Look::default());
    assert!(text(format("plain")).starts_with("fail  .  (1 error,") && !text(format("plain")).contains("bytes\n"));
    assert!(text(format("markdown")).contains("**error**") && !text(format("markdown")).contains("16,000,000"));
    let mut report = report.folders.first().expect("one").clone();
    report.findings.iter_mut().for_each(|finding| finding.rule = "pr-one-new-folder".to_owned());
    let text = Report::new("parameter-golf-2026/1".to_owned(), vec![report]).render(format("plain"), Look::default());
    assert!(text.starts_with("fail  pull request  (1 error,"), "{text}");
}

#[test]
fn the_worst_findings_are_of_different_kinds() {
    let mut folder = verify(&bad().utf8(), &VerifyOptions::default()).expect("a report");
    let first = folder.findings.first().expect("one").clone();
    let finding = |rule: &str, message: &str| Finding { rule: rule.into(), message: message.into(), ..first.clone() };
    folder.findings = [("a", "a one"), ("a", "a two"), ("a", "a three"), ("b", "b one"), ("c", "c one")]
        .map(|(rule, message)| finding(rule, message))
        .to_vec();
    let text = Report::new("parameter-golf-2026/1".to_owned(), vec![folder]).render(format("plain"), Look::default());
    let shown: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  error ")).collect();
    assert_eq!(shown, ["a one", "b one", "c one"]);
}

#[test]
fn a_terminal_of_any_width_is_not_overrun() {
    let folder = verify(&bad().utf8(), &VerifyOptions::default()).expect("a report");
    let report = Report::new("parameter-golf-2026/1".to_owned(), vec![folder]);
    for width in [80, 100, 120] {
        let text = report.render(format("plain"), Look { width: Some(width), ..Look::default() });
        let long = text.lines().skip(1).find(|line| line.chars().count() > width);
        assert_eq!(long, None, "{width} columns");
    }
}

#[test]
fn several_reports_come_from_one_run() {
    let repository = Repository::new(&bad());
    let out = repository.dir.path().join("out");
    std::fs::create_dir(&out).expect("creates");
    let plain = repository.verify(&[
        FOLDER,
        "--report",
        "sarif=out/r.sarif",
        "--report",
        "junit=out/r.xml",
        "--report",
        "plain=out/r.txt",
    ]);
    let read = |name: &str| std::fs::read_to_string(out.join(name)).expect("written");
    assert!(read("r.sarif").starts_with('{') && read("r.xml").starts_with("<?xml"));
    assert_eq!(read("r.txt"), plain);
    assert_eq!(repository.verify(&[FOLDER, "--format", "json", "--output", "out/r.json"]), "");
    assert_eq!(read("r.json"), repository.verify(&[FOLDER, "--format", "json"]));
    assert_eq!(std::fs::read_dir(&out).expect("lists").count(), 4, "no temporary file is left");
}

#[test]
fn a_bad_path_for_a_report_fails_before_the_work() {
    let repository = Repository::new(&bad());
    for (arguments, reason) in [
        (vec!["--output", "nowhere/r.json"], "nowhere/r.json: there is no folder nowhere; create it first"),
        (vec!["--output", "records"], "records: a folder; name a file for the report"),
        (vec!["--report", "json=a", "--output", "a"], "a: two reports cannot be written to one file"),
        (vec!["--report", "xml=a"], "\"xml\" is none of plain, json, sarif, junit, github, markdown"),
        (vec!["--report", "a"], "give FORMAT=FILE"),
    ] {
        let output = repository.caddie("").args(["verify", "no-such-folder"]).args(&arguments).output().expect("runs");
        let error = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(reason) && !error.contains("no such folder;"), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty());
    }
}

#[cfg(unix)]
#[test]
fn devices_and_links_are_written_to_and_files_are_readable() {
    use std::os::unix::fs::PermissionsExt;
    let repository = Repository::new(&bad());
    let path = |name: &str| repository.dir.path().join(name);
    std::fs::write(path("target"), "old").expect("writes");
    std::os::unix::fs::symlink("target", path("link")).expect("links");
    repository.verify(&[FOLDER, "--output", "link", "--report", "json=/dev/null", "--report", "junit=plain.xml"]);
    assert!(path("link").is_symlink() && std::fs::read_to_string(path("target")).expect("reads").starts_with("fail"));
    let mode = std::fs::metadata(path("plain.xml")).expect("written").permissions().mode();
    let other = std::fs::metadata(path("target")).expect("written").permissions().mode();
    assert_eq!(mode, other, "as any file of this user");
}

#[test]
fn files_lead_to_their_folders() {
    let repository = Repository::new(&bad());
    let files = [format!("{FOLDER}/train_seed42.log"), format!("{FOLDER}/README.md")];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    assert_eq!(repository.verify(&files), repository.verify(&[FOLDER]));
    std::fs::write(repository.dir.path().join("records/README.md"), "records").expect("writes");
    let output = repository.caddie("").args(["verify", "records/README.md"]).output().expect("runs");
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "nothing was checked");
    assert!(error.contains("records/README.md: not a folder; give a records folder"), "{error}");
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

/// Every sentence that a participant is told about a rule or a code: what it demands and how it is cleared.
#[test]
fn every_explanation_is_whole_sentences_and_says_how_the_finding_is_cleared() {
    // `val_bpb is …` and `submission.json is …` begin with a name that has no capital.
    let begins = |text: &str| {
        let word = text.split_whitespace().next().unwrap_or("");
        word.starts_with(|c: char| c.is_uppercase()) || word.contains(['.', '_'])
    };
    let whole = |text: &str| begins(text) && text.ends_with('.') && text.split_whitespace().count() > 2;
    let book = Rulebook::builtin().expect("loads");
    let codes = Code::ALL.iter().copied().map(Topic::Code);
    let mut explained = 0;
    for topic in book.rules.iter().map(Topic::Rule).chain(codes) {
        let explanation = Explanation::new(topic, "", |_| None);
        let clear = explanation.parts.iter().find(|(label, _)| *label == "to clear it");
        let (_, clear) = clear.unwrap_or_else(|| panic!("{} does not say how it is cleared", explanation.name));
        for text in [&explanation.statement, clear] {
            assert!(whole(text), "{}: {text:?} is no whole sentence", explanation.name);
        }
        // `caddie explain` prints both, whole, for that name.
        let printed = explanation.plain(None);
        assert!(printed.contains(&explanation.statement) && printed.contains(clear), "{printed}");
        explained += 1;
    }
    assert_eq!(explained, book.rules.len() + Code::ALL.len());
    assert!(!whole("train longer."), "the test tells a fragment from a sentence");
}

/// The report in README.md is what caddie prints of the committed folder after these edits.
#[test]
fn the_report_in_the_readme_is_a_real_one() {
    let copy = Copy::new();
    copy.edit("train_seed42.log", "train_time:599000ms", "train_time:601000ms");
    copy.edit("train_seed1234.log", " eval_time:401250ms", "");
    copy.edit("README.md", "| 13700 |", "| 13600 |");
    let repository = Repository::new(&copy);
    let renamed = repository.dir.path().join(FOLDER).with_file_name("2026-03-17_MyEntry");
    std::fs::rename(repository.dir.path().join(FOLDER), renamed).expect("renames");
    let printed = repository.verify(&["records/track_10min_16mb/2026-03-17_MyEntry"]);
    let readme = include_str!("../README.md");
    let shown = readme.split("```text\n").find(|block| block.starts_with("fail  records/")).expect("a report");
    let shown = shown.split("```").next().expect("a block");
    assert_eq!(printed.lines().take(13).collect::<Vec<_>>(), shown.lines().take(13).collect::<Vec<_>>());
    let finding = shown.lines().skip(14).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    assert!(finding.starts_with("error[time-train-600]") && printed.contains(&finding), "{finding}");
}
