//! `caddie verify --fix`: stated numbers become the logs', and nothing else changes.

mod support;

use std::path::Path;

use support::Copy;

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn verify(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = assert_cmd::Command::cargo_bin("caddie").expect("the binary");
    let output = command.env("NO_COLOR", "1").arg("verify").arg(folder).args(arguments).output().expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Replaces one text of a file, which must be there.
fn spoil(copy: &Copy, file: &str, from: &str, to: &str) {
    let path = copy.path.join(file);
    let text = std::fs::read_to_string(&path).expect("reads");
    assert!(text.contains(from), "{file} holds {from}");
    std::fs::write(path, text.replacen(from, to, 1)).expect("writes");
}

fn text(copy: &Copy, file: &str) -> String {
    std::fs::read_to_string(copy.path.join(file)).expect("reads")
}

#[test]
fn numbers_become_the_logs_and_the_rest_stays_to_the_byte() {
    let (copy, before) = (Copy::new(), Copy::new());
    let json = "submission.json";
    // The mean, a deviation, the largest total, and numbers of single seeds.
    spoil(&copy, json, "\"val_bpb\": 1.25670935", "\"val_bpb\": 1.24670935");
    spoil(&copy, json, "\"val_bpb_std\": 0.00005793", "\"val_bpb_std\": 0.00001234");
    spoil(&copy, json, "\"bytes_total\": 15815928", "\"bytes_total\": 15712345");
    spoil(&copy, json, "\"val_bpb\": 1.25667766", "\"val_bpb\": 1.20667766");
    spoil(&copy, json, "\"steps\": 13702", "\"steps\": 14702");
    spoil(&copy, "README.md", "| 1234 | 1.25677621", "| 1234 | 1.15677621");
    spoil(&copy, "README.md", "| 15815928 |", "| 15,712,345 |");
    let (spoiled_json, spoiled_readme) = (text(&copy, json), text(&copy, "README.md"));

    let dry = verify(&copy.path, &["--fix", "--dry-run"]);
    assert_eq!(dry.code, Some(1), "{}", dry.err);
    assert_eq!((text(&copy, json), text(&copy, "README.md")), (spoiled_json, spoiled_readme), "nothing was written");
    assert!(dry.out.contains("-  \"val_bpb\": 1.24670935,\n+  \"val_bpb\": 1.25670935,\n"), "{}", dry.out);

    let fixed = verify(&copy.path, &["--fix", "--quiet"]);
    assert_eq!(fixed.err, dry.out, "the diff is what was shown");
    assert_eq!(text(&copy, json), text(&before, json), "the committed numbers are the logs'");
    let readme = text(&before, "README.md").replacen("| 15815928 |", "| 15,815,928 |", 1);
    assert_eq!(text(&copy, "README.md"), readme, "in the form that they had");
    assert_eq!(fixed.code, Some(0), "{}", fixed.out);
    let again = verify(&copy.path, &["--fix", "--dry-run"]);
    assert_eq!((again.code, again.out.as_str()), (Some(0), ""));
}

#[test]
fn what_the_logs_do_not_decide_is_left_with_the_reason() {
    let copy = Copy::new();
    copy.remove("train_seed42.log");
    spoil(&copy, "submission.json", "\"val_bpb\": 1.25670935", "\"val_bpb\": 1.20670935");
    let before = text(&copy, "submission.json");
    let fixed = verify(&copy.path, &["--fix", "--quiet"]);
    assert_eq!(text(&copy, "submission.json"), before, "{}", fixed.err);
    assert_eq!(fixed.code, Some(1));
}
