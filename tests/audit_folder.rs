//! The audit of a script that comes in a folder: what the folder's files say of it counts.

#[path = "support/scripts.rs"]
mod scripts;

use std::fmt::Write;

use caddie::report::Severity;
use caddie_audit::script::{Examined, examine};
use caddie_folder::Folder;
use caddie_folder::executed::executed;
use caddie_rulebook::Rulebook;
use camino::Utf8Path;
use scripts::Scripts;

/// A made-up script.
fn script(name: &str) -> String {
    Scripts::of(env!("CARGO_MANIFEST_DIR")).text(name)
}

/// One that is clean.
fn plain() -> String {
    script("byte_table.good.challenge")
}

/// The same with lines before it.
fn with(lines: &str) -> String {
    let plain = plain();
    let (doc, rest) = plain.split_once("\n\n").expect("a docstring");
    format!("{doc}\n\n{lines}\n{rest}")
}

/// What the audit finds in a folder of these files.
fn audited(files: &[(&str, &str)]) -> Examined {
    let root = tempfile::tempdir().expect("a temporary directory");
    let folder = Utf8Path::from_path(root.path()).expect("UTF-8").join("2026-04-01_Folder");
    for (name, content) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
        std::fs::write(path, content).expect("writes");
    }
    let folder = Folder::read(&folder).expect("a folder");
    let script = folder.script.as_ref().expect("a script");
    let unwrapped = executed(&folder).expect("a script").unwrapped;
    let rulebook = Rulebook::builtin().expect("the rulebook");
    examine(&folder.path.join(&script.path), &unwrapped, Some(&folder), &rulebook)
}

fn rules(examined: &Examined) -> Vec<&str> {
    examined.findings.iter().map(|finding| finding.rule.as_str()).collect()
}

/// Each rule with its messages, for a test that fails.
fn told(examined: &Examined) -> String {
    examined.findings.iter().fold(String::new(), |mut text, finding| {
        let _ = writeln!(text, "{}: {}", finding.rule, finding.message);
        text
    })
}

#[test]
fn a_module_that_nothing_brings_is_named() {
    let script = with("import secret_layers\nimport einops, json.decoder\nfrom packed import table\n");
    let found = audited(&[("train_gpt.py", &script), ("README.md", "Run it.")]);
    assert_eq!(rules(&found), ["size-no-smuggling"], "{}", told(&found));
    assert_eq!(found.findings[0].severity, Severity::Warning);
    assert!(found.findings[0].message.contains("packed, secret_layers"), "{}", told(&found));
}

#[test]
fn modules_of_the_folder_and_declared_ones_are_fine() {
    let script = with(
        "import secret_layers\nfrom packed.inner import table\nfrom . import near\nimport my_codec\ntry:\n    import rare\n\
         except ImportError:\n    rare = None\n",
    );
    let found = audited(&[
        ("train_gpt.py", &script),
        ("secret_layers.py", "x = 1\n"),
        ("packed/inner.py", "table = [1]\n"),
        ("requirements.txt", "my-codec==1.2\n"),
        ("README.md", "Run it."),
    ]);
    assert!(found.findings.is_empty(), "{}", told(&found));
}

#[test]
fn a_program_is_fine_once_the_readme_names_it() {
    let script = with("import subprocess\nsubprocess.run([\"packall\", \"-9\", \"model.bin\"], check=True)\n");
    let silent = audited(&[("train_gpt.py", &script), ("README.md", "Run it.")]);
    assert_eq!(rules(&silent), ["size-external-binary"], "{}", told(&silent));
    let told_of = audited(&[("train_gpt.py", &script), ("README.md", "Needs `packall` of the system.")]);
    assert!(told_of.findings.is_empty(), "{}", told(&told_of));
}

#[test]
fn a_preparation_that_leaves_out_too_few_documents_is_told_of() {
    let prepare = "import argparse\nparser = argparse.ArgumentParser()\n\
                   parser.add_argument(\"--val-docs\", type=int, default=10_000)\n";
    let found = audited(&[("train_gpt.py", &plain()), ("prepare.py", prepare), ("README.md", "Run prepare.py first.")]);
    assert_eq!(rules(&found), ["val-train-disjoint"], "{}", told(&found));
    assert!(found.findings[0].message.contains("prepare.py line 3"), "{}", told(&found));
    assert_eq!(found.findings[0].severity, Severity::Info);
    // With the right number on the command line, or as the default, there is nothing to say.
    let command = "python prepare.py --val-docs 50000";
    let given = audited(&[("train_gpt.py", &plain()), ("prepare.py", prepare), ("README.md", command)]);
    assert!(given.findings.is_empty(), "{}", told(&given));
    let right = prepare.replace("10_000", "50_000");
    let right = audited(&[("train_gpt.py", &plain()), ("prepare.py", &right), ("README.md", "Run it.")]);
    assert!(right.findings.is_empty(), "{}", told(&right));
}

#[test]
fn newer_syntax_is_fine_once_the_version_is_named() {
    let script = with("names = {\"a\": \"b\"}\nprint(f\"{\", \".join(names[\"a\"])}\")\n");
    let silent = audited(&[("train_gpt.py", &script), ("README.md", "Run it.")]);
    assert_eq!(rules(&silent), ["pkg-script-runs"], "{}", told(&silent));
    assert!(silent.findings[0].message.contains("Python 3.12"), "{}", told(&silent));
    assert_eq!(silent.findings[0].severity, Severity::Info);
    let named = audited(&[("train_gpt.py", &script), ("README.md", "Run it with Python 3.12.")]);
    assert!(named.findings.is_empty(), "{}", told(&named));
}

#[test]
fn a_script_that_leaves_everything_to_its_neighbor_is_followed_there() {
    let neighbor = script("adapt.bad.prequant");
    let wrapper = "import os\nos.environ.setdefault(\"SEED\", \"1\")\n\n\ndef main():\n    from trainer import main as train\n    \
                   train()\n\n\nif __name__ == \"__main__\":\n    main()\n";
    let found = audited(&[("train_gpt.py", wrapper), ("trainer.py", &neighbor), ("README.md", "Run train_gpt.py.")]);
    assert!(found.scores > 0, "{}", told(&found));
    let lead = found.findings.iter().position(|finding| finding.rule == "val-prequant-ttt").expect("the lead");
    let place = &found.findings[lead].evidence[0];
    assert_eq!(place.file.file_name(), Some("trainer.py"));
    // The line is one of that file, and the way to it begins in the script.
    let line = usize::try_from(place.line.expect("a line")).expect("small");
    assert_eq!(neighbor.lines().nth(line - 1).map(str::trim), Some(found.paths[lead][0].text.as_str()));
    let calls: Vec<_> = found.paths[lead][0].path.iter().map(|call| (call.file.is_none(), call.line)).collect();
    assert_eq!(calls.first(), Some(&(true, 11)));
}

#[test]
fn modules_beside_the_script_have_names_of_their_own() {
    let script = with("import helpers\nfrom losses import *\nrate = 1\n");
    // Each of them binds `rate` and reads its own; a name that one lacks is not found in another.
    let helpers = "from losses import doubled\nrate = 2\n\n\ndef scaled(x):\n    return doubled(x) * rate\n";
    let losses =
        "import helpers\nrate = 3\n\n\ndef doubled(x):\n    global rate\n    rate = 4\n    return helpers.rate * x\n";
    let found = audited(&[
        ("train_gpt.py", &script),
        ("helpers.py", helpers),
        ("losses.py", losses),
        ("broken.py", "def (\n"),
        ("README.md", "Run it."),
    ]);
    assert!(found.complete && found.scores > 0 && found.findings.is_empty(), "{}", told(&found));
}

/// Two logs of one seed: the run is followed as the one configured it with which submission.json agrees.
#[test]
fn the_configuration_is_that_of_the_run_that_is_claimed() {
    let script = script("adapt.bad.prequant");
    let log = |switch: &str, val_bpb: &str| {
        format!(
            "Hyperparameters:\n  seed: 42\n  ttt_enabled: {switch}\n  iterations: 20\nstep:20/20 train_loss:2.1 train_time:9ms step_avg:1ms\n\
             final_int8_zlib_roundtrip val_loss:2.0 val_bpb:{val_bpb}\n"
        )
    };
    let found = |claimed: &str| {
        let metadata = format!("{{\"name\": \"x\", \"val_bpb\": {claimed}}}");
        audited(&[
            ("train_gpt.py", &script),
            ("first.log", &log("True", "1.0611")),
            ("second_corrected.log", &log("False", "1.0722")),
            ("submission.json", &metadata),
            ("README.md", "Run it."),
        ])
    };
    let (first, second) = (found("1.0611"), found("1.0722"));
    assert_eq!(first.configuration.as_deref(), Some(Utf8Path::new("first.log")));
    assert!(rules(&first).contains(&"val-prequant-ttt"), "{}", told(&first));
    assert_eq!(second.configuration.as_deref(), Some(Utf8Path::new("second_corrected.log")));
    assert!(!rules(&second).contains(&"val-prequant-ttt"), "{}", told(&second));
}

/// A switch that is off by default and on in the command that README.md gives: nothing that the log states is overruled.
#[test]
fn a_command_of_the_readme_says_what_no_log_does() {
    let script = script("adapt.bad.prequant").replace("\"TTT_ENABLED\", \"1\"", "\"TTT_ENABLED\", \"0\"");
    let log = |more: &str| {
        format!(
            "Hyperparameters:\n  seed: 42\n{more}  iterations: 20\nstep:20/20 train_loss:2.1 train_time:9ms step_avg:1ms\n\
             final_int8_zlib_roundtrip val_loss:2.0 val_bpb:1.0611\n"
        )
    };
    let found = |readme: &str, more: &str| {
        let found = audited(&[("train_gpt.py", &script), ("train.log", &log(more)), ("README.md", readme)]);
        let lead = found.findings.into_iter().find(|finding| finding.rule == "val-prequant-ttt");
        lead.map(|finding| (finding.severity, finding.message.contains("sets TTT_ENABLED=1")))
    };
    let command = "Run\n```bash\nSEED=42 TTT_ENABLED=1 \\\n  torchrun train_gpt.py\n```\n";
    assert_eq!(found(command, ""), Some((Severity::Warning, true)));
    assert_eq!(found(command, "  ttt_enabled: False\n"), None);
    assert_eq!(found("TTT_ENABLED=1 is another matter.\n```\nls\n```\n", ""), None);
    let both = format!("{command}```bash\nTTT_ENABLED=0 torchrun train_gpt.py\n```\n");
    assert_eq!(found(&both, ""), None);
}

/// The claimed score stands in a line of its own, under a name that no other script uses: what that line reports counts.
#[test]
fn the_claimed_score_is_found_by_its_value() {
    let script = script("adapt.good.score_first");
    let last = script.lines().find(|line| line.contains("final_int8_zlib_roundtrip")).expect("the report");
    // Adapted after the official score, and scored again.
    let again = "    eval_val(args, model, load_tokens(args.val_files))\n    val_loss = eval_val(args, model, load_tokens(args.val_files))\n    \
                 print(f\"mixed vl={val_loss:.4f} mix_bpb={val_loss / math.log(2.0):.6f}\")";
    let script = script.replace(last, &format!("{last}\n{again}"));
    let log = "Hyperparameters:\n  seed: 42\n  iterations: 20\nstep:20/20 train_loss:2.1 train_time:9ms step_avg:1ms\n\
               final_int8_zlib_roundtrip val_loss:2.0 val_bpb:1.0611\nmixed vl=1.7 mix_bpb=0.903306\n";
    let found = |claimed: &str| {
        let metadata = format!("{{\"name\": \"x\", \"val_bpb\": {claimed}}}");
        audited(&[("train_gpt.py", &script), ("train.log", log), ("submission.json", &metadata), ("README.md", "Run.")])
    };
    assert!(!rules(&found("1.0611")).contains(&"c4-single-pass"), "{}", told(&found("1.0611")));
    assert!(rules(&found("0.903306")).contains(&"c4-single-pass"), "{}", told(&found("0.903306")));
}

#[test]
fn a_file_that_the_script_wrote_is_the_scripts_own() {
    let runs = "import runpy\nrunpy.run_path(os.path.join(\"parts\", \"_inner.py\"))\n";
    let script = |before: &str| plain().replace("\n\nclass Hyper", &format!("\n{before}{runs}\n\nclass Hyper"));
    let missing = audited(&[("train_gpt.py", &script("")), ("README.md", "Run it.")]);
    assert_eq!(rules(&missing), ["size-no-stub"], "{}", told(&missing));
    let writes = "with open(os.path.join(\"parts\", \"_inner.py\"), \"w\") as f:\n    f.write(\"x = 1\")\n";
    let own = audited(&[("train_gpt.py", &script(writes)), ("README.md", "Run it.")]);
    assert!(own.findings.is_empty(), "{}", told(&own));
    let beside = audited(&[("train_gpt.py", &script("")), ("_inner.py", "x = 1\n"), ("README.md", "Run it.")]);
    assert!(beside.findings.is_empty(), "{}", told(&beside));
}

#[test]
fn code_from_elsewhere_matters_in_an_entry_and_not_where_it_is_a_package() {
    let runs = |file: &str| {
        format!("import importlib.util\nspec = importlib.util.spec_from_file_location('extra', '/opt/code/{file}')\n")
    };
    let entry = audited(&[("train_gpt.py", &with(&runs("hidden_layers.py"))), ("README.md", "Run it.")]);
    assert_eq!(rules(&entry), ["size-no-stub"], "{}", told(&entry));
    // An installed package that is looked for by hand; figures that load models neither train nor score.
    let package = audited(&[("train_gpt.py", &with(&runs("flash_attn_interface.py"))), ("README.md", "Run it.")]);
    assert_eq!(rules(&package), [""; 0], "{}", told(&package));
    let figures = audited(&[("train_gpt.py", &runs("hidden_layers.py")), ("README.md", "Figures.")]);
    assert_eq!(rules(&figures), [""; 0], "{}", told(&figures));
}
