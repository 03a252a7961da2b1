use super::*;
use crate::logged::{Fact, Log, Logged};
use crate::run_log::MetricLine;

fn run(log: &str, seed: i64, bpb: Option<f64>) -> RunLog {
    let line = |val_bpb| MetricLine {
        name: "final_int8_zlib_roundtrip_exact".to_owned(),
        val_loss: Some(2.0),
        val_bpb,
        decimals: 8,
        eval_seconds: None,
        diagnostic: false,
        line: 9,
        log: Log::Own,
    };
    let mut run = RunLog {
        log: log.into(),
        seed: Some(Logged::new(seed, 1)),
        steps: Some(Logged::new(100, 7)),
        iterations: Some(Logged::new(20000, 7)),
        metric_lines: bpb.map(line).into_iter().collect(),
        ..RunLog::default()
    };
    if bpb.is_some() {
        metric::choose(&mut run, 0);
    }
    run
}

fn evaluation(log: &str, seed: i64, bpb: f64) -> RunLog {
    RunLog { steps: None, iterations: None, ..run(log, seed, Some(bpb)) }
}

fn claim(scope: Scope, text: &str) -> Claim {
    let stated = Stated::parse(text).expect("a number");
    Claim { field: Field::ValBpb, scope, key: "val_bpb".into(), stated, text: text.into(), line: 1, loose: false }
}

fn sort(logs: Vec<RunLog>, claims: &[Claim]) -> (Vec<(String, Option<f64>)>, Vec<NotCounted>) {
    let runs = select(Utf8Path::new("/nowhere"), logs, claims, &[], &[]);
    let official = runs.official.iter().map(|run| (run.log.to_string(), run.val_bpb.value())).collect();
    (official, runs.others.into_iter().map(|other| other.why).collect())
}

#[test]
fn of_several_runs_in_a_file_the_claimed_one_counts_else_the_last_that_was_scored() {
    let file = || vec![run("a.log", 1, Some(1.25)), run("a.log", 1, Some(1.5)), run("a.log", 1, None)];
    assert_eq!(sort(file(), &[claim(Scope::Seed(1), "1.25")]).0, [("a.log".into(), Some(1.25))]);
    assert_eq!(sort(file(), &[claim(Scope::Whole, "1.25")]).0, [("a.log".into(), Some(1.25))]);
    let (official, others) = sort(file(), &[]);
    assert_eq!(official, [("a.log".into(), Some(1.5))]);
    assert_eq!(others, [NotCounted::OtherRunInFile, NotCounted::OtherRunInFile]);
    let seeds = vec![run("a.log", 1, Some(1.25)), run("a.log", 2, Some(1.5))];
    assert_eq!(sort(seeds, &[]).0.len(), 2, "one file of two seeds");
}

#[test]
fn an_evaluation_alone_gives_its_seeds_training_the_claimed_score() {
    let logs = || vec![evaluation("ttt/seed_1.log", 1, 1.125), run("train_seed1.log", 1, Some(1.25))];
    let runs = select(Utf8Path::new("/nowhere"), logs(), &[claim(Scope::Seed(1), "1.125")], &[], &[]);
    let [joined] = runs.official.as_slice() else { panic!("one run: {:?}", runs.official) };
    assert_eq!(
        (joined.log.as_str(), joined.val_bpb.value(), joined.steps.value()),
        ("train_seed1.log", Some(1.125), Some(100))
    );
    assert_eq!(joined.at(&joined.val_bpb), (Utf8Path::new("ttt/seed_1.log"), Some(9)));
    assert_eq!(joined.at(&joined.metric_lines.first()), (Utf8Path::new("ttt/seed_1.log"), Some(9)));
    assert_eq!(joined.at(&joined.steps), (Utf8Path::new("train_seed1.log"), Some(7)));
    assert_eq!(joined.superseded.as_ref().map(|line| line.val_bpb), Some(1.25));
    assert_eq!(joined.at(&joined.superseded), (Utf8Path::new("train_seed1.log"), Some(9)));

    assert_eq!(sort(logs(), &[claim(Scope::Seed(1), "1.25")]).0, [("train_seed1.log".into(), Some(1.25))]);
    assert_eq!(sort(logs(), &[claim(Scope::Whole, "1.13")]).0, [("train_seed1.log".into(), Some(1.125))]);
    let (alone, _) = sort(vec![evaluation("ttt/seed_2.log", 2, 1.125)], &[]);
    assert_eq!(alone, [("ttt/seed_2.log".into(), Some(1.125))], "no training log of its seed");
}

#[test]
fn a_headline_of_one_log_sets_other_experiments_aside_but_not_repeats() {
    let long = |log: &str, bpb| RunLog { iterations: Some(Logged::new(100_000, 7)), ..run(log, 42, Some(bpb)) };
    let logs = || vec![long("100k.log", 1.125), run("10min_1.log", 1, Some(1.5)), run("10min_2.log", 2, Some(1.75))];
    assert_eq!(sort(logs(), &[claim(Scope::Whole, "1.125")]).0, [("100k.log".into(), Some(1.125))]);
    assert_eq!(sort(logs(), &[claim(Scope::Whole, "1.500")]).0.len(), 2, "its repeat under another seed stays");
    assert_eq!(sort(logs(), &[claim(Scope::Whole, "9.9")]).0.len(), 3, "a claim that no log gives sorts nothing");
    assert_eq!(sort(logs(), &[]).0, [("100k.log".into(), Some(1.125))], "without a claim, the best experiment");
}

#[test]
fn a_log_of_all_seeds_beside_a_log_of_each_counts_nothing_twice() {
    let timed = |log: &str, seed, bpb, seconds| RunLog {
        train_seconds: Some(Logged::new(seconds, 8)),
        ..run(log, seed, Some(bpb))
    };
    let logs = vec![
        timed("train.log", 1, 1.25, 600.011),
        timed("train.log", 2, 1.5, 600.012),
        timed("train_seed1.log", 1, 1.25, 600.011),
        timed("train_seed2.log", 2, 1.5, 600.012),
        timed("train_seed3.log", 3, 1.5, 600.012),
    ];
    let (official, others) = sort(logs, &[]);
    let names: Vec<&str> = official.iter().map(|(log, _)| log.as_str()).collect();
    assert_eq!(names, ["train_seed1.log", "train_seed2.log", "train_seed3.log"]);
    assert_eq!(
        others,
        [NotCounted::PrintedIn("train_seed1.log".into()), NotCounted::PrintedIn("train_seed2.log".into())]
    );
}

#[test]
fn an_attempt_without_a_score_counts_only_where_its_seed_has_none() {
    let logs = vec![run("crashed.log", 1, None), run("full.log", 1, Some(1.25)), run("other.log", 2, None)];
    let (official, others) = sort(logs, &[]);
    assert_eq!(official, [("full.log".into(), Some(1.25)), ("other.log".into(), None)]);
    assert_eq!(others, [NotCounted::Unfinished("full.log".into())]);
}

#[test]
fn the_last_validation_in_training_is_a_score_only_where_it_is_the_claim() {
    let log = || {
        let last = |value| Some(Logged::new(value, 6));
        RunLog { pre_quant_val_bpb: last(1.1898), pre_quant_val_loss: last(2.0), ..run("a.log", 1, None) }
    };
    let runs = select(Utf8Path::new("/nowhere"), vec![log()], &[claim(Scope::Whole, "1.1898")], &[], &[]);
    let [run] = runs.official.as_slice() else { panic!("one run: {:?}", runs.official) };
    assert_eq!((run.metric.text(), run.at(&run.val_bpb).1), (Some(metric::IN_TRAINING), Some(6)));
    assert_eq!(sort(vec![log()], &[claim(Scope::Whole, "1.17")]).0, [("a.log".into(), None)]);
}

#[test]
fn a_log_of_a_seed_that_is_not_named_is_a_further_one_where_the_claim_is_of_the_named() {
    let logs = || vec![run("full.log", 42, Some(1.25)), run("train.log", 43, Some(1.125))];
    let sorted = |claim_text: &str, seeds: &[i64]| {
        let runs = select(Utf8Path::new("/nowhere"), logs(), &[claim(Scope::Whole, claim_text)], seeds, &[]);
        runs.official.iter().map(|run| run.log.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(sorted("1.125", &[43]), ["train.log"]);
    assert_eq!(sorted("1.1875", &[43]).len(), 2, "the mean of both");
    assert_eq!(sorted("1.125", &[]).len(), 2, "no seed is named");
    assert_eq!(sorted("1.125", &[7]).len(), 2, "no log is of the named seed");
}

#[test]
fn variants_of_the_claimed_runs_seed_are_other_experiments() {
    let of = |log: &str, seed: i64, bpb: f64, code: u64| RunLog {
        bytes_code: Some(Logged::new(code, 8)),
        ..run(log, seed, Some(bpb))
    };
    let study = || vec![of("a.log", 1337, 1.11, 100), of("b.log", 1337, 1.12, 200), of("c.log", 1337, 1.16, 300)];
    let beside = |said: &str| {
        let said = [Lined::new(Stated::parse(said).expect("a number"), 3)];
        select(Utf8Path::new("/nowhere"), study(), &[claim(Scope::Whole, "1.12")], &[], &said)
    };
    let runs = beside("1.1200");
    assert_eq!(runs.official.iter().map(|run| run.log.as_str()).collect::<Vec<_>>(), ["b.log"]);
    assert!(runs.others.iter().all(|other| other.why == NotCounted::NotClaimed), "{:?}", runs.others);
    assert_eq!(beside("1.1300").official.len(), 3, "README.md states the mean of all three");
    assert_eq!(sort(study(), &[claim(Scope::Whole, "1.12")]).0.len(), 3, "no README.md says that they are variants");
    assert_eq!(sort(study(), &[claim(Scope::Whole, "1.13")]).0.len(), 3, "the mean of all three is claimed");
    let seeds = vec![of("a.log", 1, 1.11, 100), of("b.log", 2, 1.12, 200)];
    assert_eq!(sort(seeds, &[claim(Scope::Whole, "1.12")]).0.len(), 2, "other seeds may count a script anew");
    let repeats = vec![of("a.log", 1, 1.11, 100), of("b.log", 1, 1.13, 100)];
    assert_eq!(sort(repeats, &[claim(Scope::Whole, "1.13")]).0.len(), 2, "repeats of one seed stay");
}

#[test]
fn a_short_log_without_seed_and_score_is_a_trial() {
    let trained = |run: RunLog, seconds: f64| RunLog { train_seconds: Some(Logged::new(seconds, 5)), ..run };
    let whole = || trained(run("train.log", 1337, Some(1.25)), 600.0);
    let without_seed = |seconds| RunLog { seed: None, ..trained(run("screen.log", 0, None), seconds) };
    let (official, others) = sort(vec![whole(), without_seed(180.0)], &[]);
    assert_eq!((official.len(), others), (1, vec![NotCounted::Trial("train.log".into())]));
    assert_eq!(sort(vec![whole(), without_seed(590.0)], &[]).0.len(), 2, "an attempt of whole length stays");
}
