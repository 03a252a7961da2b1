//! The last phase: scores the model file with every mode of the recipe. A finished mode is not repeated, and documents
//! that test-time training has scored are kept, because no document's score depends on another.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
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
use crate::recipe::{EvalMode, Recipe};
use crate::{Error, Result};
use caddie_format::sha256;

/// Returns the name of the metric lines of a mode, for a model reloaded from its model file: the baseline's own for its
/// format, and those of PR #1530's family for every other.
pub fn metric_name(recipe: &Recipe, mode: EvalMode) -> &'static str {
    let carried = recipe.eval.ogd().ogd_carried;
    match (recipe.quant.is_int8_zlib(), mode) {
        (true, EvalMode::Full) => "final_int8_zlib_roundtrip",
        (true, EvalMode::Sliding) => "final_int8_sliding_window",
        (true, EvalMode::Ttt) => "final_int8_ttt_lora",
        (true, EvalMode::Ogd) if carried => "final_int8_ogd_across_documents",
        (true, EvalMode::Ogd) => "final_int8_ogd",
        (false, EvalMode::Full) => "quantized",
        (false, EvalMode::Sliding) => "quantized_sliding_window",
        (false, EvalMode::Ttt) => "quantized_ttt_lora",
        (false, EvalMode::Ogd) if carried => "quantized_ogd_across_documents",
        (false, EvalMode::Ogd) => "quantized_ogd",
    }
}

/// Scores the model file, the mode that gives the score last.
pub(super) fn score(ctx: &mut Context, state: &mut State, val: &ValData, on: Device) -> Result<()> {
    let name = state.model.clone().ok_or_else(|| {
        Error::format(ctx.dir.join(files::STATE), "it names no model file; delete the run directory to start over")
    })?;
    let path = ctx.dir.join(name);
    let model_sha256 = sha256(&std::fs::read(&path).map_err(Error::io(&path, "reading"))?);
    let (quantized, recipe) = container::read(&path)?;
    crate::shim::empty_cache()?;
    let model = Gpt::new(&recipe.model, quantized.dequantize()?, on)?.with_start(quantized.start()?);
    for mode in recipe.eval.modes() {
        if state.scored.contains(&mode) {
            continue;
        }
        let (rows, eval_ms) = score_mode(ctx, (&model, &model_sha256), val, &recipe, mode)?;
        let digest =
            if mode == recipe.eval.mode { Some(ledger::write(&ctx.dir.join(files::LEDGER), &rows)?) } else { None };
        for line in score_lines(metric_name(&recipe, mode), mode, &rows, eval_ms, digest.as_deref()) {
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
    (model, model_sha256): (&Gpt, &str),
    val: &ValData,
    recipe: &Recipe,
    mode: EvalMode,
) -> Result<(Vec<LedgerRow>, f64)> {
    let device = if model.device().is_cuda() { "cuda" } else { "cpu" };
    let of = Scored { mode, model: model_sha256.to_owned(), device: device.to_owned() };
    let keep = recipe.eval.reads_documents_alone(mode);
    let mut partial = Partial::open(ctx.dir.join(files::SCORING), of, keep)?;
    let held: HashSet<u64> = partial.rows.iter().map(|row| row.doc).collect();
    let left: Vec<usize> = val.documents.iter().map(|d| d.index).filter(|&doc| !held.contains(&(doc as u64))).collect();
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
    rows.extend(scored.rows);
    rows.sort_by_key(|row| row.doc);
    Ok((rows, elapsed_ms()))
}

/// Documents that an unfinished evaluation has scored, in a file of one line per batch.
struct Partial {
    path: PathBuf,
    /// The facts besides the recipe on which the scores depend.
    of: Scored,
    rows: Vec<LedgerRow>,
    /// Milliseconds that the rows took.
    ms: f64,
    file: Option<File>,
}

/// The identity of the scores: rows of another model, mode or kind of device are never used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Scored {
    mode: EvalMode,
    /// SHA-256 of the model file.
    model: String,
    device: String,
}

#[derive(Serialize, Deserialize)]
struct PartialLine {
    of: Scored,
    ms: f64,
    rows: Vec<LedgerRow>,
}

impl Partial {
    /// Opens the scores that an earlier call left. A last line that a kill cut short is removed, and so are scores of
    /// another model or mode.
    fn open(path: PathBuf, of: Scored, keep: bool) -> Result<Partial> {
        let mut partial = Partial { path, of, rows: Vec::new(), ms: 0.0, file: None };
        if !keep {
            return Ok(partial);
        }
        let path = &partial.path;
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(Error::io(path, "opening"))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(Error::io(path, "reading"))?;
        let mut whole = 0;
        for line in text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            let Ok(read) = serde_json::from_slice::<PartialLine>(line) else { break };
            if read.of != partial.of {
                break;
            }
            partial.ms = read.ms;
            partial.rows.extend(read.rows);
            whole += line.len() as u64;
        }
        file.set_len(whole).map_err(Error::io(path, "truncating"))?;
        file.seek(SeekFrom::End(0)).map_err(Error::io(path, "reading"))?;
        partial.file = Some(file);
        Ok(partial)
    }

    /// Keeps `rows`, which are now scored.
    fn add(&mut self, rows: &[LedgerRow], ms: f64) -> Result<()> {
        let Some(file) = self.file.as_mut().filter(|_| !rows.is_empty()) else { return Ok(()) };
        let line = PartialLine { of: self.of.clone(), ms, rows: rows.to_vec() };
        let text = serde_json::to_string(&line).map_err(|e| Error::format(&self.path, e.to_string()))?;
        file.write_all(format!("{text}\n").as_bytes()).map_err(Error::io(&self.path, "writing"))
    }
}

/// Returns the official lines of a score, and the ledger's where one was written.
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
