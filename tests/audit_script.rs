//! The audit of a script, over made-up ones: what a bad one does is found at the line that does it, and neither a good
//! one nor one that only looks bad has a lead. Nothing that a script says, or is, makes the audit fail.

use std::time::{Duration, Instant};

use caddie::report::Confidence;
use caddie_audit::script::{Config, Examined, Said, ScriptAudit, Subject, audit, examine};
use caddie_python::Module;
use caddie_python::{Alone, unwrap};
use caddie_rulebook::{PARAMETER_GOLF_2026, Rulebook};
use camino::Utf8Path;

/// Which rule each bad script is about, and what stands in a line of the steps.
const BAD: &[(&str, &str, &str)] = &[
    ("adapt.bad.adapt_first", "c3-score-first", "optimizer.step()"),
    ("slot.bad.bias_closure", "slot-standard", "optimizer.step(closure)"),
    ("adapt.bad.counted_layers", "c3-no-adapt-then-score", "optimizer.step()"),
    ("adapt.bad.last_epoch", "c3-no-adapt-then-score", "optimizer.step()"),
    ("adapt.bad.minified", "val-prequant-ttt", "optimizer.step()"),
    ("adapt.bad.prequant", "val-prequant-ttt", "optimizer.step()"),
    ("adapt.bad.running_loss", "val-prequant-ttt", "optimizer.step()"),
    ("adapt.bad.shadowed", "val-prequant-ttt", "optimizer.step()"),
    ("adapt.bad.two_pass", "c4-single-pass", "optimizer.step()"),
    ("adapt.bad.val_only", "val-no-train", "optimizer.step()"),
    ("byte_mixture.bad.backoff", "c2-byte-mixture", "total -= math.log("),
    ("byte_mixture.bad.counts", "c2-byte-mixture", "bits -= math.log("),
    ("adapt.bad.watched_epochs", "val-prequant-ttt", "optimizer.step()"),
    ("chosen.bad.minimum", "c2-no-hindsight", "loss_sum +="),
    ("chosen.bad.passes", "c4-no-selection", "loss_sum +="),
    ("chosen.bad.written_over", "c2-no-hindsight", "loss_sum +="),
    ("gptq.bad.after_the_clock", "time-gptq-train-data", "model(tokens["),
    ("gptq.bad.logits_after_the_clock", "time-gptq-train-data", "model.forward_logits(tokens["),
    ("mixture.bad.entropy", "c2-normalised", "loss_sum +="),
    ("order.bad.shuffled", "val-order", "loss_sum +="),
    ("order.bad.sorted", "val-order", "loss_sum +="),
    ("payload.bad.prefix", "val-no-payload", "loss_sum +="),
    ("slot.bad.closure", "slot-standard", "optimizer.step(closure)"),
    ("slot.bad.context", "slot-causal", "optimizer.step()"),
    ("slot.bad.logit_bias", "etlb", "optimizer.step()"),
    ("slot.bad.logit_bias_after", "etlb", "optimizer.step()"),
    ("slot.bad.shifted_window", "slot-standard", "optimizer.step()"),
    ("slot.bad.scored_positions", "slot-standard", "optimizer.step()"),
    ("byte_table.bad.by_name", "bpb-byte-lut", "build_luts("),
    ("byte_table.bad.constant", "bpb-no-constant", "val_bpb:"),
    ("byte_table.bad.from_file", "bpb-byte-lut", "val_bpb:"),
    ("byte_table.bad.space_twice", "bpb-leading-space", "luts = build_luts("),
    ("doc_boundary.bad.no_mask", "doc-boundary", "x[:, 1:] + g * x[:, :-1]"),
    ("outside.bad.download", "eval-no-network", "urlretrieve("),
    ("outside.bad.git_in_eval", "eval-no-network", "git clone"),
    ("outside.bad.pip_install", "size-external-binary", "\"pip\", \"install\""),
    ("outside.bad.trained_before", "time-no-hidden-compute", "pretrained.pt"),
    ("preparation.bad.cut", "val-full", "val_bpb:"),
    ("runs.bad.nested_quotes", "pkg-script-runs", "names[\"a\"]"),
    ("runs.bad.unbound", "pkg-script-runs", "average_weights("),
    ("seeds.bad.constant", "stat-seeds", "torch.manual_seed(42)"),
    ("seeds.bad.search", "stat-seed-choice", "torch.manual_seed(seed)"),
    ("target_gate.bad.by_class", "c1-no-target-gate", "loss_sum +="),
    ("target_gate.bad.within_word", "c1-no-target-gate", "loss_sum +="),
    ("target_key.bad.bincount_tables", "c2-target-key", "chunks.append("),
    ("target_key.bad.gathered_by_name", "c2-target-key", "loss_sum +="),
    ("target_key.bad.hashed_cache", "c2-target-key", "loss_sum +="),
    ("target_key.bad.keys_in_tuples", "c2-target-key", "loss_sum +="),
    ("val_calibration.bad.hooks", "time-gptq-no-val", "model.forward_logits("),
    ("warmup.bad.before_the_clock", "time-clock-scope-train", "optimizer.step()"),
    ("warmup.bad.validation_tokens", "c3-ttt-warmup", "optimizer.step()"),
    ("target_key.bad.product_hash", "c2-target-key", "pairs[pair]"),
];

/// No script takes longer, in a debug build on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

fn examined(name: &str, source: &[u8]) -> Examined {
    let rulebook = Rulebook::builtin().expect("the rulebook");
    examine(Utf8Path::new(name), &unwrap(source, name, &Alone { file: name, source }), None, &rulebook)
}

/// A script without a folder or a log.
fn subject<'a>(rulebook: &'a Rulebook, metric: Option<&'a str>) -> Subject<'a> {
    Subject { config: Config::default(), metric, rulebook, folder: None }
}

/// The text of one made-up script.
fn fixture(name: &str) -> String {
    let found = fixtures().into_iter().find(|(known, _)| known == name);
    String::from_utf8(found.expect("the fixture").1).expect("text")
}

/// With something else in place of a part that is there.
fn replaced(source: &str, from: &str, to: &str) -> String {
    assert!(source.contains(from), "{from}");
    source.replace(from, to)
}

/// The rules that a script touches whose run printed this log.
fn rules_with_log(script: &str, log: &str) -> Vec<&'static str> {
    rules_with(script, Config::new([("seed", "42")]).with_log(Said::new(log.lines())))
}

/// The rules that a script touches whose run was configured so.
fn rules_with(script: &str, config: Config) -> Vec<&'static str> {
    let rulebook = Rulebook::builtin().expect("the rulebook");
    let module = Module::parse(script).expect("a script");
    let subject = Subject { config, ..subject(&rulebook, None) };
    audit(&module, &subject).leads.into_iter().map(|lead| lead.rule).collect()
}

/// The made-up scripts with their names without `.py`.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audit");
    let mut found: Vec<(String, Vec<u8>)> = root
        .read_dir_utf8()
        .expect("the fixtures")
        .filter_map(|entry| {
            let path = entry.expect("an entry").into_path();
            let name = path.file_name()?.strip_suffix(".py")?.to_owned();
            Some((name, std::fs::read(&path).expect("a script")))
        })
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

#[test]
fn bad_scripts_have_a_lead_at_the_line_that_does_it() {
    let bad = fixtures().into_iter().filter(|(name, _)| name.contains(".bad."));
    let mut seen = Vec::new();
    for (name, source) in bad {
        let (_, rule, text) = BAD.iter().find(|(file, ..)| *file == name).unwrap_or_else(|| panic!("{name}: no row"));
        let examined = examined(&name, &source);
        assert!(examined.complete && examined.problems.is_empty(), "{name}: {:?}", examined.problems);
        let index = examined.findings.iter().position(|finding| finding.rule == *rule);
        let index = index.unwrap_or_else(|| panic!("{name}: no {rule} among {:?}", examined.findings));
        let steps = &examined.paths[index];
        assert!(steps.iter().any(|step| step.text.contains(text)), "{name}: {steps:?}");
        let lines: Vec<&str> = std::str::from_utf8(&source).expect("text").lines().collect();
        for step in steps {
            let line = usize::try_from(step.line).expect("a line");
            assert_eq!(lines[line - 1].trim(), step.text, "{name}");
        }
        seen.push(name);
    }
    assert_eq!(seen.len(), BAD.len(), "a row without a script: {seen:?}");
}

/// Where no log says how many processes ran, there was one a GPU of the rulebook's machine.
#[test]
fn the_number_of_processes_is_that_of_the_rulebooks_machine() {
    let script = "import os, subprocess\nif int(os.environ.get(\"WORLD_SIZE\", \"1\")) == 2:\n    subprocess.run([\"pip\", \
                  \"install\", \"x\"])\nprint(f\"final_exact val_loss:{1.0} val_bpb:{1.0}\")\n";
    let rules = |gpus: &str| {
        let text = PARAMETER_GOLF_2026.replacen("gpus = 8", gpus, 1);
        let rulebook = Rulebook::parse(&text).expect("a rulebook");
        let module = Module::parse(script).expect("a script");
        let audit = audit(&module, &subject(&rulebook, None));
        audit.leads.into_iter().map(|lead| lead.rule).collect::<Vec<_>>()
    };
    assert_eq!(rules("gpus = 8"), Vec::<&str>::new());
    assert_eq!(rules("gpus = 2"), ["size-external-binary"]);
}

#[test]
fn good_scripts_and_such_as_only_look_bad_have_none() {
    let clean = fixtures().into_iter().filter(|(name, _)| !name.contains(".bad."));
    for (name, source) in clean {
        let examined = examined(&name, &source);
        assert!(examined.complete && examined.problems.is_empty(), "{name}: {:?}", examined.problems);
        // Only what was followed to a reported score can be called clean.
        assert!(examined.scores > 0, "{name}: no score was recognized");
        assert!(examined.findings.is_empty(), "{name}: {:?}", examined.findings);
    }
}

#[test]
fn what_is_no_script_is_a_problem_with_its_line() {
    let deep = format!("x = 1\ny = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000));
    let minus = format!("x = 1\ny = {}1\n", "-".repeat(100_000));
    let long = "x = 1 + 2  # a line\n".repeat(2_500_000);
    let cases: &[(&str, &[u8], u64)] = &[
        ("broken.py", b"x = 1\n\ndef f(:\n    pass\n", 3),
        ("python2.py", b"import sys\nprint 'hello'\n", 2),
        ("unfinished.py", b"x = 1\nif x:\n", 2),
        ("binary.py", b"\x00\xff\xfe\x80 = \x01(\n", 1),
        ("deep.py", deep.as_bytes(), 2),
        ("minus.py", minus.as_bytes(), 2),
        ("long.py", long.as_bytes(), 1),
    ];
    for (name, source, line) in cases {
        let started = Instant::now();
        let examined = examined(name, source);
        let problem = examined.problems.first().unwrap_or_else(|| panic!("{name}: no problem"));
        assert!(problem.line.abs_diff(*line) <= 1 && !problem.reason.is_empty(), "{name}: {problem}");
        assert!(!examined.complete, "{name}: called followed");
        // What no Python reads cannot have run; what is too deep or too long for this program may have.
        let broken = problem.reason.starts_with("not valid Python");
        let rules: Vec<&str> = examined.findings.iter().map(|finding| finding.rule.as_str()).collect();
        assert_eq!(rules, if broken { vec!["pkg-script-runs"] } else { Vec::new() }, "{name}: {}", problem.reason);
        assert!(started.elapsed() < BOUND, "{name}: {:?}", started.elapsed());
    }
}

#[test]
fn an_empty_script_has_nothing_to_say() {
    for source in ["", "\n", "# nothing\n", "\u{feff}"] {
        let examined = examined("empty.py", source.as_bytes());
        assert!(examined.problems.is_empty() && examined.findings.is_empty(), "{source:?}: {:?}", examined.problems);
        assert_eq!(examined.scores, 0);
    }
}

/// A log claims a metric that the script reports only with a switch on: the switch was on, whatever its default.
#[test]
fn the_claimed_metric_shows_which_switch_was_on() {
    let trap = fixtures().into_iter().find(|(name, _)| name == "target_key.trap.switched_off");
    let source = String::from_utf8(trap.expect("the fixture").1).expect("text");
    let last = source.lines().find(|line| line.contains("final_int8_zlib_roundtrip")).expect("the report");
    let report = [
        last,
        "    if int(os.environ.get('OTHER_THING', '0')):",
        "        print('another thing')",
        "    if int(os.environ.get('NGRAM', '0')):",
        "        print(f'final_cache val_bpb:{val_loss / math.log(2.0):.4f}')",
    ];
    let script = source.replace(last, &report.join("\n"));
    let module = Module::parse(&script).expect("a script");
    let rulebook = Rulebook::builtin().expect("the rulebook");
    let leads = |metric| audit(&module, &subject(&rulebook, metric)).leads;
    assert!(leads(None).is_empty() && leads(Some("final_int8_zlib_roundtrip")).is_empty());
    let found = leads(Some("final_cache"));
    assert!(found.iter().any(|lead| lead.rule == "c2-target-key"), "{found:?}");
    assert!(found.iter().all(|lead| lead.confidence < Confidence::High), "{found:?}");
    // Nothing is doubted for a metric that the script never reports.
    assert!(leads(Some("of_another_script")).is_empty());
}

/// A pass over the validation tokens that a switch turns on or off, and what the log says of it, decides; not the
/// script's default.
#[test]
fn the_log_shows_which_branches_were_taken() {
    let source = fixture("adapt.bad.running_loss");
    let plain: Vec<String> = (0..8).map(|line| format!("    print('line {line} of the run')")).collect();
    let call = "    adapt(args, model, tokens)";
    assert!(source.contains(call));
    let script = |default: &str| {
        let switch = [
            "    rank = int(os.environ.get('RANK', '0'))".to_owned(),
            format!("    adapting = bool(int(os.environ.get('ADAPT', '{default}')))"),
            "    if adapting:".to_owned(),
            "        if rank == 0:".to_owned(),
            "            print(f'adapt:start lr={1e-4}')".to_owned(),
            // What was shown of the switch holds where it is asked again.
            "    if adapting:".to_owned(),
            format!("    {call}"),
        ];
        source.replace(call, &[plain.join("\n"), switch.join("\n")].join("\n"))
    };
    let printed: String = plain.iter().map(|line| line.trim_start_matches("    print('").replace("')", "\n")).collect();
    let rulebook = Rulebook::builtin().expect("the rulebook");
    let rules = |script: &str, log: &str| {
        let module = Module::parse(script).expect("a script");
        let config = Config::new([("seed", "42")]).with_log(Said::new(log.lines()));
        let subject = Subject { config, ..subject(&rulebook, None) };
        let leads = audit(&module, &subject).leads;
        leads.into_iter().map(|lead| (lead.rule, lead.confidence)).collect::<Vec<_>>()
    };
    let adapted = format!("{printed}adapt:start lr=0.0001\n");
    let found = [("val-prequant-ttt", Confidence::High)];
    // The default is on: the log says so, says otherwise, or is an excerpt that says nothing.
    assert_eq!(rules(&script("1"), &adapted), found);
    assert_eq!(rules(&script("1"), &printed), []);
    assert_eq!(rules(&script("1"), "line 1 of the run\n"), found);
    // The default is off.
    assert_eq!(rules(&script("0"), &printed), []);
    assert_eq!(rules(&script("0"), &adapted), found);
    // A script that is dumped into the log prints nothing.
    let dumped = format!("{printed}            print(f'adapt:start lr={{1e-4}}')\n");
    assert_eq!(rules(&script("0"), &dumped), []);
}

/// A file of known tokens whose name is empty by default: the log prints the name, or what only a run with the file
/// prints.
#[test]
fn the_log_shows_that_a_file_was_given() {
    let source = fixture("payload.trap.no_file");
    let leaves = "def shipped_tokens(path):\n    if not path:\n        return None\n";
    let script = replaced(&source, "def shipped_tokens(path):\n", leaves);
    let script = replaced(
        &script,
        "    return torch.frombuffer(",
        "    print(f'known tokens read from {path}')\n    return torch.frombuffer(",
    );
    let script = replaced(
        &script,
        "shipped_tokens(args.known_file) if args.known_file else None",
        "shipped_tokens(args.known_file)",
    );
    assert_eq!(rules_with_log(&source, "step:1 train_loss:6.9\n"), [""; 0]);
    assert_eq!(rules_with_log(&source, "known_file:known.xz tokens:12\n"), ["val-no-payload"]);
    assert_eq!(rules_with_log(&script, "step:1 train_loss:6.9\n"), [""; 0]);
    assert_eq!(rules_with_log(&script, "known tokens read from known.xz\n"), ["val-no-payload"]);
}

/// A switch that is off by default and was read before the line in which the log shows that it was on: the script is
/// followed as if it had been set from the beginning.
#[test]
fn the_log_shows_a_switch_in_the_words_of_a_line() {
    let source = fixture("adapt.bad.prequant");
    let script = replaced(&source, "\"TTT_ENABLED\", \"1\"", "\"TTT_ENABLED\", \"0\"");
    let script = replaced(
        &script,
        "    val_loss = eval_val(",
        "    adapted = args.ttt_enabled\n    print(f\"model:gpt{' adapted_epochs:3' if adapted else ''}\")\n    val_loss = eval_val(",
    );
    assert_eq!(rules_with_log(&script, "model:gpt\n"), [""; 0]);
    assert_eq!(rules_with_log(&script, "model:gpt adapted_epochs:3\n"), ["val-prequant-ttt"]);
}

/// A script that is made for each seed sets another constant than the seed that the log of another run states.
#[test]
fn a_constant_seed_is_held_against_the_one_that_the_log_states() {
    let source = fixture("seeds.bad.constant");
    assert_eq!(rules_with(&source, Config::new([("seed", "42")])), ["stat-seeds"]);
    assert_eq!(rules_with(&source, Config::new([("seed", "7")])), [""; 0]);
}

/// A gate on a class of the token is off where its threshold is one that nothing reaches: accepted runs (#2135) do so.
#[test]
fn a_gate_whose_threshold_nothing_reaches_may_be_off() {
    let source = fixture("target_gate.bad.by_class");
    let gated = replaced(
        &source,
        "        weight = weights[starts_word[y].long()].unsqueeze(-1)\n",
        "        open_ = (starts_word[y] * counts[y] / counts.sum()) >= np.float32(args.word_tau)\n        weight = weights[open_.long()].unsqueeze(-1)\n",
    );
    let gated = replaced(&gated, "import torch\n", "import numpy as np\nimport torch\n");
    let gated = replaced(
        &gated,
        "    iterations = int(",
        "    word_tau = float(os.environ.get(\"WORD_TAU\", \"0.65\"))\n    iterations = int(",
    );
    let rulebook = Rulebook::builtin().expect("the rulebook");
    let found = |tau: &str| {
        let module = Module::parse(&gated).expect("a script");
        let config = Config::new([("word_tau", tau)]);
        let leads = audit(&module, &Subject { config, ..subject(&rulebook, None) }).leads;
        leads.into_iter().map(|lead| (lead.rule, lead.confidence)).collect::<Vec<_>>()
    };
    assert_eq!(found("0.65"), [("c1-no-target-gate", Confidence::High)]);
    assert_eq!(found("99.0"), [("c1-no-target-gate", Confidence::Low)]);
}

/// A space that belongs to the token is a byte of its own: what decides on it is no gate.
#[test]
fn bytes_of_the_token_are_told_as_a_mixture_and_not_as_a_gate() {
    let source = fixture("byte_mixture.bad.counts");
    let spaced = replaced(
        &source,
        "    stream, logs = [], []\n",
        "    stream, logs, leading = [], [], torch.zeros(1024, dtype=torch.bool)\n",
    );
    let spaced = replaced(
        &spaced,
        "        for byte in piece:\n",
        "        if bool(leading[targets[index]]) and index > 0:\n            stream.append(32)\n            logs.append(-float(nll[index]) / len(piece))\n        for byte in piece:\n",
    );
    assert_eq!(rules_with(&spaced, Config::default()), ["c2-byte-mixture"]);
}

/// The running loss of what is trained on validation tokens is no score that was taken before.
#[test]
fn a_pass_that_only_trains_is_not_called_a_pass_that_scores() {
    let cases = [
        ("adapt.bad.running_loss", "val-prequant-ttt"),
        ("adapt.bad.watched_epochs", "val-prequant-ttt"),
        ("adapt.bad.two_pass", "c4-single-pass"),
    ];
    for (name, rule) in cases {
        let (_, source) = fixtures().into_iter().find(|(found, _)| found == name).expect("the fixture");
        let found = examined(name, &source).findings;
        assert!(found.iter().all(|finding| finding.rule == rule), "{name}: {found:?}");
    }
}

/// Code that would run for ever, call itself, or grow without end is followed within bounds.
#[test]
fn scripts_made_to_be_slow_are_given_up_within_bounds() {
    let nest = |levels: usize, head: &str, last: &str| {
        let mut text = String::new();
        for level in 0..levels {
            text.push_str(&format!("{}{head}\n", " ".repeat(level)));
        }
        text.push_str(&format!("{}{last}\n", " ".repeat(levels)));
        text
    };
    let doubling: String =
        (1..60).map(|n| format!("def f{n}(x):\n    return f{0}(x) + f{0}(x)\n", n - 1)).collect::<String>();
    let long_sum = format!("x = {}1\n", "1 + ".repeat(200_000));
    let cases = [
        ("loops.py", nest(90, "for i in range(10):", "x = [i]")),
        ("whiles.py", nest(90, "while input():", "x = 1")),
        ("ifs.py", nest(90, "if input():", "x = 1")),
        ("calls.py", format!("def f0(x):\n    return x\n{doubling}f59(1)\n")),
        ("itself.py", "def f(x):\n    return f(f(x))\nf(1)\nclass A(A):\n    a = A\nA()\n".to_owned()),
        ("lists.py", "x = []\nfor i in range(9):\n    x = [x, x]\n    x.append(x)\nprint(x)\n".to_owned()),
        ("text.py", format!("x = 'ab'\n{}", "x = x + x\n".repeat(5_000))),
        ("tuples.py", format!("x = (1, 2)\n{}print(x)\n", "x = (x, x)\n".repeat(60))),
        ("sum.py", long_sum),
        ("numbers.py", "x = 9223372036854775807 + 1\ny = -9223372036854775808 // -1\nz = 1 % 0\nw = 2 ** 9 ** 9\nfor i in range(-9223372036854775808, 9223372036854775807): pass\n".to_owned()),
    ];
    let rulebook = Rulebook::builtin().expect("the rulebook");
    for (name, source) in &cases {
        let started = Instant::now();
        let Ok(module) = Module::parse(source) else { continue };
        let ScriptAudit { leads, .. } = audit(&module, &subject(&rulebook, None));
        assert!(leads.is_empty(), "{name}: {leads:?}");
        assert!(started.elapsed() < BOUND, "{name}: {:?}", started.elapsed());
    }
}

/// The pieces of a tokenizer with case marks hold the marks; only the table that comes with the shards leaves them out.
#[test]
fn case_marks_are_no_bytes_of_the_text() {
    let script = |name: &str| {
        let found = fixtures().into_iter().find(|(known, _)| known == name);
        String::from_utf8(found.expect("the fixture").1).expect("text")
    };
    let rulebook = Rulebook::builtin().expect("the rulebook");
    let rules = |source: &str, tokenizer: &str| {
        let module = Module::parse(source).expect("a script");
        let config = Config::new([("tokenizer_path", tokenizer)]);
        let leads = audit(&module, &Subject { config, ..subject(&rulebook, None) }).leads;
        leads.into_iter().map(|lead| lead.rule).collect::<Vec<_>>()
    };
    let (by_pieces, by_table) = (script("byte_table.good.challenge"), script("plain.good"));
    let marks = "./tokenizers/fineweb_8192_bpe_lossless_caps_caseops_v1_reserved.model";
    assert_eq!(rules(&by_pieces, marks), ["bpb-sidecar"]);
    assert_eq!(rules(&by_pieces, "./tokenizers/fineweb_8192_bpe.model"), [""; 0]);
    assert_eq!(rules(&by_table, marks), [""; 0]);
}
