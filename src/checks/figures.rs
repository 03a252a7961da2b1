//! Reads what the page of a report draws: a verdict needs none of it.

use camino::Utf8Path;

use super::context::run_name;
use super::score::after_quantization;
use crate::report::{Documents, Evaluations, Figures};
use caddie_folder::{Curve, Fact, Folder, RunLog};

/// Most runs that are drawn.
const RUNS: usize = 8;

/// Reads the folder's curves, evaluations and documents; what cannot be read is left out.
pub fn figures(folder: &Utf8Path) -> Figures {
    let Ok(folder) = Folder::read(folder) else { return Figures::default() };
    let runs: Vec<&RunLog> = folder.runs.official.iter().take(RUNS).collect();
    let curves = runs.iter().map(|run| (run_name(run), Curve::read(&folder.path.join(&run.log))));
    let evaluations = runs.iter().map(|run| Evaluations { run: run_name(run), scores: scores(run) });
    let documents = folder.ledgers.iter().take(RUNS).filter_map(|file| {
        let ledger = file.content.as_ref().ok()?;
        let nats = ledger.rows.iter().map(|row| row.nats / row.tokens.max(1) as f64);
        let run = file.seed.map_or_else(|| file.file.to_string(), |seed| format!("seed {seed}"));
        Some(Documents { run, nats: nats.filter(|nats| nats.is_finite()).collect() })
    });
    Figures {
        curves: curves.filter(|(_, curve)| !curve.is_empty()).collect(),
        evaluations: evaluations.filter(|one| one.scores.len() > 1).collect(),
        documents: documents.filter(|one| !one.nats.is_empty()).collect(),
    }
}

/// Returns the scores of the quantized model in the log's order, a print with more digits instead of one with fewer.
fn scores(run: &RunLog) -> Vec<(String, f64)> {
    let mut scores: Vec<(String, f64)> = Vec::new();
    for line in run.metric_lines.iter().filter(|line| after_quantization(line)) {
        let name = line.name.trim_end_matches("_exact").to_owned();
        match scores.last_mut() {
            Some(last) if last.0 == name => last.1 = line.val_bpb,
            _ => scores.push((name, line.val_bpb)),
        }
    }
    if let Some(official) = run.metric.text().filter(|_| scores.is_empty()) {
        scores.extend(run.val_bpb.value().map(|bpb| (official.to_owned(), bpb)));
    }
    scores
}
