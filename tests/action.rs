//! action.yml and .pre-commit-hooks.yaml: what they parse to, that caddie has the options they use, and the action's
//! scripts, run as a runner runs them.
#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use regex::Regex;
use yaml_rust2::{Yaml, YamlLoader};

const CADDIE: &str = env!("CARGO_BIN_EXE_caddie");

fn yaml(name: &str) -> Yaml {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("committed");
    YamlLoader::load_from_str(&text).expect("YAML").into_iter().next().expect("a document")
}

fn keys(map: &Yaml) -> Vec<String> {
    map.as_hash().expect("a map").keys().map(|key| key.as_str().expect("text").to_owned()).collect()
}

fn steps(action: &Yaml) -> Vec<Yaml> {
    action["runs"]["steps"].as_vec().expect("steps").clone()
}

fn help(command: &str) -> String {
    let output = Command::new(CADDIE).args([command, "--help"]).output().expect("runs");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_action_uses_what_it_declares_and_what_caddie_has() {
    let action = yaml("action.yml");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")).expect("committed");
    let all = |pattern: &str| -> Vec<String> {
        let mut found: Vec<String> =
            Regex::new(pattern).expect("a pattern").captures_iter(&text).map(|found| found[1].to_owned()).collect();
        found.sort();
        found.dedup();
        found
    };
    let mut inputs = keys(&action["inputs"]);
    inputs.sort();
    assert_eq!(all(r"inputs\.([a-z-]+)"), inputs, "declared and used");
    assert_eq!(action["runs"]["using"].as_str(), Some("composite"));
    let help = [help("verify"), help("size"), help("rehearse")].concat();
    let variables = Regex::new(r"\$\{?([A-Z_]+)").expect("a pattern");
    for step in steps(&action) {
        let (id, script) = (step["id"].as_str().expect("an id"), step["run"].as_str().expect("a script"));
        assert_eq!(step["shell"].as_str(), Some("bash"), "{id}");
        assert!(!script.contains("${{"), "{id}: text of others would become a command");
        for used in variables.captures_iter(script) {
            let known = keys(&step["env"]).contains(&used[1].to_owned()) || used[1].starts_with("GITHUB_");
            assert!(known, "{id}: {} is not in its environment", &used[1]);
        }
        let own = script.lines().filter(|line| !line.trim_start().starts_with("cargo") && !line.contains("from"));
        for flag in own.flat_map(|line| line.split_whitespace()).map(|word| word.trim_matches(['(', ')', '"'])) {
            let flag = flag.split('=').next().unwrap_or(flag);
            let is_flag = flag.starts_with("--") && flag.len() > 2 && flag != "--version";
            assert!(!is_flag || help.contains(flag), "{id}: caddie has no {flag}");
        }
    }
}

/// A checkout with one bad folder, and what a runner gives a step.
struct Runner {
    dir: tempfile::TempDir,
}

impl Runner {
    fn new() -> Runner {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for folder in ["repository/.git", "repository/records/track_10min_16mb/2026-05-01_Bad Entry", "temp", "bin"] {
            std::fs::create_dir_all(dir.path().join(folder)).expect("creates");
        }
        let runner = Runner { dir };
        let copy = support::Copy::new();
        copy.edit("train_seed42.log", "train_time:599000ms", "train_time:601000ms");
        for entry in std::fs::read_dir(&copy.path).expect("lists").flatten() {
            let folder = runner.path("repository/records/track_10min_16mb/2026-05-01_Bad Entry");
            std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("copies");
        }
        runner
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs the steps as far as one fails, and `size` in any case; the outputs of all steps, and each step's output.
    fn run(&self, inputs: &[(&str, &str)]) -> (BTreeMap<String, String>, Vec<Output>) {
        let action = yaml("action.yml");
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for name in keys(&action["inputs"]) {
            let given = inputs.iter().find(|(input, _)| *input == name).map(|(_, value)| (*value).to_owned());
            let default = action["inputs"][name.as_str()]["default"].as_str().unwrap_or("").to_owned();
            values.insert(format!("inputs.{name}"), given.unwrap_or(default));
        }
        values.insert("github.action_path".to_owned(), env!("CARGO_MANIFEST_DIR").to_owned());
        values.insert("runner.temp".to_owned(), self.path("temp").display().to_string());
        let mut outputs = Vec::new();
        for step in steps(&action) {
            let id = step["id"].as_str().expect("an id");
            // The one condition that depends on an input.
            let asked = step["if"].as_str().is_none_or(|when| !when.contains("inputs.rehearse == 'true'"));
            if !asked && values["inputs.rehearse"] != "true" {
                continue;
            }
            let output = self.step(&step, &values);
            for line in self.read("output").lines() {
                let (name, value) = line.split_once('=').expect("name=value");
                values.insert(format!("steps.{id}.outputs.{name}"), value.to_owned());
            }
            let go_on = output.status.success() || values.contains_key("steps.verify.outputs.verdict");
            outputs.push(output);
            if !go_on {
                break;
            }
        }
        (values, outputs)
    }

    fn step(&self, step: &Yaml, values: &BTreeMap<String, String>) -> Output {
        std::fs::write(self.path("output"), "").expect("writes");
        let path = std::env::var("PATH").expect("a PATH");
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"].as_str().expect("a script")])
            .current_dir(self.path("repository"))
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"));
        for name in keys(&step["env"]) {
            let expression = step["env"][name.as_str()].as_str().expect("text");
            let key = expression.trim_start_matches("${{").trim_end_matches("}}").trim();
            command.env(name, values.get(key).map_or("", String::as_str));
        }
        command.output().expect("bash runs")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_action_annotates_reports_and_fails() {
    let runner = Runner::new();
    let (values, outputs) =
        runner.run(&[("binary", CADDIE), ("paths", "  records/track_10min_16mb/2026-05-01_Bad Entry\n\n")]);
    let all: String = outputs.iter().map(|output| text(&output.stdout) + &text(&output.stderr)).collect();
    let codes: Vec<Option<i32>> = outputs.iter().map(|output| output.status.code()).collect();
    assert_eq!(codes, [Some(0), Some(1), Some(0)], "{all}");
    assert_eq!(values["steps.verify.outputs.verdict"], "fail");
    let log = text(&outputs[1].stdout);
    assert!(log.contains("::error file=records/track_10min_16mb/2026-05-01_Bad Entry/train_seed42.log,line="), "{log}");
    assert!(text(&outputs[2].stdout).contains("2026-05-01_Bad Entry: within the cap"), "{all}");
    assert!(runner.read("summary").starts_with("### `records/track_10min_16mb/2026-05-01_Bad Entry`: fail"));
    let action = yaml("action.yml");
    for output in keys(&action["outputs"]) {
        let value = action["outputs"][output.as_str()]["value"].as_str().expect("a value");
        let value = &values[value.trim_start_matches("${{").trim_end_matches("}}").trim()];
        assert!(
            output == "verdict" || Path::new(value).metadata().is_ok_and(|file| file.len() > 100),
            "{output}: {value}"
        );
    }
}

/// A caddie whose rehearsals are those of this text.
fn rehearsing(runner: &Runner, text: &str, code: i32) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = runner.path("bin/caddie");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = rehearse ] || exec '{CADDIE}' \"$@\"\nprintf '%s\\n' \"$*\" >> \"$(dirname \"$0\")/asked\"\n\
         printf '%s\\n' '{text}'\nexit {code}\n"
    );
    std::fs::write(&path, script).expect("writes");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("sets");
    path.display().to_string()
}

#[test]
fn the_action_rehearses_where_it_is_asked_to() {
    let runner = Runner::new();
    let inputs = |binary: &str, rehearse: &str| {
        let paths = "records/track_10min_16mb/2026-05-01_Bad Entry";
        [("binary", binary), ("paths", paths), ("rehearse", rehearse), ("rehearse-python", "/opt/python")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let run = |rehearse: &str, code: i32| {
        let inputs = inputs(&rehearsing(&runner, "::error::<b>not markup</b>", code), rehearse);
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        runner.run(&inputs).1
    };
    assert_eq!(run("false", 0).len(), 3);
    assert!(!runner.path("bin/asked").exists());
    let outputs = run("true", 1);
    assert_eq!(outputs.last().and_then(|output| output.status.code()), Some(1));
    let asked = runner.read("bin/asked");
    assert_eq!(asked, "rehearse --python /opt/python -- records/track_10min_16mb/2026-05-01_Bad Entry\n");
    assert!(runner.read("summary").ends_with("### caddie rehearse\n\n    ::error::<b>not markup</b>\n"));
    assert_eq!(run("true", 0).last().and_then(|output| output.status.code()), Some(0));
}

#[test]
fn the_action_obeys_fail_on_and_refuses_to_check_nothing() {
    let runner = Runner::new();
    let (values, outputs) = runner.run(&[
        ("binary", CADDIE),
        ("paths", "records/track_10min_16mb/2026-05-01_Bad Entry"),
        ("fail-on", "never"),
        ("reports", "out"),
    ]);
    assert!(outputs.iter().all(|output| output.status.success()));
    assert_eq!(values["steps.verify.outputs.sarif"], "out/verify.sarif");
    let (_, outputs) = runner.run(&[("binary", CADDIE)]);
    assert_eq!(outputs.last().and_then(|output| output.status.code()), Some(2));
    assert!(text(&outputs[1].stdout).contains("::error::give paths or diff-base"));
}

#[test]
fn the_action_installs_itself_or_what_is_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let runner = Runner::new();
    let cargo = runner.path("bin/cargo");
    let script = "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$TEMP/cargo\"\nmkdir -p \"$TEMP/caddie/bin\" && ln -sf \"$REAL\" \"$TEMP/caddie/bin/caddie\"\n";
    std::fs::write(&cargo, script.replace("$REAL", CADDIE)).expect("writes");
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).expect("sets");
    let installed = |inputs: &[(&str, &str)]| {
        let inputs = [inputs, &[("paths", "records/track_10min_16mb/2026-05-01_Bad Entry")]].concat();
        let (values, _) = runner.run(&inputs);
        assert_eq!(values.get("steps.verify.outputs.verdict").map(String::as_str), Some("fail"));
        runner.read("temp/cargo").lines().collect::<Vec<_>>().join(" ")
    };
    let own = installed(&[]);
    assert!(own.starts_with("install --locked --no-default-features --root "), "{own}");
    assert!(own.ends_with(&format!(" --path {} caddie", env!("CARGO_MANIFEST_DIR"))), "{own}");
    let other = installed(&[("source", "https://example.org/caddie"), ("version", "v1; rm -rf /")]);
    assert!(other.ends_with(" --git https://example.org/caddie --rev v1; rm -rf / caddie"), "one argument: {other}");
    let (_, outputs) = runner.run(&[("version", "v1"), ("paths", "records")]);
    assert_eq!((outputs.len(), outputs[0].status.code()), (1, Some(2)));
}

#[test]
fn the_hook_hands_changed_files_to_their_folders() {
    let hooks = yaml(".pre-commit-hooks.yaml");
    let hook = &hooks[0];
    assert_eq!((hook["id"].as_str(), hook["language"].as_str()), (Some("caddie-verify"), Some("system")));
    let entry: Vec<&str> = hook["entry"].as_str().expect("an entry").split(' ').collect();
    assert_eq!(entry, ["caddie", "verify"]);
    let files = Regex::new(hook["files"].as_str().expect("a pattern")).expect("a pattern");
    let changed = ["records/README.md", "README.md", "records/track_10min_16mb/2026-05-01_Bad Entry/train_seed42.log"];
    let matching: Vec<&str> = changed.into_iter().filter(|file| files.is_match(file)).collect();
    assert_eq!(matching, changed[2..]);
    let runner = Runner::new();
    let output = Command::new(CADDIE).args(&entry[1..]).args(&matching).current_dir(runner.path("repository")).output();
    let output = output.expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with("fail  records/track_10min_16mb/2026-05-01_Bad Entry  ("));
}
