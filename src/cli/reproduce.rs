//! `caddie reproduce`: recomputes the score, whole or from a random sample of documents.

use caddie_engine::log::Observer;
use camino::Utf8PathBuf;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use super::engine_options::EngineOptions;
use super::progress::Progress;
use crate::error::exit;
use crate::render::numbers;
use crate::runner::reproduce::{Reproduction, Request, reproduce};
use crate::{Error, Result};

/// Score an artifact's models again and compare with its ledgers, document by document
///
/// Scores all documents, or N drawn at random: documents are independent under test-time training, so a sample bounds
/// how many of the others can deviate. A records folder is reproduced from its artifact, <Name>.tar.zst beside or above
/// it.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  caddie reproduce demo/demo.tar.zst --data demo/data\n  \
                        caddie reproduce records/track_10min_16mb/2026-12-01_Mine --data ./data --docs 500\n\n\
                        Exit codes: 0 every compared document agrees, 1 some do not.")]
pub struct ReproduceArgs {
    /// An artifact, or a records folder
    #[arg(value_name = "ARTIFACT|FOLDER")]
    target: Utf8PathBuf,
    #[command(flatten)]
    engine: EngineOptions,
    /// Documents to draw at random [default: all]
    #[arg(long, value_name = "N")]
    docs: Option<usize>,
    /// Seed of the draw, to repeat one [default: random, and printed]
    #[arg(long, value_name = "N", requires = "docs")]
    sample_seed: Option<u64>,
    /// Largest difference of a document in nats per token that still agrees; the same machine gives 0
    #[arg(long, value_name = "NATS", default_value_t = 0.001)]
    tolerance: f64,
}

/// Reproduces, and prints the comparison and the verdict.
pub fn run(args: &ReproduceArgs) -> Result<u8> {
    if args.docs == Some(0) {
        return Err(Error::usage("--docs 0 compares nothing; pass at least 1".to_owned()));
    }
    let request = Request {
        target: args.target.clone(),
        data: args.engine.data.clone(),
        device: args.engine.device.clone(),
        docs: args.docs,
        sample_seed: args.sample_seed,
        tolerance: args.tolerance,
    };
    let watch = |seed: i64| Box::new(Progress::new(&format!("seed {seed}"), false)) as Box<dyn Observer>;
    let done = reproduce(&request, watch)?;
    super::print(&text(&done))?;
    Ok(if done.reproduced() { exit::OK } else { exit::FINDINGS })
}

/// Returns the table without the blanks that pad its last column.
fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn text(done: &Reproduction) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "seed",
        "documents",
        "identical",
        "differ",
        "largest nats/token",
        "ledger val_bpb",
        "recomputed",
    ]);
    for seed in &done.seeds {
        table.add_row([
            seed.seed.to_string(),
            format!("{}/{}", seed.compared, seed.documents),
            seed.identical.to_string(),
            seed.differing.len().to_string(),
            format!("{:.2e}", seed.largest),
            numbers::score(seed.claimed_bpb),
            numbers::score(seed.val_bpb),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut out = format!("{}: seed by seed\n{}\n\n", done.manifest.name, trimmed(&table));
    for seed in done.seeds.iter().filter(|seed| !seed.reproduced()) {
        let named: Vec<String> = seed.differing.iter().take(10).map(u64::to_string).collect();
        let more = seed.differing.len().saturating_sub(named.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        out += &format!("seed {}: documents {}{more} differ\n", seed.seed, named.join(", "));
    }
    for seed in &done.foreign_ledgers {
        out += &format!("seed {seed}: the folder's ledger is not the artifact's\n");
    }
    match (done.sample_seed, done.reproduced()) {
        (Some(_), true) if done.seeds.iter().all(|seed| seed.compared == seed.documents) => {
            out += "reproduced: every document agrees\n";
        }
        (Some(sample), true) => {
            let bound = done.seeds.iter().map(|seed| (seed.bound(), seed.documents)).max().unwrap_or((0, 0));
            out += &format!(
                "reproduced: every drawn document agrees (--sample-seed {sample}); with 95 % confidence at most {} of {} \
                 documents deviate\n",
                bound.0, bound.1
            );
        }
        (None, true) => out += "reproduced: every document agrees\n",
        (Some(sample), false) => out += &format!("not reproduced (--sample-seed {sample})\n"),
        (None, false) => out += "not reproduced\n",
    }
    out
}
