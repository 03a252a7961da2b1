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
use crate::runner::compared::ModelResult;
use crate::runner::reproduce::{ArtifactReproduction, ArtifactRequest, reproduce};
use crate::runner::sample;
use crate::runner::tolerance::Tolerance;
use caddie_files::text::one_line;

/// Reproduces, and prints the comparison and the verdict.
pub fn run(request: &ArtifactRequest, format: ReproduceFormat) -> Result<u8> {
    let watch =
        |seed: i64| Box::new(Progress::new(SeedView::alone(&format!("seed {seed}")), false)) as Box<dyn Observer>;
    let done = reproduce(request, watch)?;
    let nonce = request.sample.as_ref().map(|sample| sample.nonce.as_str());
    match format {
        ReproduceFormat::Plain => super::terminal::show(&text(&done, nonce))?,
        ReproduceFormat::Json => super::print(&json(&done, nonce))?,
    }
    Ok(if done.reproduced() { exit::OK } else { exit::FINDINGS })
}

/// Writes the result in the form of docs/reproduce.schema.json.
fn json(done: &ArtifactReproduction, nonce: Option<&str>) -> String {
    let seed = |seed: &ModelResult| {
        json!({
            "seed": seed.seed,
            "ledger_device": seed.ledger_device,
            "tolerance": seed.tolerance,
            "documents": seed.documents,
            "compared": seed.compared,
            "identical": seed.identical,
            "largest": seed.largest,
            "largest_doc": seed.largest_doc,
            "mean_difference": seed.mean_difference,
            "differing": seed.differing,
            "claimed_bpb": seed.claimed_bpb,
            "val_bpb": seed.val_bpb,
            "reproduced": seed.reproduced(),
            "support": seed.support.map(|of| json!({ "draws": of.draws, "understated": of.understated })),
        })
    };
    let value = json!({
        "schema_version": 1,
        "name": done.manifest.name,
        "device": done.device,
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
    out += &devices(done);
    done.seeds.iter().for_each(|seed| out += &findings(seed));
    for seed in &done.foreign_ledgers {
        out += &format!("seed {seed}: the folder's ledger is not the artifact's\n");
    }
    out + &match nonce {
        Some(nonce) => supported(done, nonce),
        None if done.reproduced() => {
            "reproduced: every document agrees with its ledger; caddie verify compares a folder's claims \
                                      with the ledgers\n"
                .to_owned()
        }
        None => "not reproduced\n".to_owned(),
    }
}

/// Where the ledgers were made and where they are recomputed, and what that lets them differ by.
fn devices(done: &ArtifactReproduction) -> String {
    let Some(seed) = done.seeds.first() else { return String::new() };
    let stated =
        seed.ledger_device.as_deref().map(|name| format!("{} (as the ledger's author states)", one_line(name)));
    let ledger = stated.unwrap_or_else(|| "the ledger's is not stated".to_owned());
    let pair = match seed.tolerance {
        Tolerance::Devices { pair, .. } => format!("\n           {}", pair.says()),
        Tolerance::Given { .. } => String::new(),
    };
    format!("devices    {ledger}; {} (here){pair}\ntolerance  {}\n", done.device, seed.tolerance.says())
}

/// What of a seed does not agree, and how little the rest differs where it is not identical.
fn findings(seed: &ModelResult) -> String {
    let mut out = String::new();
    if !seed.differing.is_empty() {
        let named: Vec<String> = seed.differing.iter().take(10).map(u64::to_string).collect();
        let more = seed.differing.len().saturating_sub(named.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        out += &format!("seed {}: documents {}{more} differ\n", seed.seed, named.join(", "));
    }
    if seed.largest > 0.0 {
        let verdict = if seed.mean_agrees() { "" } else { ", more than rounding" };
        out += &format!(
            "seed {}: recomputed less claimed is {:+.2e} nats a token on the mean{verdict}, at most {:.2e} for one document\n",
            seed.seed, seed.mean_difference, seed.largest
        );
    }
    let unmeasured = matches!(seed.tolerance, Tolerance::Devices { pair, .. } if !pair.is_measured());
    if !seed.reproduced() && unmeasured {
        out += &format!("seed {}: compare on a device of the ledger's kind before you call a row wrong\n", seed.seed);
    }
    out
}

/// What draws by the ledgers' digests and a nonce support.
fn supported(done: &ArtifactReproduction, nonce: &str) -> String {
    let mut out = String::new();
    for seed in &done.seeds {
        let Some(support) = seed.support else { continue };
        if seed.compared == seed.documents {
            out += &format!("seed {}: the draws hold all {} documents\n", seed.seed, seed.documents);
            continue;
        }
        let bound =
            support.understated.map_or("an unknown share".to_owned(), |bound| format!("{:.2} %", 100.0 * bound));
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
    if done.seeds.iter().all(|seed| seed.compared == seed.documents) {
        return out + &format!("reproduced: every document agrees (--sample {draws} --nonce '{}')\n", one_line(nonce));
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
