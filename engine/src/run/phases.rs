//! The phases of a run, each from the files of the one before to its own.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tch::Device;

use super::{Context, files};
use crate::data::DataSet;
use crate::evaluate::{self, ValData, ledger};
use crate::log::{Event, RULE};
use crate::model::{Gpt, spec};
use crate::quant::{self, container};
use crate::recipe::{EvalMode, TokenizerKind};
use crate::{Error, Result, checkpoint, device};

/// The head of the log: the resolved recipe, versions, hardware, and the baseline's own opening lines.
pub(super) fn head(ctx: &mut Context, data: &DataSet, val: &ValData, on: Device) -> Result<()> {
    let recipe = ctx.recipe.clone();
    for line in recipe.to_toml().lines() {
        ctx.log(line)?;
    }
    let (m, o, t) = (&recipe.model, &recipe.optim, &recipe.train);
    let tokenizer = match (&recipe.data.tokenizer, &data.tokenizer) {
        (TokenizerKind::Byte260, _) => "tokenizer_kind=byte260".to_owned(),
        (_, path) => {
            let name = path.as_deref().and_then(Path::file_name).unwrap_or_default();
            format!("tokenizer_kind=sentencepiece tokenizer_path={}", name.display())
        }
    };
    let (embed_lr, head_lr) = if m.tie_embeddings { (o.tied_embed_lr, 0.0) } else { (o.embed_lr, o.head_lr) };
    let tied = if m.tie_embeddings { "True" } else { "False" };
    let attention = if m.num_kv_heads == m.num_heads { "mha" } else { "gqa" };
    for line in [
        RULE.to_owned(),
        format!("Running caddie-engine {}", env!("CARGO_PKG_VERSION")),
        format!("Running PyTorch {}", crate::LIBTORCH_VERSION),
        format!("hardware: {}", device::describe(on)),
        RULE.to_owned(),
        format!("val_bpb:enabled {tokenizer}"),
        format!("train_loader:dataset:{} train_shards:{}", data.name, data.train.len()),
        format!("val_loader:shards pattern=fineweb_val_*.bin tokens:{}", val.targets()),
        format!("model_params:{}", spec::num_parameters(m)),
        format!("world_size:1 grad_accum_steps:{}", t.grad_accum_steps),
        format!("attention_mode:{attention} num_heads:{} num_kv_heads:{}", m.num_heads, m.num_kv_heads),
        format!(
            "tie_embeddings:{tied} embed_lr:{embed_lr} head_lr:{head_lr} matrix_lr:{} scalar_lr:{}",
            o.matrix_lr, o.scalar_lr
        ),
        format!(
            "train_batch_tokens:{} train_seq_len:{} iterations:{} warmup_steps:{} max_wallclock_seconds:{:.3}",
            t.train_batch_tokens, t.train_seq_len, t.iterations, t.warmup_steps, t.max_wallclock_seconds
        ),
        format!("seed:{}", ctx.seed),
    ] {
        ctx.log(&line)?;
    }
    Ok(())
}

pub(super) fn save_checkpoint(ctx: &mut Context, model: &Gpt) -> Result<()> {
    let path = ctx.dir.join(files::CHECKPOINT);
    let bytes = checkpoint::save(&path, model.parameters(), &ctx.identity())?;
    ctx.log(&format!("Serialized model: {bytes} bytes"))
}

/// Quantises the checkpoint file into the model file.
pub(super) fn quantise(ctx: &mut Context, code_bytes: u64) -> Result<()> {
    let from = ctx.dir.join(files::CHECKPOINT);
    let (state, _) = checkpoint::load(&from)?;
    let full_bytes = checkpoint::state_bytes(&state);
    let model = quant::quantize(&state, &ctx.recipe.quant).map_err(|error| match error {
        Error::Parameter { name, reason } => Error::Parameter { name: format!("{name} of {}", from.display()), reason },
        other => other,
    })?;
    let path = ctx.dir.join(files::MODEL);
    let bytes = container::write(&path, &model, &ctx.recipe)?;
    let payload = model.payload_bytes();
    ctx.log(&format!("Code size: {code_bytes} bytes"))?;
    ctx.log(&format!(
        "Serialized model int8+zlib: {bytes} bytes (payload:{payload} raw_torch:{full_bytes} payload_ratio:{:.2}x)",
        full_bytes as f64 / payload as f64
    ))?;
    ctx.log(&format!("Total submission size int8+zlib: {} bytes", code_bytes + bytes))
}

/// Name of the metric lines of a mode, for a model reloaded from its quantised file.
pub fn metric_name(mode: EvalMode) -> &'static str {
    match mode {
        EvalMode::Full => "final_int8_zlib_roundtrip",
        EvalMode::Sliding => "final_int8_sliding_window",
        EvalMode::Ttt => "final_int8_ttt_lora",
    }
}

/// Scores the model that the model file holds, with every mode of the recipe; the last one gives the ledger.
pub(super) fn score(ctx: &mut Context, val: &ValData, on: Device) -> Result<()> {
    let (quantised, recipe) = container::read(&ctx.dir.join(files::MODEL))?;
    let model = Gpt::new(&recipe.model, quantised.dequantize()?, on)?;
    let modes: Vec<EvalMode> =
        recipe.eval.also.iter().copied().filter(|&m| m != recipe.eval.mode).chain([recipe.eval.mode]).collect();
    for mode in modes {
        let start = Instant::now();
        let of = val.targets() as u64;
        let (observer, stop) = (&mut *ctx.observer, ctx.stop);
        let scored = evaluate::evaluate(&model, val, &recipe.eval, mode, None, &mut |totals| {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let (tokens, val_bpb) = (totals.tokens, totals.val_bpb());
            observer.on(&Event::Scoring { mode: mode.as_str(), tokens, of, val_bpb });
            Ok(())
        })?;
        let eval_ms = start.elapsed().as_secs_f64() * 1000.0;
        let digest = if mode == recipe.eval.mode {
            Some(ledger::write(&ctx.dir.join(files::LEDGER), &scored.rows)?)
        } else {
            None
        };
        for line in score_lines(metric_name(mode), &scored, eval_ms, digest.as_deref()) {
            ctx.log(&line)?;
        }
    }
    Ok(())
}

/// The official lines of a score, and the ledger's where one was written.
pub fn score_lines(name: &str, score: &evaluate::Score, eval_ms: f64, digest: Option<&str>) -> Vec<String> {
    let totals = evaluate::Totals::of(&score.rows);
    let (val_loss, val_bpb) = (totals.val_loss(), totals.val_bpb());
    let mut lines = vec![
        format!("{name} val_loss:{val_loss:.4} val_bpb:{val_bpb:.4} eval_time:{eval_ms:.0}ms"),
        format!("{name}_exact val_loss:{val_loss:.8} val_bpb:{val_bpb:.8}"),
    ];
    if let Some(digest) = digest {
        lines.push(format!(
            "ledger:{} documents:{} tokens:{} bytes:{} sha256:{digest}",
            score.mode.as_str(),
            score.rows.len(),
            totals.tokens,
            totals.bytes
        ));
    }
    lines
}
