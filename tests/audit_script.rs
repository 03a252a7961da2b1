//! The audit of a script, over made-up ones: what a bad one does is found at the line that does it, and neither a good
//! one nor one that only looks bad has a lead. Nothing that a script says, or is, makes the audit fail.

#[path = "audit_script/runs.rs"]
mod runs;
#[path = "support/scripts.rs"]
mod scripts;

use std::time::{Duration, Instant};

use caddie::report::Confidence;
use caddie_audit::script::{Config, Examined, Said, ScriptAudit, Subject, audit, examine};
use caddie_python::Module;
use caddie_python::{Alone, unwrap};
use caddie_rulebook::{PARAMETER_GOLF_2026, Rulebook};
use camino::Utf8Path;
use scripts::Scripts;

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

/// The whole text of one made-up script.
fn fixture(name: &str) -> String {
    Scripts::of(env!("CARGO_MANIFEST_DIR")).text(name)
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

/// Reads what a made-up script says of itself in its second line: `# finds RULE: a text of the line that shows it`, or
/// `# finds nothing`.
fn expected(name: &str, source: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(source).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix("# finds "));
    let line =
        line.unwrap_or_else(|| panic!("{name}.py: write `# finds RULE: TEXT` or `# finds nothing` in its second line"));
    (line != "nothing")
        .then(|| line.split_once(": ").unwrap_or_else(|| panic!("{name}.py: `# finds RULE: TEXT`")))
        .map(|(rule, text)| (rule.to_owned(), text.to_owned()))
}

/// The made-up scripts with their names without `.py`.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let scripts = Scripts::of(env!("CARGO_MANIFEST_DIR"));
    scripts.names().into_iter().map(|name| (name.clone(), scripts.text(&name).into_bytes())).collect()
}

#[test]
fn bad_scripts_have_a_lead_at_the_line_that_does_it() {
    let mut seen = 0;
    for (name, source) in fixtures() {
        let Some((rule, text)) = expected(&name, &source) else { continue };
        assert!(name.contains(".bad."), "{name} finds something: its name says so with `.bad.`");
        let examined = examined(&name, &source);
        assert!(examined.complete && examined.problems.is_empty(), "{name}: {:?}", examined.problems);
        let index = examined.findings.iter().position(|finding| finding.rule == rule);
        let index = index.unwrap_or_else(|| panic!("{name}: no {rule} among {:?}", examined.findings));
        let steps = &examined.paths[index];
        assert!(steps.iter().any(|step| step.text.contains(&text)), "{name}: {steps:?}");
        let lines: Vec<&str> = std::str::from_utf8(&source).expect("text").lines().collect();
        for step in steps {
            let line = usize::try_from(step.line).expect("a line");
            assert_eq!(lines[line - 1].trim(), step.text, "{name}");
        }
        seen += 1;
    }
    assert!(seen > 40, "only {seen} scripts find something");
}

#[test]
fn good_scripts_and_such_as_only_look_bad_have_none() {
    for (name, source) in fixtures() {
        if expected(&name, &source).is_some() {
            continue;
        }
        assert!(!name.contains(".bad."), "{name} finds nothing: its name says so with `.good.` or `.trap.`");
        let examined = examined(&name, &source);
        assert!(examined.complete && examined.problems.is_empty(), "{name}: {:?}", examined.problems);
        // Only what was followed to a reported score can be called clean.
        assert!(examined.scores > 0, "{name}: no score was recognized");
        assert!(examined.findings.is_empty(), "{name}: {:?}", examined.findings);
    }
}

/// A script whose every piece is known parses, so only a piece that nothing needs may be left.
#[test]
fn every_piece_of_the_prelude_is_a_part_of_a_script() {
    let unused = Scripts::of(env!("CARGO_MANIFEST_DIR")).unused_pieces();
    assert!(unused.is_empty(), "fixtures/audit/prelude: no script has {unused:?}; delete them");
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
        let found = examined(name, fixture(name).as_bytes()).findings;
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
    let rulebook = Rulebook::builtin().expect("the rulebook");
    let rules = |source: &str, tokenizer: &str| {
        let module = Module::parse(source).expect("a script");
        let config = Config::new([("tokenizer_path", tokenizer)]);
        let leads = audit(&module, &Subject { config, ..subject(&rulebook, None) }).leads;
        leads.into_iter().map(|lead| lead.rule).collect::<Vec<_>>()
    };
    let (by_pieces, by_table) = (fixture("byte_table.good.challenge"), fixture("plain.good"));
    let marks = "./tokenizers/fineweb_8192_bpe_lossless_caps_caseops_v1_reserved.model";
    assert_eq!(rules(&by_pieces, marks), ["bpb-sidecar"]);
    assert_eq!(rules(&by_pieces, "./tokenizers/fineweb_8192_bpe.model"), [""; 0]);
    assert_eq!(rules(&by_table, marks), [""; 0]);
}
