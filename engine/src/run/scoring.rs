//! The last phase: scoring what the model file holds, with every mode of the recipe. A mode that is finished is not done
//! again, and documents that test-time training has scored are kept: no document's score depends on another.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::Device;

use super::{Context, Phase, State, files};
use crate::evaluate::ledger::LedgerRow;
use crate::evaluate::{self, Totals, ValData, ledger};
use crate::log::Event;
use crate::model::Gpt;
use crate::quant::container;
use crate::recipe::{EvalMode, QuantRecipe, Recipe};
use crate::{Error, Result};

/// Name of the metric lines of a mode, for a model reloaded from its model file: the baseline's own for its format, and those
/// of PR #1530's family for every other.
pub fn metric_name(quant: &QuantRecipe, mode: EvalMode) -> &'static str {
    match (quant.is_int8_zlib(), mode) {
        (true, EvalMode::Full) => "final_int8_zlib_roundtrip",
        (true, EvalMode::Sliding) => "final_int8_sliding_window",
        (true, EvalMode::Ttt) => "final_int8_ttt_lora",
        (false, EvalMode::Full) => "quantized",
        (false, EvalMode::Sliding) => "quantized_sliding_window",
        (false, EvalMode::Ttt) => "quantized_ttt_lora",
    }
}

/// Scores the model file, the mode that gives the score last.
pub(super) fn score(ctx: &mut Context, state: &mut State, val: &ValData, on: Device) -> Result<()> {
    let name = state.model.clone().ok_or_else(|| {
        Error::format(ctx.dir.join(files::STATE), "it names no model file; delete the run directory to start over")
    })?;
    let (quantized, recipe) = container::read(&ctx.dir.join(name))?;
    let model = Gpt::new(&recipe.model, quantized.dequantize()?, on)?;
    for mode in recipe.eval.modes() {
        if state.scored.contains(&mode) {
            continue;
        }
        let (rows, eval_ms) = score_mode(ctx, &model, val, &recipe, mode)?;
        let digest =
            if mode == recipe.eval.mode { Some(ledger::write(&ctx.dir.join(files::LEDGER), &rows)?) } else { None };
        for line in score_lines(metric_name(&recipe.quant, mode), mode, &rows, eval_ms, digest.as_deref()) {
            ctx.log(&line)?;
        }
        state.scored.push(mode);
        ctx.finish(state, Phase::Quantized)?;
        let _ = std::fs::remove_file(ctx.dir.join(files::SCORING)); // no longer needed; another mode's is not taken up
    }
    Ok(())
}

fn score_mode(
    ctx: &mut Context,
    model: &Gpt,
    val: &ValData,
    recipe: &Recipe,
    mode: EvalMode,
) -> Result<(Vec<LedgerRow>, f64)> {
    let mut partial = Partial::open(ctx.dir.join(files::SCORING), mode)?;
    let left: Vec<usize> = val.documents.iter().map(|d| d.index).filter(|&doc| !partial.holds(doc)).collect();
    let before = Totals::of(&partial.rows);
    if !partial.rows.is_empty() {
        ctx.log(&format!("{}:resumed documents:{} of {}", mode.as_str(), partial.rows.len(), val.documents.len()))?;
    }
    let (start, of) = (Instant::now(), val.targets() as u64);
    let (observer, stop, spent_ms) = (&mut *ctx.observer, ctx.stop, partial.ms);
    let elapsed_ms = || spent_ms + start.elapsed().as_secs_f64() * 1000.0;
    let docs = (!partial.rows.is_empty()).then_some(left.as_slice());
    let scored = evaluate::evaluate(model, val, &recipe.eval, mode, docs, &mut |progress| {
        partial.add(&progress.rows, elapsed_ms())?;
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let totals = before.plus(&progress.totals);
        observer.on(&Event::Scoring { mode: mode.as_str(), tokens: totals.tokens, of, val_bpb: totals.val_bpb() });
        Ok(())
    })?;
    let mut rows = partial.rows;
    rows.retain(|row| !left.contains(&(row.doc as usize)));
    rows.extend(scored.rows);
    rows.sort_by_key(|row| row.doc);
    Ok((rows, elapsed_ms()))
}

/// Documents that an unfinished evaluation has scored, in a file of one line a batch.
struct Partial {
    path: PathBuf,
    mode: EvalMode,
    rows: Vec<LedgerRow>,
    /// Milliseconds that they took.
    ms: f64,
    file: Option<File>,
}

#[derive(Serialize, Deserialize)]
struct PartialLine {
    mode: EvalMode,
    ms: f64,
    rows: Vec<LedgerRow>,
}

impl Partial {
    /// What an earlier call left. A last line that a kill cut short is not counted, and neither is what another mode left.
    fn open(path: PathBuf, mode: EvalMode) -> Result<Partial> {
        let mut partial = Partial { path, mode, rows: Vec::new(), ms: 0.0, file: None };
        if mode != EvalMode::Ttt {
            return Ok(partial);
        }
        let lines = match File::open(&partial.path) {
            Ok(file) => BufReader::new(file).lines(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(partial),
            Err(e) => return Err(Error::io(&partial.path, "opening")(e)),
        };
        for line in lines.map_while(std::result::Result::ok) {
            let Ok(line) = serde_json::from_str::<PartialLine>(&line) else { break };
            if line.mode != mode {
                break;
            }
            partial.ms = line.ms;
            partial.rows.extend(line.rows);
        }
        partial.rewrite()?;
        Ok(partial)
    }

    fn holds(&self, doc: usize) -> bool {
        self.rows.iter().any(|row| row.doc == doc as u64)
    }

    /// Begins the file anew with what was read of it.
    fn rewrite(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        self.file = Some(File::create(&self.path).map_err(Error::io(&self.path, "creating"))?);
        if !rows.is_empty() {
            self.put(&rows, self.ms)?;
        }
        self.rows = rows;
        Ok(())
    }

    /// Keeps `rows`, scored by now.
    fn add(&mut self, rows: &[LedgerRow], ms: f64) -> Result<()> {
        if rows.is_empty() { Ok(()) } else { self.put(rows, ms) }
    }

    fn put(&mut self, rows: &[LedgerRow], ms: f64) -> Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut options = OpenOptions::new();
                options.create(true).append(true).open(&self.path).map_err(Error::io(&self.path, "opening"))?
            }
        };
        let line = PartialLine { mode: self.mode, ms, rows: rows.to_vec() };
        let text = serde_json::to_string(&line).map_err(|e| Error::format(&self.path, e.to_string()))?;
        file.write_all(format!("{text}\n").as_bytes()).map_err(Error::io(&self.path, "writing"))?;
        self.file = Some(file);
        Ok(())
    }
}

/// The official lines of a score, and the ledger's where one was written.
pub fn score_lines(name: &str, mode: EvalMode, rows: &[LedgerRow], eval_ms: f64, digest: Option<&str>) -> Vec<String> {
    let totals = Totals::of(rows);
    let (val_loss, val_bpb) = (totals.val_loss(), totals.val_bpb());
    let mut lines = vec![
        format!("{name} val_loss:{val_loss:.4} val_bpb:{val_bpb:.4} eval_time:{eval_ms:.0}ms"),
        format!("{name}_exact val_loss:{val_loss:.8} val_bpb:{val_bpb:.8}"),
    ];
    if let Some(digest) = digest {
        lines.push(format!(
            "ledger:{} documents:{} tokens:{} bytes:{} sha256:{digest}",
            mode.as_str(),
            rows.len(),
            totals.tokens,
            totals.bytes
        ));
    }
    lines
}

/// The one model file of a run directory, as its state names it.
///
/// # Errors
/// When nothing was quantized there yet.
pub fn model_path(dir: &Path) -> Result<PathBuf> {
    let state = State::read(dir)?;
    let name = state.and_then(|state| state.model);
    name.map(|name| dir.join(name))
        .ok_or_else(|| Error::format(dir, "holds no model file yet; let the run go on first"))
}
