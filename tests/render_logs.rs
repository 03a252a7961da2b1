//! `caddie render LOG…`: from somebody's own logs to submission.json and README.md, and nothing else.

mod support;

use std::path::{Path, PathBuf};

use support::Copy;

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn caddie(arguments: &[&str]) -> Ended {
    let mut command = assert_cmd::Command::cargo_bin("caddie").expect("the binary");
    command.env("NO_COLOR", "1").env("SOURCE_DATE_EPOCH", "1777600000").env_remove("DATA_PATH");
    let output = command.args(arguments).output().expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A folder of somebody's own entry, with nothing of caddie's in it.
struct Own {
    _root: tempfile::TempDir,
    path: PathBuf,
}

impl Own {
    fn new(files: &[(&str, &str)]) -> Own {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().join("records/track_10min_16mb/2026-05-01_Mine");
        for (name, content) in files {
            let file = path.join(name);
            std::fs::create_dir_all(file.parent().expect("a parent")).expect("creates");
            std::fs::write(file, content).expect("writes");
        }
        Own { _root: root, path }
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path.join(name)).expect(name)
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text("submission.json")).expect("JSON")
    }

    fn render(&self, arguments: &[&str]) -> Ended {
        caddie(&[&["render", shown(&self.path)], arguments].concat())
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A log of the baseline's family.
fn family_a(seed: u32, bpb: &str) -> String {
    format!(
        "val_bpb:enabled tokenizer_kind=sentencepiece\nworld_size:8 grad_accum_steps:1\nseed:{seed}\nwarmup_step:1/20\n\
         step:1/20000 train_loss:6.9 train_time:43ms step_avg:43.00ms\n\
         stopping_early: wallclock_cap train_time:599000ms step:13700/20000\n\
         Code size: 32 bytes\nSerialized model int8+zlib: 15800000 bytes\nTotal submission size int8+zlib: 15800032 bytes\n\
         final_int8_zlib_roundtrip_exact val_loss:2.09655172 val_bpb:{bpb} eval_time:1250ms\n"
    )
}

/// A log of the later family: minutes and indented settings.
fn family_b(seed: u32, bpb: &str) -> String {
    format!(
        "Hyperparameters:\n  seed: {seed}\n  world_size: 8\n  matrix_lr: 0.026\ntrain_shards: 80\n\
         4500/20000 train_loss: 2.8674 train_time: 8.9m tok/s: 6663926\n\
         stopping_early: wallclock_cap train_time: 596103ms step: 4967/20000\n\
         Code size: 32 bytes\nSerialized model quantized+brotli: 15912231 bytes\n\
         Total submission size quantized+brotli: 15912263 bytes\n\
         quantized_ttt_lora val_loss:2.76738841 val_bpb:{bpb} eval_time:332086ms\ntotal_eval_time:332.1s\n"
    )
}

/// A log of a ternary model, whose sizes are in one line.
fn family_c(seed: u32, bpb: &str) -> String {
    format!(
        "--- Hyperparameters ---\niterations=10000 seed={seed} vocab_size=8192 data_path=./data/fineweb10B_sp8192\n\
         params:73685840 L:10 d:768 h:8 kv:4 ws:8 ga:1 s:{seed}\nwarmup:1/5\n\
         step:1000/10000 loss:3.3114 t:91476ms avg:91.5ms\n\
         step:6530/10000 val_loss:3.0535 val_bpb:1.1823 train_time:599602ms zero_frac:0.336\n\
         artifact:15.92MB ternary:64880640(14237274B) fp:2513744(2537376B) code:32\n\
         budget:15992753/16000000 (15.99/16.00MB) FITS\n\
         final_ternary_roundtrip val_loss:3.0604 val_bpb:1.1850\n\
         final_sliding val_loss:2.9901 val_bpb:{bpb} (stride=16, T=0.90) eval_time:429023ms\n"
    )
}

const SCRIPT: &str = "print('a stand-in of one line')\n";

#[test]
fn both_documents_are_made_from_logs_of_every_family_and_verify_agrees_with_them() {
    type Family = fn(u32, &str) -> String;
    let families: [(Family, [&str; 3], &str); 3] = [
        (family_a, ["1.25667419", "1.25667766", "1.25677621"], "final_int8_zlib_roundtrip_exact"),
        (family_b, ["1.07134229", "1.07135229", "1.07139999"], "quantized_ttt_lora"),
        (family_c, ["1.1578", "1.1579", "1.1583"], "final_sliding"),
    ];
    for (family, scores, metric) in families {
        let logs: Vec<String> = [42, 0, 1234].iter().zip(scores).map(|(seed, bpb)| family(*seed, bpb)).collect();
        let own = Own::new(&[
            ("train_gpt.py", SCRIPT),
            ("logs/first.txt", &logs[0]),
            ("logs/second.txt", &logs[1]),
            ("logs/third.txt", &logs[2]),
        ]);
        let before = support::files(&own.path);
        let dry = own.render(&["--author", "Ada", "--github-id", "ada", "--dry-run"]);
        assert_eq!(dry.code, Some(1), "{metric}: {}", dry.err);
        assert_eq!(support::files(&own.path), before, "a dry run writes nothing");
        let made = own.render(&["--author", "Ada", "--github-id", "ada"]);
        assert_eq!(made.code, Some(0), "{metric}: {}", made.err);
        assert_eq!(made.out, dry.out);
        let mut after = support::files(&own.path);
        let mut added: Vec<&str> =
            after.keys().map(String::as_str).filter(|name| !before.contains_key(*name)).collect();
        added.sort_unstable();
        assert_eq!(added, ["README.md", "submission.json"], "nothing else appears");
        after.retain(|name, _| before.contains_key(name));
        assert_eq!(after, before, "and nothing else changes");

        let json = own.json();
        assert_eq!((json["author"].as_str(), json["metric_line"].as_str()), (Some("Ada"), Some(metric)));
        assert_eq!((json["name"].as_str(), json["date"].as_str()), (Some("Mine"), Some("2026-05-01")));
        assert_eq!(json["seeds"], serde_json::json!([0, 42, 1234]));
        assert_eq!(json["runs"][1]["log"], "logs/first.txt");
        let verified = caddie(&["verify", "--format", "json", "--fail-on", "never", shown(&own.path)]);
        let report: serde_json::Value = serde_json::from_str(&verified.out).expect("JSON");
        let findings = report["folders"][0]["findings"].as_array().expect("findings");
        let wrong = |finding: &&serde_json::Value| !finding["claimed"].is_null() && finding["code"] != "UNITS";
        let wrong: Vec<&serde_json::Value> = findings.iter().filter(wrong).collect();
        assert!(wrong.is_empty(), "{metric}: {wrong:#?}");
        assert_eq!(report["folders"][0]["scores"]["runs"], 3);
        let again = own.render(&["--dry-run"]);
        assert_eq!((again.code, again.out.as_str()), (Some(0), ""), "{metric}: {}", again.err);
    }
}

#[test]
fn the_readme_has_the_results_and_says_which_limit_they_meet() {
    let own = Own::new(&[("train_gpt.py", SCRIPT), ("train_seed7.log", &family_a(7, "1.25667419"))]);
    assert_eq!(own.render(&["--blurb", "A stand-in."]).code, Some(0));
    insta::assert_snapshot!(own.text("README.md"));
}

#[test]
fn stated_numbers_are_corrected_as_verify_corrects_them() {
    let (by_render, by_verify) = (Copy::new(), Copy::new());
    for copy in [&by_render, &by_verify] {
        copy.edit("submission.json", "\"val_bpb\": 1.25670935", "\"val_bpb\": 1.24670935");
        copy.edit("submission.json", "\"bytes_total\": 15815928", "\"bytes_total\": 15712345");
        copy.edit("README.md", "| 1234 | 1.25677621", "| 1234 | 1.15677621");
    }
    let fixed = caddie(&["verify", "--fix", "--quiet", shown(&by_verify.path)]);
    let rendered = caddie(&["render", shown(&by_render.path)]);
    assert_eq!(rendered.code, Some(0), "{}", rendered.err);
    let name = |text: &str, copy: &Copy| text.replace(shown(&copy.path), "good");
    assert_eq!(name(&rendered.out, &by_render), name(&fixed.err, &by_verify));
    assert_eq!(support::files(&by_render.path), support::files(&by_verify.path));
}

#[test]
fn the_named_logs_are_the_runs_whatever_the_document_still_says() {
    let (old, new) = (family_a(42, "1.25000000"), family_a(42, "1.24000000"));
    let own = Own::new(&[("train_gpt.py", SCRIPT), ("README.md", "# Mine\n"), ("old.log", &old)]);
    assert_eq!(own.render(&[]).code, Some(0));
    assert!(own.text("submission.json").contains("1.25"));
    std::fs::write(own.path.join("new.log"), &new).expect("writes");
    let whole = own.render(&["--dry-run"]);
    assert_eq!(whole.code, Some(0), "the document names the old run: {}", whole.out);
    let new_log = own.path.join("new.log");
    let rendered = caddie(&["render", shown(&new_log)]);
    assert_eq!(rendered.code, Some(0), "{}", rendered.err);
    assert!(rendered.out.contains("-  \"val_bpb\": 1.25,\n+  \"val_bpb\": 1.24"), "{}", rendered.out);
    assert_eq!(own.text("README.md"), "# Mine\n", "prose stays");
}

#[test]
fn seeds_that_differ_and_facts_that_are_missing_are_told() {
    let own = Own::new(&[("train_gpt.py", SCRIPT), ("train_seed42.log", &family_a(42, "1.25000000"))]);
    let first = own.render(&[]);
    assert!(
        first.err.contains("submission.json states no author (--author), github_id (--github-id)"),
        "{}",
        first.err
    );
    assert!(first.err.contains("the logs do not state, so submission.json has no hardware"), "{}", first.err);
    std::fs::write(own.path.join("train_seed42.log"), family_a(43, "1.25000000")).expect("writes");
    let other = own.render(&[]);
    assert!(other.err.contains("names the seeds 42, the logs are of 43; move it away"), "{}", other.err);
}

#[test]
fn a_total_that_no_log_counts_is_the_model_and_the_script_that_ships() {
    let keep = |line: &&str| !line.starts_with("Code size") && !line.starts_with("Total submission");
    let log: String = family_a(1, "1.25").lines().filter(keep).map(|line| format!("{line}\n")).collect();
    let own = Own::new(&[("train_gpt.py", SCRIPT), ("train_seed1.log", &log)]);
    assert_eq!(own.render(&[]).code, Some(0));
    let json = own.json();
    assert_eq!((json["bytes_code"].as_u64(), json["bytes_total"].as_u64()), (Some(32), Some(15_800_032)));
}

#[test]
fn what_is_no_log_of_one_entry_is_refused_with_the_reason() {
    let own = Own::new(&[
        ("train_gpt.py", SCRIPT),
        ("train_seed1.log", &family_a(1, "1.25")),
        ("notes.txt", "nothing of a run\n"),
        ("other/train_seed1.log", "x\n"),
    ]);
    let (script, notes) = (own.path.join("train_gpt.py"), own.path.join("notes.txt"));
    for (path, reason) in [(&notes, "is no log of a finished run"), (&script, "is no log of a finished run")] {
        let refused = caddie(&["render", shown(path)]);
        assert_eq!(refused.code, Some(2), "{}", refused.out);
        assert!(refused.err.contains(reason), "{}", refused.err);
    }
    for paths in [&["no-such.log", "nor-this.log"][..], &["--dry-run", "no-such.log"]] {
        let nowhere = caddie(&[&["render"], paths].concat());
        assert_eq!(nowhere.code, Some(2));
        assert!(nowhere.err.contains("no-such.log: no such file; name the logs of the runs"), "{}", nowhere.err);
    }
    let forced = own.render(&["--force"]);
    assert!(forced.err.contains("--force is for runs that caddie made"), "{}", forced.err);
    let elsewhere = own.render(&["--out", "out"]);
    assert!(elsewhere.err.contains("--out is for runs"), "{}", elsewhere.err);
    let second = Own::new(&[("train_seed2.log", &family_a(2, "1.25"))]);
    let (a, b) = (own.path.join("train_seed1.log"), second.path.join("train_seed2.log"));
    let apart = caddie(&["render", shown(&a), shown(&b)]);
    assert!(apart.err.contains("render the logs of one entry at a time"), "{}", apart.err);
}
