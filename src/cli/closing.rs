//! The table that closes a submission, whatever was run for it.

use camino::Utf8Path;
use comfy_table::{CellAlignment, Table, presets};

use crate::artifact::Limits;
use crate::fixture::SourceReport;
use crate::render::numbers;
use crate::render::results::Results;
use crate::report::{FolderReport, Severity, Verdict};
use crate::runner::script::SubmittedScript;
use caddie_files::exit;
use caddie_files::text::thousands;

/// The closing report on a submission.
pub struct Closing<'a> {
    pub results: &'a Results,
    pub limits: &'a Limits,
    pub report: &'a FolderReport,
    /// The known floor, when the data come from `caddie fixture`.
    pub source: Option<&'a SourceReport>,
    /// Length of the `train_gpt.py` that ships.
    pub script_bytes: u64,
    /// Further notes for the submitter.
    pub notes: &'a [String],
    pub folder: &'a Utf8Path,
    pub pull_request: &'a Utf8Path,
    pub artifact: Option<&'a Utf8Path>,
}

impl<'a> Closing<'a> {
    /// The report on a submission of a script.
    pub fn of_script(done: &'a SubmittedScript) -> Closing<'a> {
        let facts = &done.rendered.facts;
        Closing {
            results: &facts.results,
            limits: &facts.limits,
            report: &done.report,
            source: done.source.as_ref(),
            script_bytes: facts.script_bytes,
            notes: &facts.notes,
            folder: &done.rendered.folder,
            pull_request: &done.rendered.pull_request,
            artifact: done.rendered.artifact.as_deref(),
        }
    }
}

impl Closing<'_> {
    /// The closing table and what follows it.
    pub fn text(&self) -> String {
        let results = self.results;
        let mut out = self.table();
        out += &format!("\nscore        {} of {}\n", numbers::headline(results.val_bpb.mean), results.metric);
        for other in &results.others {
            let (delta, bpb) = (numbers::delta(other.delta), numbers::headline(other.val_bpb));
            out += &format!("             {delta} against {bpb} of {}\n", other.metric);
        }
        if let Some(source) = self.source {
            let (floor, reached) = (source.val_bits_per_byte, results.val_bpb.mean);
            let gap = reached - floor;
            out += &format!("source       floor {floor:.4}, reached {reached:.4}, gap {gap:.4} bits per byte\n");
        }
        out += &format!("verify       {}\n", verdict(self.report));
        for finding in self.report.findings.iter().filter(|finding| finding.severity > Severity::Info) {
            out += &format!("             {}: {}\n", finding.rule, finding.message);
        }
        for note in self.notes {
            out += &format!("note         {note}\n");
        }
        out += &format!("code         {} bytes of train_gpt.py\n", thousands(self.script_bytes));
        out += &format!("folder       {}\n", self.folder);
        out += &format!("pull request {}\n", self.pull_request);
        if let Some(artifact) = self.artifact {
            out += &format!("artifact     {artifact}\n");
        }
        out
    }

    /// One line a seed, then their mean and deviation.
    fn table(&self) -> String {
        let (results, limit) = (self.results, i128::from(self.limits.bytes_total));
        let unknown = || "?".to_owned();
        let seconds = |value: Option<f64>| value.map_or_else(unknown, numbers::seconds);
        let score = |value: Option<f64>| value.map_or_else(unknown, numbers::score);
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(["seed", "val_bpb", "val_loss", "train s", "eval s", "bytes", "headroom"]);
        for run in &results.runs {
            table.add_row([
                run.seed.to_string(),
                numbers::score(run.val_bpb),
                score(run.val_loss),
                seconds(run.train_seconds),
                seconds(run.eval_seconds),
                run.bytes_total.map_or_else(unknown, thousands),
                run.bytes_total.map_or_else(unknown, |bytes| thousands(limit - i128::from(bytes))),
            ]);
        }
        let std = |std: Option<f64>| std.map_or("one seed".to_owned(), |std| format!("± {}", numbers::score(std)));
        let loss = results.val_loss;
        table.add_row(["mean".to_owned(), numbers::score(results.val_bpb.mean), score(loss.map(|loss| loss.mean))]);
        table.add_row(["std".to_owned(), std(results.val_bpb.std), loss.map_or_else(unknown, |loss| std(loss.std))]);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// Findings when the folder has an error.
    pub fn exit_code(&self) -> u8 {
        let failed = self.report.findings.iter().any(|finding| finding.severity >= Severity::Error);
        if failed { exit::FINDINGS } else { exit::OK }
    }
}

fn verdict(report: &FolderReport) -> String {
    let count = |severity, word: &str| {
        let count = report.findings.iter().filter(|finding| finding.severity == severity).count();
        format!("{count} {word}{}", if count == 1 { "" } else { "s" })
    };
    let word = match report.verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
        Verdict::Unknown => "unknown",
    };
    format!("{word} ({}, {})", count(Severity::Error, "error"), count(Severity::Warning, "warning"))
}
