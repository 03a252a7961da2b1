//! Times a training step with the fused softcapped cross-entropy beside the composed form: `make bench-ce`.
//!
//! Each measurement is a process of its own, because the peak of a process's memory never falls; the sides take turns. A step is
//! the gradients of all micro-steps, without the optimizer, which is the same on both sides. Processor time is counted, over all
//! threads: other work on the machine adds little to it.

use std::process::Command;

use caddie_engine::data::Batch;
use caddie_engine::model::initial_state;
use caddie_engine::train::Steps;
use caddie_engine::{Recipe, parallel};
use tch::Device;

const RECIPE: &str = include_str!("../../recipes/record-2026-05-small.toml");
const TURNS: usize = 5;
const STEPS: i64 = 6;
/// Settings of the cases: the recipe as it is, with learned caps, and with the vocabulary of the record.
const CASES: [(&str, &[&str]); 3] = [
    ("record-2026-05-small", &["model.head.asym_logit_rescale=false"]),
    ("the same, learned caps", &["model.head.asym_logit_rescale=true"]),
    ("the same, 8,192 tokens", &["model.head.asym_logit_rescale=false", "model.vocab_size=8192"]),
];

fn main() {
    parallel::prepare_process();
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [case, fused] => measure(case.parse().expect("the number of a case"), fused == "true"),
        _ => compare(),
    }
}

/// Prints medians of both sides of each case.
fn compare() {
    println!("{:24} {:>10} {:>12} {:>12} {:>8} {:>9}", "case", "side", "CPU ms", "smallest", "largest", "peak MiB");
    for (case, (name, _)) in CASES.iter().enumerate() {
        let mut found = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            for (side, found) in found.iter_mut().enumerate() {
                found.push(in_a_process(case, side == 1));
            }
        }
        for (side, found) in ["composed", "fused"].iter().zip(&mut found) {
            found.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (middle, last) = (found[found.len() / 2].0, found[found.len() - 1].0);
            let mut peaks: Vec<f64> = found.iter().map(|one| one.1).collect();
            peaks.sort_by(f64::total_cmp);
            let (first, peak) = (found[0].0, peaks[peaks.len() / 2]);
            println!("{name:24} {side:>10} {middle:12.1} {first:12.1} {last:8.1} {peak:9.0}");
        }
    }
}

/// Milliseconds of processor time of a step and MiB at the peak, of one side in a process of its own.
fn in_a_process(case: usize, fused: bool) -> (f64, f64) {
    let program = std::env::current_exe().expect("the path of this program");
    let done = Command::new(program).args([case.to_string(), fused.to_string()]).output().expect("a process");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [ms, mib] = numbers[..] else { panic!("{text}{}", String::from_utf8_lossy(&done.stderr)) };
    (ms, mib)
}

/// Prints the mean milliseconds of processor time of a step and the MiB at the peak of this process.
fn measure(case: usize, fused: bool) {
    let mut sets: Vec<String> = CASES[case].1.iter().map(|&set| set.to_owned()).collect();
    sets.push(format!("model.head.fused_ce_enabled={fused}"));
    let recipe = Recipe::parse(RECIPE, &sets).expect("the recipe");
    let state = initial_state(&recipe.model, 1).expect("a state");
    let mut steps = Steps::new(&recipe, state, Device::Cpu).expect("the steps");
    let mut step = |i| {
        let _ = steps.gradients(&recipe.train, batches(&recipe, i)).expect("gradients");
    };
    step(0); // memory is taken in the first
    let start = processor_ms();
    for i in 1..=STEPS {
        step(i);
    }
    println!("{} {}", (processor_ms() - start) / STEPS as f64, peak_mib());
}

/// Made-up tokens in documents of 256.
fn batches(recipe: &Recipe, step: i64) -> Vec<Batch> {
    let len = recipe.train.micro_batch_tokens();
    let token = |i: i64| if i % 256 == 0 { 1 } else { 2 + (i * i * 31 + i * step) % (recipe.model.vocab_size - 2) };
    let one = |micro: i64| {
        let tokens: Vec<i64> = (0..=len).map(|i| token(i + micro)).collect();
        let cu_seqlens = (0..=len / 256).map(|i| (256 * i) as i32).collect();
        Batch { x: tokens[..len as usize].to_vec(), y: tokens[1..].to_vec(), cu_seqlens: Some(cu_seqlens) }
    };
    (0..recipe.train.grad_accum_steps).map(one).collect()
}

/// Milliseconds that this process has computed, all threads together, in steps of Linux's clock of 10 ms.
fn processor_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux's own account of the process");
    // Fields 14 and 15 of all; the second is the name, in brackets.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<f64>().expect("a number");
    10.0 * (ticks(14) + ticks(15))
}

/// The most resident memory of this process so far.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux's own account of the process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
}
