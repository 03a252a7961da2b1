//! Bounds on the following of a script, on both sides of each.

use super::{Budget, Config, holds, run};

#[test]
fn a_script_that_takes_too_many_steps_is_not_followed_to_its_end() {
    let program = "
        a = 1
        for x in val:
            b = x
        c = 3
    ";
    let names = ["a", "b", "c"];
    let is = |steps: usize| {
        let ran = run(program, &names, &Config::default(), Budget::of(steps));
        (ran.complete, ran.holds.into_iter().map(|(is, _)| is).collect::<Vec<_>>())
    };
    assert_eq!(is(1_000), (true, ["1", "…", "3"].map(String::from).to_vec()));
    let (complete, holds) = is(20);
    assert!(!complete && holds[2] == "unbound", "{holds:?}");
    assert!(!is(0).0);
}

#[test]
fn calls_within_calls_end() {
    let functions: String = (1..60).map(|n| format!("def f{n}(x):\n    return f{}(x)\n", n - 1)).collect();
    let program = format!("def f0(x):\n    return x\n{functions}a = f3(val)\nb = f59(val)\n");
    holds("beyond the bound a call is made of its arguments", &program, &[("a", "tensor", "VAL"), ("b", "…", "VAL")]);
}

#[test]
fn expressions_within_expressions_end() {
    let of = |levels: usize| format!("a = val{}\n", ".T".repeat(levels));
    holds("deep", &of(100), &[("a", "method T", "VAL")]);
    holds("too deep: nothing is known", &of(200), &[("a", "method T", "")]);
    let long = format!("a = {}val\n", "1 + ".repeat(350));
    holds("a long sum is no deep one", &long, &[("a", "…", "VAL")]);
}

#[test]
fn what_is_made_of_itself_does_not_grow_for_ever() {
    let program = format!("a = 'ab'\n{}b = len(a)\n", "a = a + a\n".repeat(40));
    let ran = run(&program, &["a", "b"], &Config::default(), Budget::default());
    assert!(ran.complete && ran.holds[0].0.len() < 5_000 && ran.holds[0].0.ends_with("…'"), "{}", ran.holds[0].0.len());
    let program = format!("a = (val, 2)\n{}b = a[0]\n", "a = (a, a)\n".repeat(60));
    let ran = run(&program, &["a"], &Config::default(), Budget::default());
    assert!(ran.complete && ran.holds[0].0.len() < 100_000, "{}", ran.holds[0].0.len());
    assert_eq!(ran.holds[0].1, "VAL");
}
