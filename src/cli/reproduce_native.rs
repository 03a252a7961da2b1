//! `caddie reproduce` of an artifact: recomputes the score, whole or from a random sample of documents.

use caddie_engine::log::Observer;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use super::outlook::SeedView;
use super::progress::Progress;
use super::reproduce_script::ReproduceFormat;
use crate::Result;
use crate::error::exit;
use crate::render::numbers;
use crate::runner::reproduce::{ArtifactReproduction, ArtifactRequest, ModelResult, reproduce};
use crate::runner::sample;
use caddie_files::text::one_line;

/// Reproduces, and prints the comparison and the verdict.
pub fn run(request: &ArtifactRequest, format: ReproduceFormat) -> Result<u8> {
    let watch =
        |seed: i64| Box::new(Progress::new(SeedView::alone(&format!("seed {seed}")), false)) as Box<dyn Observer>;
    let done = reproduce(request, watch)?;
    let nonce = request.sample.as_ref().map(|sample| sample.nonce.as_str());
    match format {
        ReproduceFormat::Plain => super::terminal::show(&text(&done, nonce))?,
        ReproduceFormat::Json => super::print(&json(&done, request.tolerance, nonce))?,
    }
    Ok(if done.reproduced() { exit::OK } else { exit::FINDINGS })
}

/// Writes the result in the form of docs/reproduce.schema.json.
fn json(done: &ArtifactReproduction, tolerance: f64, nonce: Option<&str>) -> String {
    let seed = |seed: &ModelResult| {
        json!({
            "seed": seed.seed,
            "documents": seed.documents,
            "compared": seed.compared,
            "identical": seed.identical,
            "largest": seed.largest,
            "largest_doc": seed.largest_doc,
            "differing": seed.differing,
            "claimed_bpb": seed.claimed_bpb,
            "val_bpb": seed.val_bpb,
            "reproduced": seed.reproduced(),
            "may_differ": done.sample_seed.map(|_| seed.bound()),
            "support": seed.support.map(|of| json!({ "draws": of.draws, "understated": of.understated })),
        })
    };
    let value = json!({
        "schema_version": 1,
        "name": done.manifest.name,
        "tolerance": tolerance,
        "sample_seed": done.sample_seed,
        "nonce": nonce,
        "seeds": done.seeds.iter().map(seed).collect::<Vec<_>>(),
        "foreign_ledgers": done.foreign_ledgers,
        "reproduced": done.reproduced(),
    });
    format!("{value:#}\n")
}

/// Returns the table without the blanks that pad its last column.
fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn text(done: &ArtifactReproduction, nonce: Option<&str>) -> String {
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
    if let Some(nonce) = nonce {
        out += &supported(done, nonce);
        return out;
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

/// What draws by the ledgers' digests and a nonce support.
fn supported(done: &ArtifactReproduction, nonce: &str) -> String {
    let mut out = String::new();
    for seed in &done.seeds {
        let Some(support) = seed.support else { continue };
        let bound = support.understated.map_or("unknown".to_owned(), |bound| format!("{:.2} %", 100.0 * bound));
        out += &format!(
            "seed {}: {} draws of {} documents; with 95 % confidence the ledger leaves out at most {bound} of a document's nats, \
             on the mean\n",
            seed.seed, support.draws, seed.documents
        );
    }
    let draws = done.seeds.iter().filter_map(|seed| seed.support).map(|support| support.draws).min().unwrap_or(0);
    if !done.reproduced() {
        return out + &format!("not reproduced (--sample {draws} --nonce '{}')\n", one_line(nonce));
    }
    out + &format!(
        "reproduced: every drawn document agrees (--sample {draws} --nonce '{}'); were a share f misreported, this sample would \
         show none with a chance of (1 − f)^{draws}, {:.3} % at f = 1 %, and a share of {:.2} % or more would have shown with 95 % \
         confidence\n",
        one_line(nonce),
        100.0 * sample::missed(0.01, draws),
        100.0 * sample::share_excluded(draws),
    )
}
