//! Scores a model file on the CPU in f32, or with activations and products in bf16 as on a GPU, and writes every target's
//! nats: `rounding MODEL DATA OUT.tsv f32|bf16`. `scripts/rounding/measure.py` compares what several of these give.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use caddie_engine::evaluate::file::{FileJob, write_per_token};
use caddie_engine::log::Silent;
use caddie_engine::{Result, device, parallel};
use tch::Kind;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, data, out, precision] = words.as_slice() else {
        eprintln!("usage: rounding MODEL DATA OUT.tsv f32|bf16");
        return ExitCode::from(2);
    };
    let kind = if precision == "bf16" { Kind::BFloat16 } else { Kind::Float };
    parallel::prepare_process();
    match score(model.into(), data.into(), out.into(), kind) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn score(model: PathBuf, data: PathBuf, out: PathBuf, kind: Kind) -> Result<()> {
    let stop = AtomicBool::new(false);
    let device = device::select("cpu")?;
    let job = FileJob { model, recipe: None, overrides: Vec::new(), data, mode: None, device, stop: &stop };
    let mut loaded = job.load()?;
    loaded.model = loaded.model.in_precision(kind);
    let (score, _) = loaded.score(None, &stop, &mut Silent)?;
    write_per_token(&out, &loaded.val, &score)?;
    Ok(())
}
