//! Scores that the script which is followed did not make, or made under settings that no log states: the audit says where it ends
//! and why.

#[path = "support/scripts.rs"]
mod scripts;

use caddie::report::Severity;
use caddie_audit::script::{Examined, examine};
use caddie_folder::Folder;
use caddie_folder::executed::executed;
use caddie_rulebook::Rulebook;
use camino::Utf8Path;
use scripts::Scripts;

/// What the audit finds in a folder of these files.
fn audited(files: &[(&str, &str)]) -> Examined {
    let root = tempfile::tempdir().expect("a temporary directory");
    let folder = Utf8Path::from_path(root.path()).expect("UTF-8").join("2026-04-01_Folder");
    std::fs::create_dir_all(&folder).expect("creates");
    for (name, content) in files {
        std::fs::write(folder.join(name), content).expect("writes");
    }
    let folder = Folder::read(&folder).expect("a folder");
    let script = folder.script.as_ref().expect("a script");
    let unwrapped = executed(&folder).expect("a script").unwrapped;
    let rulebook = Rulebook::builtin().expect("the rulebook");
    examine(&folder.path.join(&script.path), &unwrapped, Some(&folder), &rulebook)
}

/// The messages of findings that leave C1 to C4 undecided.
fn undecided(examined: &Examined) -> Vec<&str> {
    let unknown = examined.findings.iter().filter(|finding| finding.rule == "c1-causal");
    unknown.filter(|finding| finding.severity == Severity::Unknown).map(|finding| finding.message.as_str()).collect()
}

/// A made-up script with these lines before its `main`.
fn with(script: &str, lines: &str) -> String {
    let text = Scripts::of(env!("CARGO_MANIFEST_DIR")).text(script);
    assert!(text.contains("\ndef main():\n"), "{script}");
    text.replace("\ndef main():\n", &format!("\n{lines}\n\n\ndef main():\n"))
}

const LOG: &str = "step:20/20 train_loss:2.1000 train_time:900ms step_avg:45.00ms\n\
                   final_int8_zlib_roundtrip val_loss:1.8000 val_bpb:1.0611\n";

/// Epochs over the validation tokens stand in the log, and only a function that nothing calls prints such lines.
#[test]
fn a_log_that_the_script_cannot_print_leaves_the_score_undecided() {
    let adapt =
        "def adapt(epochs):\n    for epoch in range(epochs):\n        print(f\"ttt:epoch:{epoch + 1} loss:{2.0:.4f}\")";
    let script = with("byte_table.good.challenge", adapt);
    let step = "    print(f\"step:{20}/{20} train_loss:{2.1:.4f} train_time:{900}ms step_avg:{45:.2f}ms\")\n";
    let log = LOG.replace("final_int8", "ttt:epoch:1 loss:1.9625\nttt:epoch:2 loss:1.9614\nfinal_int8");
    let run = |call: &str| {
        let script = script.replace("def main():\n", &format!("def main():\n{step}{call}"));
        audited(&[("train_gpt.py", &script), ("train.log", &log), ("README.md", "Run it.")])
    };
    let dead = run("");
    assert!(dead.scores > 0);
    let [message] = *undecided(&dead) else { panic!("{:?}", dead.findings) };
    assert!(message.contains("`ttt:epoch:1 loss:1.9625`"), "{message}");
    assert!(undecided(&run("    adapt(2)\n")).is_empty());
}

/// A second script that loads the model prints the claimed score into a log of its own.
#[test]
fn a_score_of_a_second_script_is_undecided() {
    let script = with("byte_table.good.challenge", "");
    let second = "import train_gpt\n\nprint(f\"ngram agreement bpb:{train_gpt.score():.8f}\")\n";
    let metadata = |bpb: &str| format!("{{\"val_bpb\": {bpb}}}");
    let own = "ngram agreement bpb:1.05230000\n";
    let run = |second: (&str, &str), claim: &str| {
        let files = [("train_gpt.py", script.as_str()), ("train.log", LOG), ("ngram.log", own), second];
        audited(&[&files[..], &[("submission.json", metadata(claim).as_str()), ("README.md", "Run it.")]].concat())
    };
    let found = run(("eval_ngram.py", second), "1.0523");
    let [message] = *undecided(&found) else { panic!("{:?}", found.findings) };
    assert!(message.contains("eval_ngram.py prints the line of ngram.log"), "{message}");
    // The claim is the run's own score, or nothing in the folder prints that line.
    assert!(undecided(&run(("eval_ngram.py", second), "1.0611")).is_empty());
    assert!(undecided(&run(("tool.py", "print('done')\n"), "1.0523")).is_empty());
}

/// Without a log nobody knows whether the run took the way through compiled code that README.md names.
#[test]
fn a_setting_that_the_readme_names_may_lead_to_code_that_is_not_followed() {
    let script = with("followed_code.bad.native", "").replace(
        "    return out[0] / y.size\n",
        "    return out[0] / y.size\n\n\ndef eval_plain(args, model, tokens):\n    loss_sum = torch.zeros(())\n    for start in \
         range(0, tokens.numel() - 1, args.seq_len):\n        x, y = tokens[start : start + args.seq_len], tokens[start + 1 : \
         start + args.seq_len + 1]\n        loss_sum += model(x, y).sum()\n    return (loss_sum / tokens.numel()).item()\n",
    );
    let script = script.replace(
        "val_loss = eval_val(",
        "val_loss = (eval_val if os.environ.get(\"EVAL_MODE\", \"plain\") == \"mixed\" else eval_plain)(",
    );
    let run = |readme: &str| audited(&[("train_gpt.py", &script), ("README.md", readme)]);
    let named = run("The score is that of `EVAL_MODE=mixed`.");
    let [message] = *undecided(&named) else { panic!("{:?}", named.findings) };
    assert!(message.contains("README.md names EVAL_MODE=mixed"), "{message}");
    assert!(undecided(&run("Run it.")).is_empty());
}

/// Bits per byte over nats change from line to line: more than the loss went into them, and the log says not what.
#[test]
fn numbers_that_the_defaults_cannot_give_leave_the_score_undecided() {
    let script = Scripts::of(env!("CARGO_MANIFEST_DIR")).text("target_key.trap.switched_off");
    let log = |bpb: [&str; 3]| {
        let step = |(at, bpb): (usize, &&str)| {
            format!("step:{at}/20 val_loss:2.0000 val_bpb:{bpb} train_time:{at}00ms step_avg:45.00ms\n")
        };
        format!("seed:42\n{}{LOG}", bpb.iter().enumerate().map(step).collect::<String>())
    };
    let run = |bpb| audited(&[("train_gpt.py", &script), ("train.log", &log(bpb)), ("README.md", "Run it.")]);
    let found = run(["1.1800", "1.2400", "1.2700"]);
    let [message] = *undecided(&found) else { panic!("{:?}", found.findings) };
    assert!(message.contains("0.5900 times val_loss") && message.contains("0.6350 times"), "{message}");
    assert!(undecided(&run(["1.1800", "1.1801", "1.1800"])).is_empty());
}

/// A tool that neither learns nor scores, in a folder that logs no run, brings nothing into an evaluation.
#[test]
fn what_a_tool_imports_is_no_matter_of_the_entry() {
    let tool = "import secret_tokens\n\n\ndef main():\n    print(len(secret_tokens.load('shard.bin')))\n\n\nmain()\n";
    let alone = audited(&[("retokenize.py", tool), ("README.md", "Corrects the bytes.")]);
    assert!(alone.findings.is_empty(), "{:?}", alone.findings);
    let script = with("byte_table.good.challenge", "import secret_tokens\n");
    let entry = audited(&[("train_gpt.py", &script), ("README.md", "Run it.")]);
    assert!(entry.findings.iter().any(|finding| finding.rule == "size-no-smuggling"), "{:?}", entry.findings);
}
