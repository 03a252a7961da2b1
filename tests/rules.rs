//! `caddie rules`, and another challenge's rulebook in place of the builtin one.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use caddie_rulebook::Rulebook;
use serde_json::Value;

fn caddie(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("caddie").expect("the binary");
    let output = command.current_dir(fixtures()).args(arguments).output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn json(arguments: &[&str]) -> Value {
    let (_, text, error) = caddie(arguments);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{error}"))
}

fn ids(rules: &Value) -> Vec<&str> {
    rules["rules"].as_array().expect("rules").iter().filter_map(|rule| rule["id"].as_str()).collect()
}

/// The builtin rulebook with a change, as a file.
struct Changed {
    dir: tempfile::TempDir,
}

impl Changed {
    fn new(from: &str, to: &str) -> Changed {
        let (code, text, _) = caddie(&["rules", "--format", "toml"]);
        assert_eq!(code, Some(0));
        assert!(text.contains(from), "{from}");
        let changed = Changed { dir: tempfile::tempdir().expect("a temporary directory") };
        std::fs::write(changed.path(), text.replacen(from, to, 1)).expect("writes");
        changed
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("mine.toml")
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let path = self.path();
        caddie(&[arguments, &["--rulebook", path.to_str().expect("UTF-8")]].concat())
    }
}

const OTHER: [&str; 2] = ["--rulebook", "other-challenge/pocket-2027.toml"];

/// Rules and errors of one folder's report, by the builtin rulebook or another.
fn errors(folder: &str, more: &[&str]) -> (Option<i32>, String, Vec<String>) {
    let arguments = [&["verify", "--format", "json", folder], more].concat();
    let (code, text, error) = caddie(&arguments);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{error}"));
    let findings = report["folders"][0]["findings"].as_array().expect("findings").iter();
    let errors: BTreeSet<String> = findings
        .filter(|finding| finding["severity"] == "error")
        .filter_map(|finding| finding["rule"].as_str().map(str::to_owned))
        .collect();
    (code, report["rulebook"].as_str().expect("a rulebook").to_owned(), errors.into_iter().collect())
}

#[test]
fn another_challenge_needs_a_rulebook_and_no_other_code() {
    let entry = "other-challenge/entry";
    assert_eq!(errors(entry, &OTHER), (Some(0), "pocket-2027/1".to_owned(), Vec::new()));
    let (code, book, ours) = errors(entry, &[]);
    assert_eq!((code, book.as_str()), (Some(1), "parameter-golf-2026/1"));
    assert_eq!(ours, ["pkg-readme", "time-eval-600", "time-train-600"]);

    let good = "folders/good";
    assert_eq!(errors(good, &[]).0, Some(0));
    let (code, _, theirs) = errors(good, &OTHER);
    assert_eq!(code, Some(1));
    // Its track is none of the other challenge's, so that the machine is only a warning.
    assert_eq!(theirs, ["model-card", "size-cap-decimal"]);
    // A file that only this challenge asks for has a code as well.
    let report = json(&[&["verify", "--format", "json", good], &OTHER[..]].concat());
    let findings = report["folders"][0]["findings"].as_array().expect("findings");
    let card = findings.iter().find(|finding| finding["rule"] == "model-card").expect("a finding");
    assert_eq!(card["code"], "MISSING_FILE");
    assert_eq!(card["message"], "MODEL_CARD.md is missing: say what the model is for");
}

/// A copy of the other challenge's folder, moved to where another league would have it.
fn moved_to(league: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let place = dir.path().join("records").join(league).join("2027-05-01_Purse");
    std::fs::create_dir_all(&place).expect("creates");
    for entry in std::fs::read_dir(fixtures().join(PURSE)).expect("the folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), place.join(entry.file_name())).expect("copies");
    }
    let place = place.to_str().expect("UTF-8").to_owned();
    (dir, place)
}

const PURSE: &str = "other-challenge/records/league_purse/2027-05-01_Purse";

#[test]
fn tracks_with_their_names_limits_and_machines_come_from_the_rulebook() {
    // The folder of folders is searched for leagues, because the rulebook says that tracks are called so.
    let report = json(&[&["verify", "--format", "json", "other-challenge/records"], &OTHER[..]].concat());
    let folder = &report["folders"][0];
    assert_eq!((report["folders"].as_array().map(Vec::len), &folder["path"]), (Some(1), &PURSE.into()));
    assert_eq!((&folder["track"], &folder["size"]["limit"]), (&"purse".into(), &4_000_000.into()));
    assert_eq!((&folder["claimed"]["track"], &folder["verdict"]), (&"purse".into(), &"pass".into()), "{folder:#}");

    // In a smaller league the same folder is too large, too slow, and on another machine.
    let (_dir, pocket) = moved_to("league_pocket");
    let (_, _, found) = errors(&pocket, &OTHER);
    assert_eq!(found, ["size-cap-decimal", "time-eval-600", "time-hw-8xh100-sxm", "time-train-600"]);
    let (_, text, _) = caddie(&[&["verify", &pocket], &OTHER[..]].concat());
    for part in [
        "track   pocket",
        "took 10800.000 s, 3600.000 s over 7200 s",
        "the record track's times are those of 1 L4",
        "the log says 2 GPUs; the record track is timed on 1",
        "names the track league_purse, the folder lies in pocket",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Outside of the leagues only the bytes are limited, and what is no league is said.
    let (_dir, anything) = moved_to("league_anything");
    assert_eq!(errors(&anything, &OTHER).2, ["size-cap-decimal"]);
    let (_, text, _) = caddie(&[&["verify", "--details", &anything], &OTHER[..]].concat());
    assert!(text.contains("time-nonrecord") && text.contains("track   anything"), "{text}");
    let (_dir, cupboard) = moved_to("league_cupboard");
    let (_, text, _) = caddie(&[&["verify", &cupboard], &OTHER[..]].concat());
    assert!(text.contains("track \"cupboard\" is unknown; checked as a record"), "{text}");
    assert!(text.contains("track   purse"), "submission.json says it where the place does not: {text}");

    let size = |folder: &str| json(&[&["size", "--format", "json", folder], &OTHER[..]].concat());
    assert!(size(PURSE).to_string().contains("4000000") && size(&pocket).to_string().contains("1000000"));
    // The other way round: the challenge that caddie knows has no leagues.
    let (_, text, _) = caddie(&["verify", PURSE]);
    assert!(text.contains("track \"league_purse\" is unknown") && text.contains("of 16,000,000 bytes"), "{text}");
}

#[test]
fn a_rule_that_does_not_say_how_it_is_cleared_is_refused() {
    let clear = "clear = \"Rename the folder to YYYY-MM-DD_description, with the date that submission.json states.\"\n";
    for changed in [Changed::new(clear, ""), Changed::new(clear, "clear = \" \"\n")] {
        let (code, text, error) = changed.run(&["verify", "folders/good"]);
        assert_eq!((code, text.as_str()), (Some(2), ""));
        assert!(
            error.contains("mine.toml: line ") && error.contains("rule pkg-folder-name: no clear: say in one"),
            "{error}"
        );
        assert_eq!(changed.run(&["rules", "--coverage"]).0, Some(1));
    }
}

#[test]
fn every_command_that_reads_limits_takes_another_rulebook() {
    let size = |folder: &str, more: &[&str]| caddie(&[&["size", folder], more].concat()).0;
    assert_eq!((size("folders/good", &[]), size("folders/good", &OTHER)), (Some(0), Some(1)));
    assert_eq!(size("other-challenge/entry", &OTHER), Some(0));
    let (code, text, _) = caddie(&[&["explain", "model-card"], &OTHER[..]].concat());
    assert!(code == Some(0) && text.contains("holds a MODEL_CARD.md") && text.contains("files ("), "{text}");
    let (code, _, error) = caddie(&["explain", "model-card"]);
    assert!(code == Some(2) && error.contains("neither a rule nor a code"), "{error}");
    let (code, text, _) = caddie(&[&["ladder"], &OTHER[..]].concat());
    assert_eq!((code, text.as_str()), (Some(0), "pocket-2027/1 has no ladder of records\n"));
    let (code, _, error) = caddie(&[&["verify", "--against", "#1493", "folders/good"], &OTHER[..]].concat());
    assert!(code == Some(2) && error.contains("no record of the ladder"), "{error}");
    // The formats with a catalog of rules show that rulebook's.
    let (_, sarif, _) = caddie(&[&["verify", "--format", "sarif", "other-challenge/entry"], &OTHER[..]].concat());
    assert!(sarif.contains("\"id\": \"model-card\"") && !sarif.contains("pkg-readme"), "{sarif}");
    let (_, junit, _) = caddie(&[&["verify", "--format", "junit", "other-challenge/entry"], &OTHER[..]].concat());
    assert!(junit.contains("<testcase name=\"model-card\"") && !junit.contains("pkg-readme"), "{junit}");
}

#[test]
fn a_changed_copy_of_the_builtin_rulebook_holds() {
    let same = Changed::new("version = 1", "version = 2");
    let (code, text, error) = same.run(&["verify", "folders/good"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    // The next command depends on the repository that the folder lies in.
    let report = |text: &str| text.lines().filter(|line| !line.starts_with("next: ")).collect::<Vec<_>>().join("\n");
    assert_eq!(report(&text), report(&caddie(&["verify", "folders/good"]).1), "its ladder is found as well");
    let less = Changed::new("artifact_bytes = 16_000_000", "artifact_bytes = 15_000_000");
    assert_eq!(less.run(&["verify", "folders/good"]).0, Some(1));
    // A key that another challenge would ask for, a seed that it would not ask about.
    let keys = Changed::new("keys = [\"author\"", "keys = [\"team\", \"author\"");
    assert!(keys.run(&["verify", "folders/good"]).1.contains("does not state team"));
    let seeds = Changed::new("[0, 99]", "[0, 9]");
    assert!(seeds.run(&["verify", "folders/good"]).1.contains("unusual seeds (42)"));
}

#[test]
fn coverage_says_what_becomes_of_every_rule_and_fails_when_one_has_no_disposition() {
    let (code, text, error) = caddie(&["rules", "--coverage"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let book = Rulebook::builtin().expect("loads");
    for rule in &book.rules {
        let row = text.lines().find(|line| line.split_whitespace().next() == Some(&rule.id)).expect("a row");
        let columns: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(columns[1..3], [rule.severity.name(), rule.authority.name()], "{row}");
        assert!(rule.checks.iter().all(|check| row.contains(check.as_str())), "{row}");
    }
    let all = format!("{} rules: ", book.rules.len());
    assert!(text.contains(&all) && text.contains(" 0 without a disposition"), "{text}");

    let broken = Changed::new("checks = [\"size-cap\"]\n", "");
    let (code, text, error) = broken.run(&["rules", "--coverage"]);
    assert_eq!(code, Some(1));
    assert!(text.contains(" 1 without a disposition"), "{text}");
    assert!(error.contains("mine.toml: line ") && error.contains("rule size-cap-decimal: no disposition"), "{error}");
    let json: Value = serde_json::from_str(&broken.run(&["rules", "--coverage", "--format", "json"]).1).expect("JSON");
    assert_eq!((&json["counts"]["missing"], &json["flaws"][0]["rule"]), (&1.into(), &"size-cap-decimal".into()));
    // Nothing is verified by half a rulebook.
    for arguments in [&["verify", "folders/good"][..], &["size", "folders/good"], &["explain", "repro"], &["ladder"]] {
        let (code, text, error) = broken.run(arguments);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(error.contains("mine.toml: line ") && error.contains("checks, undecided and out_of_scope"), "{error}");
    }
    // A check that cannot decide the rule is no disposition either.
    let other = Changed::new("checks = [\"size-cap\"]", "checks = [\"size-cup\"]");
    let (code, _, error) = other.run(&["rules", "--coverage"]);
    assert!(code == Some(1) && error.contains("\"size-cup\" is not a check; the checks are files, "), "{error}");
}

#[test]
fn a_file_that_is_no_rulebook_is_refused_with_line_key_and_what_is_allowed() {
    for (from, to, expected) in [
        ("train_seconds = 600.0", "train_seconds = \"600 s\"", &["line ", "train_seconds: invalid type", "f64"][..]),
        (
            "authority = \"ruling\"",
            "authority = \"rumour\"",
            &["line ", "authority: unknown variant `rumour`", "`readme`"],
        ),
        ("eval_seconds = 600.0", "eval_secs = 600.0", &["line ", "unknown field `eval_secs`", "`eval_seconds`"]),
        ("name = \"parameter-golf-2026\"\n", "", &["missing field `name`"]),
        ("on = \"2026-03-20\"", "on = \"20 March\"", &["line ", "mine.toml"]),
        ("[limits]", "[limits", &["line "]),
        ("ladder = \"ladder-2026.toml\"", "ladder = \"none.toml\"", &["none.toml"]),
        ("train_seconds = 600.0", "train_seconds = -1.0", &["[limits] train_seconds = -1", "above 0"]),
    ] {
        let (code, text, error) = Changed::new(from, to).run(&["verify", "folders/good"]);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{to}: {error}");
        assert!(expected.iter().all(|part| error.contains(part)), "{to}: {error}");
    }
    for (file, expected) in [("nowhere.toml", "nowhere.toml"), ("folders", "a folder; give the rulebook's file")] {
        let (code, _, error) = caddie(&["rules", "--rulebook", file]);
        assert!(code == Some(2) && error.contains(expected), "{error}");
    }
}

#[test]
fn rules_are_listed_by_what_is_asked_for() {
    let all = json(&["rules", "--format", "json"]);
    assert_eq!(ids(&all).len() as u64, all["counts"]["rules"].as_u64().expect("a number"));
    let some = |arguments: &[&str]| {
        let found = json(&[&["rules", "--format", "json"], arguments].concat());
        ids(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let ruled = some(&["--family", "time", "--authority", "ruling", "--severity", "error"]);
    assert_eq!(ruled, ["time-gptq-train-data", "time-gptq-no-val"]);
    assert_eq!(some(&["SLOT"]), ["slot-standard", "slot-causal"], "upper and lower case are one");
    let kinds = ["checks", "undecided", "out-of-scope"].map(|kind| some(&["--disposition", kind]).len());
    assert_eq!(kinds.iter().sum::<usize>(), ids(&all).len());
    assert!(some(&["no rule says so"]).is_empty());
    let (code, _, error) = caddie(&["rules", "--family", "sise"]);
    assert!(code == Some(2) && error.contains("--family sise: the families are pkg, size, time"), "{error}");

    let (_, text, _) = caddie(&["rules", "--family", "time"]);
    assert!(text.contains("\ntime: time and hardware\n") && !text.contains("size-parts"), "{text}");
    // Structured: a program need not take a sentence apart.
    let cap = &json(&["rules", "size-cap", "--format", "json"])["rules"][0];
    let ruling = cap["citations"].as_array().expect("citations").iter().find(|cited| cited["pr"][0] == 1809);
    let ruling = ruling.expect("the ruling");
    assert_eq!((&ruling["by"], &ruling["on"]), (&"regina-openai".into(), &"2026-04-26".into()));
    assert_eq!(ruling["links"][0], "https://github.com/openai/parameter-golf/pull/1809");
    let reversed = &json(&["rules", "val-no-train", "--format", "json"])["rules"][0];
    assert_eq!(reversed["since"]["on"], "2026-03-20");
}

#[test]
fn what_nobody_answered_is_unknown_and_never_passed() {
    let open = json(&["rules", "--unanswered", "--format", "json"]);
    let (_, junit, _) = caddie(&["verify", "folders/good", "--format", "junit"]);
    let mut seen = 0;
    for rule in open["rules"].as_array().expect("rules") {
        let id = rule["id"].as_str().expect("an id");
        let Some(from) = junit.find(&format!("<testcase name=\"{id}\"")) else {
            assert_ne!(rule["disposition"], "checks", "{id}");
            continue;
        };
        let case = junit[from..].split("</testcase>").next().expect("a case");
        assert!(case.contains("<skipped message=\"unknown: nobody answered "), "{case}");
        seen += 1;
    }
    assert!(seen >= 5, "{seen} questions have a check");
    assert!(caddie(&["explain", "slot-causal"]).1.contains("unanswered"));
}

/// The catalog that the rulebook was compiled from, where it lies beside the checkout.
#[test]
fn every_rule_of_the_catalog_is_in_the_rulebook() {
    let shared =
        std::env::var("CADDIE_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    let path = Path::new(&shared).join("spec/challenge-rules.md");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no catalog at {}", path.display());
        return;
    };
    let (_, text) = text.split_once("### 1A").expect("section 1A");
    let (catalog, open) = text.split_once("### 1I").expect("section 1I");
    let catalog: BTreeSet<&str> =
        catalog.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(catalog.len() > 90, "{}", catalog.len());
    let book = Rulebook::builtin().expect("loads");
    let rules: BTreeSet<&str> = book.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(catalog.difference(&rules).collect::<Vec<_>>(), Vec::<&&str>::new(), "not in the rulebook");
    // Later than the catalog: whether a log is possible at all.
    let later = [&"pkg-record-folder", &"repro-physics"];
    assert_eq!(rules.difference(&catalog).collect::<Vec<_>>(), later, "not in the catalog");
    // What section 1I calls by its id is unanswered in the rulebook.
    let open = open.split("\n## ").next().expect("a section");
    let named: Vec<&str> = open.split('`').filter(|word| rules.contains(word)).collect();
    assert!(named.len() > 5, "{named:?}");
    for id in named {
        assert!(book.rule(id).is_some_and(|rule| rule.unanswered.is_some()), "{id}");
    }
}
