//! `caddie inspect`.

use caddie_engine::quant::inspect::{ModelReport, TensorReport, inspect};
use camino::{Utf8Path, Utf8PathBuf};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::rulebook_option::RulebookOption;
use crate::error::exit;
use crate::render::figures;
use caddie_files::Error;
use caddie_files::text::thousands;

/// Show the contents of a model file or checkpoint, and each tensor's share of the byte budget
///
/// Nothing in the file is executed; a file that is truncated, altered or declares more than it can hold is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  caddie inspect runs/demo/seed-42/model.int8.zlib\n  \
                        caddie inspect checkpoint.safetensors --format json\n  \
                        caddie inspect model.int8.zlib --cap 300000\n  \
                        caddie inspect model.int8.zlib --svg bytes.svg")]
pub struct InspectArgs {
    /// A model file written by caddie, or a safetensors checkpoint
    model: Utf8PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value = "plain")]
    format: InspectFormat,
    /// The budget that the shares refer to, in decimal bytes of code and model together [default: the rulebook's]
    #[arg(long, value_name = "BYTES", value_parser = super::bytes)]
    cap: Option<u64>,
    /// Write the bytes by class of tensor as a figure (SVG) to this file
    #[arg(long, value_name = "FILE")]
    svg: Option<Utf8PathBuf>,
    #[command(flatten)]
    rulebook: RulebookOption,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum InspectFormat {
    Plain,
    Json,
}

/// Reads the file and prints its table.
pub fn run(args: &InspectArgs) -> crate::Result<u8> {
    let cap = args.cap.map_or_else(|| args.rulebook.load().map(|book| book.limits_of(None).artifact_bytes), Ok)?;
    if args.model.is_dir() {
        let reason = "a folder; name a model file in it, or caddie audit FOLDER for every one";
        return Err(Error::unreadable(&args.model, reason).into());
    }
    // The engine opens whatever it is given, and a pipe would be waited for.
    caddie_files::regular(&args.model)?;
    let report = inspect(args.model.as_std_path(), cap).inspect_err(|_| {
        eprintln!(
            "note: caddie audit {} shows the tensors of files of other formats",
            super::shown(args.model.as_str())
        );
    })?;
    if let Some(path) = &args.svg {
        let tensors = report.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.compressed));
        let figure = figures::by_class(&figures::classes(tensors));
        let figure = figure.ok_or_else(|| Error::unreadable(&args.model, "holds no tensors to draw"))?;
        fs_err::write(path, figure).map_err(Error::io(path, "writing"))?;
    }
    match args.format {
        InspectFormat::Plain => super::terminal::show(&plain(&report))?,
        InspectFormat::Json => super::print(&json(&args.model, &report)?)?,
    }
    Ok(exit::OK)
}

fn plain(report: &ModelReport) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["tensor", "shape", "stored as", "bits", "bytes", "compressed", "of budget"]);
    table.add_rows(report.tensors.iter().map(row));
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        column.set_cell_alignment(if i < 3 { CellAlignment::Left } else { CellAlignment::Right });
    }
    let file = match report.file_bytes.checked_sub(report.cap) {
        None | Some(0) => format!("{} left for code", thousands(report.cap - report.file_bytes)),
        Some(over) => format!("{} over it", thousands(over)),
    };
    format!(
        "{}\n\n{} tensors, {} parameters, {} bytes before compression\n\
         {} file: {} bytes, {:.2} % of the budget of {} bytes ({file})\n\
         compressed: each tensor alone by the compressor of the file (zlib for a checkpoint), an estimate of its part of a file that is one stream\n",
        table.trim_fmt(),
        report.tensors.len(),
        thousands(report.parameters),
        thousands(report.payload_bytes),
        report.format,
        thousands(report.file_bytes),
        100.0 * report.share,
        thousands(report.cap),
    )
}

fn row(tensor: &TensorReport) -> [String; 7] {
    let shape: Vec<String> = tensor.shape.iter().map(i64::to_string).collect();
    [
        // The name is a stranger's text: control characters must not reach the terminal.
        tensor.name.escape_debug().to_string(),
        format!("[{}]", shape.join(", ")),
        tensor.scheme.clone(),
        tensor.bits.to_string(),
        thousands(tensor.bytes),
        thousands(tensor.compressed),
        format!("{:.3} %", 100.0 * tensor.share),
    ]
}

fn json(path: &Utf8Path, report: &ModelReport) -> caddie_files::Result<String> {
    #[derive(Serialize)]
    struct InspectDocument<'a> {
        schema_version: u32,
        path: &'a Utf8Path,
        #[serde(flatten)]
        report: &'a ModelReport,
    }
    serde_json::to_string_pretty(&InspectDocument { schema_version: 1, path, report })
        .map(|text| text + "\n")
        .map_err(|e| caddie_files::Error::Internal(format!("the report of {path} as JSON: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ModelReport {
        ModelReport {
            format: "caddie-model",
            tensors: vec![TensorReport {
                name: "tok_emb\u{1b}[31m.weight".to_owned(),
                shape: vec![1024, 512],
                scheme: "int_per_row".to_owned(),
                bits: 8,
                bytes: 526_336,
                compressed: 480_000,
                share: 0.03,
            }],
            parameters: 524_288,
            payload_bytes: 526_336,
            file_bytes: 480_100,
            cap: 16_000_000,
            share: 480_100.0 / 16e6,
            recipe: None,
        }
    }

    #[test]
    fn the_table_states_shape_bits_bytes_and_share_and_no_control_character() {
        let text = plain(&report());
        for part in ["[1024, 512]", "int_per_row", "526,336", "480,000", "3.000 %", "15,519,900 left for code"] {
            assert!(text.contains(part), "{part} is missing from:\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_file_over_the_budget_says_by_how_much() {
        let over = ModelReport { cap: 400_000, ..report() };
        assert!(plain(&over).contains("80,100 over it"));
    }

    #[test]
    fn json_carries_path_version_and_every_field() {
        let value: serde_json::Value = serde_json::from_str(&json("m".into(), &report()).unwrap()).unwrap();
        assert_eq!((value["schema_version"].as_u64(), value["path"].as_str()), (Some(1), Some("m")));
        assert_eq!(value["tensors"][0]["shape"], serde_json::json!([1024, 512]));
        assert_eq!(value["file_bytes"], 480_100);
    }
}
