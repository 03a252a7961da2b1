//! The run decides: settings, processes and lines of the log tell which branches the script took.

use super::*;

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

/// A log claims a metric that the script reports only with a switch on: the switch was on, whatever its default.
#[test]
fn the_claimed_metric_shows_which_switch_was_on() {
    let source = fixture("target_key.trap.switched_off");
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

/// Where the script calls the sum over drawn masks a bound of the likelihood, nobody has ruled on it.
#[test]
fn a_bound_of_the_likelihood_is_only_told() {
    let source = fixture("unmasked.bad.masked_tokens");
    let of = |source: &str| {
        let rulebook = Rulebook::builtin().expect("the rulebook");
        let module = Module::parse(source).expect("a script");
        let leads = audit(&module, &subject(&rulebook, None)).leads;
        leads.into_iter().map(|lead| (lead.rule, lead.confidence)).collect::<Vec<_>>()
    };
    assert_eq!(of(&source), [("c1-causal", Confidence::Medium)]);
    let bound = format!("{source}\n# the ELBO of a masked diffusion model\n");
    assert_eq!(of(&bound), [("c1-causal", Confidence::Low)]);
}

/// What goes to the console alone is not missing from a log that the script writes by a function of its own.
#[test]
fn a_log_that_the_script_writes_lacks_what_it_prints_beside() {
    let source = fixture("adapt.bad.running_loss");
    let call = "    adapt(args, model, tokens)";
    let lines: Vec<String> = (0..8).map(|line| format!("line {line} of the run")).collect();
    let script = |say: &str| {
        let plain: String = lines.iter().map(|line| format!("    log0('{line}')\n")).collect();
        let switch =
            format!("    if int(os.environ.get('ADAPT', '1')):\n        {say}(f'adapt:start lr={{1e-4}}')\n    {call}");
        let log0 =
            "def log0(text):\n    with open('log.txt', 'a') as f:\n        print(text, file=f)\n\n\ndef main():\n";
        replaced(&replaced(&source, call, &format!("{plain}{switch}")), "def main():\n", log0)
    };
    let log = lines.join("\n");
    assert_eq!(rules_with_log(&script("log0"), &log), Vec::<&str>::new());
    assert_eq!(rules_with_log(&script("print"), &log), ["val-prequant-ttt"]);
}

/// A line of the log shows that the switch was on below which it is printed, however deep, where nothing states the switch.
#[test]
fn a_printed_line_shows_the_switch_above_it() {
    let source = fixture("adapt.bad.running_loss");
    let source = replaced(
        &source,
        "seq_len = int(",
        "adapt_on = bool(int(os.environ.get(\"ADAPT_ON\", \"0\")))\n    seq_len = int(",
    );
    let script = |test: &str| {
        let switch = format!(
            "    rank = int(os.environ.get('RANK', '0'))\n    if {test}:\n        for epoch in range(3):\n            if rank == 0:\n                \
             print(f'adapt:epoch {{epoch}} of the run')\n        adapt(args, model, tokens)"
        );
        replaced(&source, "    adapt(args, model, tokens)", &switch)
    };
    let log = "adapt:epoch 1 of the run\n";
    for test in ["args.adapt_on", "args.adapt_on and rank == 0"] {
        assert_eq!(rules_with_log(&script(test), log), ["val-prequant-ttt"], "{test}");
        assert_eq!(rules_with_log(&script(test), "step:1/20\n"), Vec::<&str>::new(), "{test}");
    }
    // What the log states counts more, and another condition may have been false here alone.
    let stated = Config::new([("adapt_on", "False")]).with_log(Said::new(log.lines()));
    assert_eq!(rules_with(&script("args.adapt_on"), stated), Vec::<&str>::new());
    assert_eq!(rules_with_log(&script("args.adapt_on and args.iterations > 9000"), log), Vec::<&str>::new());
}
