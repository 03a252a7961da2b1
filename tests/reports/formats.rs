//! Reports for programs: the schema, SARIF, annotations, comments and JUnit.

use super::*;

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
