//! The command line around a report: tables, widths, files, and explanations.

use super::*;

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
    let message = |line: &'_ str| -> Option<String> {
        let message = line.strip_prefix("  error    train_seed42.log:16: ")?;
        Some(message.split(" [").next().unwrap_or(message).to_owned())
    };
    let shown: Vec<String> = text.lines().filter_map(message).collect();
    assert_eq!(shown, ["a one", "b one", "c one", "a two", "a three"]);
}

#[test]
fn one_folder_fits_a_screen_that_ends_with_verdict_counts_and_the_next_command() {
    let mut folder = verify(&bad().utf8(), &VerifyOptions::default()).expect("a report");
    let many: Vec<Finding> = (0..40)
        .map(|index| Finding {
            rule: format!("rule-{index}"),
            message: "so it is. ".repeat(40),
            ..folder.findings[1].clone()
        })
        .collect();
    for more in [Vec::new(), many] {
        folder.findings.extend(more);
        let report = Report::new("parameter-golf-2026/1".to_owned(), vec![folder.clone()]);
        let report = report.with_next(Some("caddie explain X".to_owned()));
        for width in [None, Some(80), Some(100), Some(200)] {
            let text = report.render(format("plain"), Look { width, ..Look::default() });
            assert!(text.lines().count() < 24, "{width:?}: {text}");
            let last: Vec<&str> = text.lines().rev().take(3).collect();
            assert!(
                last[0] == "next: caddie explain X" && last[2] == "fail" && last[1].starts_with("1 error, "),
                "{text}"
            );
            let findings = text.lines().filter(|line| line.starts_with("  error ")).count();
            assert_eq!(findings, 1, "the gravest is always there: {text}");
        }
    }
}

/// What a reader has to act on first stands first: of equally grave findings the surer one, in the table as well.
#[test]
fn the_surest_of_the_gravest_findings_comes_first() {
    let mut folder = verify(&bad().utf8(), &VerifyOptions::default()).expect("a report");
    let first = folder.findings.first().expect("one").clone();
    let finding = |rule: &str, confidence| Finding { rule: rule.into(), code: None, confidence, ..first.clone() };
    folder.findings = vec![finding("a-clock", Confidence::Medium), finding("val-no-train", Confidence::High)];
    let report = Report::new("parameter-golf-2026/1".to_owned(), vec![folder.clone(), folder.clone()]);
    let table = report.render(format("plain"), Look::default());
    assert!(table.lines().nth(1).is_some_and(|row| row.contains("error val-no-train")), "{table}");
    let one = Report::new("parameter-golf-2026/1".to_owned(), vec![folder]).render(format("plain"), Look::default());
    assert!(one.find("val-no-train") < one.find("a-clock"), "{one}");
}

#[test]
fn a_terminal_of_any_width_is_not_overrun() {
    let folder = verify(&bad().utf8(), &VerifyOptions::default()).expect("a report");
    let report = Report::new("parameter-golf-2026/1".to_owned(), vec![folder]);
    for width in [80, 100, 120] {
        let text = report.render(format("plain"), Look { width: Some(width), ..Look::default() });
        let long = text.lines().find(|line| line.chars().count() > width);
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
    let codes = Code::ALL.iter().map(|code| Topic::code(*code, &book));
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
    let readme = include_str!("../../README.md");
    let shown = readme.split("```text\n").find(|block| block.starts_with("fail  records/")).expect("a report");
    let shown = shown.split("```").next().expect("a block");
    assert_eq!(printed, shown);
}
