//! Findings that are chosen by filters, or set aside by a working folder.

use super::*;

fn run(repository: &Repository, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = repository.caddie("").arg("verify").args(arguments).output().expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn filters_choose_by_severity_confidence_and_family() {
    let repository = Repository::new(&bad());
    let severities = |arguments: &[&str]| {
        let json = repository.json(&[&[FOLDER, "--format", "json"], arguments].concat());
        let findings = json["folders"][0]["findings"].as_array().expect("findings").clone();
        (json["folders"][0]["verdict"].clone(), findings)
    };
    let (verdict, all) = severities(&[]);
    let (_, grave) = severities(&["--min-severity", "unknown"]);
    assert!(verdict == "fail" && grave.len() == 2 && grave.len() < all.len(), "{grave:#?}");
    let (verdict, times) = severities(&["--family", "pkg,size"]);
    assert!(times.iter().all(|finding| finding["rule"] != "time-train-600") && verdict == "warn", "{times:#?}");
    assert_eq!(severities(&["--min-confidence", "high"]).1.len(), all.len(), "all of them are sure");
    let (code, text, _) = run(&repository, &[FOLDER, "--family", "pkg"]);
    assert!(code == Some(0) && text.contains("left out by filters"), "{text}");
    let (code, _, error) = run(&repository, &[FOLDER, "--family", "nope"]);
    assert!(code == Some(2) && error.contains("the families are pkg, size, time"), "{error}");
}

#[test]
fn a_working_folder_sets_findings_aside_until_a_day() {
    let repository = Repository::new(&bad());
    let write = |text: &str| std::fs::write(repository.dir.path().join("caddie.toml"), text).expect("writes");
    let ignore = |rule: &str, until: &str| {
        format!("[[ignore]]\nrule = \"{rule}\"\nreason = \"rerun is booked\"\nuntil = {until}\n")
    };
    write(&ignore("time-train-600", "2999-12-31"));
    let (code, text, error) = run(&repository, &[FOLDER, "--details"]);
    assert!(code == Some(0) && text.starts_with("unknown"), "{text}{error}");
    assert!(text.contains("ignored until 2999-12-31: rerun is booked"), "{text}");
    write(&ignore("TRAIN_TIME_OVER_600S", "\"2026-01-01\""));
    let (code, _, error) = run(&repository, &[FOLDER]);
    assert!(code == Some(1) && error.contains("is no longer ignored"), "{error}");
    write(&ignore("no-such-rule", "2999-12-31"));
    let (code, _, error) = run(&repository, &[FOLDER]);
    assert!(
        code == Some(2) && error.contains("ignore[0].rule: \"no-such-rule\" is neither a rule nor a code"),
        "{error}"
    );
    write("[[ignore]]\nrule = \"repro\"\nuntil = 2999-12-31\n");
    let (code, _, error) = run(&repository, &[FOLDER]);
    assert!(code == Some(1) && error.contains("nothing is ignored"), "{error}");
}
