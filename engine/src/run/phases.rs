//! The phases of a run. Each reads the files of the one before and writes its own.

use caddie_format::atomic;
use std::path::Path;
use std::time::Instant;

use tch::{Device, Tensor};

use super::export::{ExportSource, Exported, export};
use super::{Context, Phase, State, files, start};
use crate::data::{DataSet, calibration_rows};
use crate::evaluate::{ValData, full};
use crate::log::RULE;
use crate::model::{Gpt, num_parameters};
use crate::quant::Observed;
use crate::quant::calibrate::{Calibration, calibrate};
use crate::recipe::TokenizerKind;
use crate::train::{Trained, open_training_data};
use crate::{Error, Recipe, Result, checkpoint, device};

/// The head of the log: the resolved recipe, versions, hardware, and the baseline's own opening lines.
pub(super) fn head(ctx: &mut Context, data: &DataSet, val: &ValData, on: Device) -> Result<()> {
    let recipe = ctx.recipe.clone();
    for line in recipe.to_toml().lines() {
        ctx.log(line)?;
    }
    let (m, t) = (&recipe.model, &recipe.train);
    let tokenizer = match (&recipe.data.tokenizer, &data.tokenizer) {
        (TokenizerKind::Byte260, _) => "tokenizer_kind=byte260".to_owned(),
        (_, path) => {
            let name = path.as_deref().and_then(Path::file_name).unwrap_or_default();
            format!("tokenizer_kind=sentencepiece tokenizer_path={}", name.display())
        }
    };
    let mut lines = vec![
        RULE.to_owned(),
        format!("Running caddie-engine {}", env!("CARGO_PKG_VERSION")),
        format!("Running PyTorch {}", crate::LIBTORCH_VERSION),
        format!("hardware: {}", device::describe(on)),
        RULE.to_owned(),
        format!("val_bpb:enabled {tokenizer}"),
        format!("train_loader:dataset:{} train_shards:{}", data.name, data.train.len()),
        format!("val_loader:shards pattern=fineweb_val_*.bin tokens:{}", val.targets()),
        format!("model_params:{}", num_parameters(m)?),
        format!("world_size:1 grad_accum_steps:{}", t.grad_accum_steps),
    ];
    lines.extend(attention_and_rates(&recipe)?);
    lines.push(format!(
        "train_batch_tokens:{} train_seq_len:{} iterations:{} warmup_steps:{} max_wallclock_seconds:{:.3}",
        t.train_batch_tokens, t.train_seq_len, t.iterations, t.warmup_steps, t.max_wallclock_seconds
    ));
    if let Some(c) = recipe.quant.calibration.as_ref().filter(|_| t.max_wallclock_seconds > 0.0) {
        let effective = 1000.0 * recipe.training_seconds();
        lines.push(format!("gptq:reserving {:.0}s, effective={effective:.0}ms", c.gptq_reserve_seconds));
    }
    if let Some(start) = recipe.learnt_start().filter(|_| t.max_wallclock_seconds > 0.0) {
        let effective = 1000.0 * recipe.training_seconds();
        lines.push(format!("ttt_start:reserving {:.0}s, effective={effective:.0}ms", start.start_reserve_seconds));
    }
    lines.push(format!("seed:{}", ctx.seed));
    lines.iter().try_for_each(|line| ctx.log(line))
}

fn attention_and_rates(recipe: &Recipe) -> Result<Vec<String>> {
    let adam = &recipe.optim.adam;
    let tie = recipe.model.embedding.tie_embeddings;
    let (embed_lr, head_lr) = if tie { (adam.tied_embed_lr, 0.0) } else { (adam.embed_lr, adam.head_lr) };
    let tied = if tie { "True" } else { "False" };
    let mut lines = Vec::new();
    if let Some(gqa) = &recipe.model.block(0)?.gqa {
        let attention = if gqa.num_kv_heads == gqa.num_heads { "mha" } else { "gqa" };
        let (heads, kv_heads) = (gqa.num_heads, gqa.num_kv_heads);
        lines.push(format!("attention_mode:{attention} num_heads:{heads} num_kv_heads:{kv_heads}"));
    }
    lines.push(format!(
        "tie_embeddings:{tied} embed_lr:{embed_lr} head_lr:{head_lr} matrix_lr:{} scalar_lr:{}",
        recipe.optim.muon.matrix_lr, adam.scalar_lr
    ));
    Ok(lines)
}

/// Writes the checkpoint: the weights, and the thresholds of their symbols where they have any.
pub(super) fn save_checkpoint(ctx: &mut Context, done: &Trained) -> Result<()> {
    let path = ctx.dir.join(files::CHECKPOINT);
    let parameters = done.model.parameters().iter().chain(&done.fits);
    let tensors: Vec<(String, Tensor)> = parameters.map(|(name, t)| (name.clone(), t.shallow_clone())).collect();
    let bytes = checkpoint::save(&path, &tensors, &ctx.identity())?;
    ctx.log(&format!("Serialized model: {bytes} bytes"))
}

/// Scores averaged weights, which the last validation of the training did not see.
fn score_average(ctx: &mut Context, model: &Gpt, val: &ValData, average: &str) -> Result<()> {
    let start = Instant::now();
    let (val_loss, val_bpb) = full::validate(model, val, &ctx.recipe.eval, val.targets(), &mut |_| {
        if ctx.asked_to_stop() { Err(Error::Stopped) } else { Ok(()) }
    })?;
    let eval_ms = start.elapsed().as_secs_f64() * 1000.0;
    ctx.log(&format!(
        "diagnostic pre-quantization post-{average} val_loss:{val_loss:.8} val_bpb:{val_bpb:.8} eval_time:{eval_ms:.0}ms"
    ))
}

/// Quantizes the checkpoint file into the model file.
pub(super) fn quantize(
    ctx: &mut Context,
    state: &mut State,
    (data, val): (&DataSet, &ValData),
    on: Device,
    code_bytes: u64,
) -> Result<()> {
    let from = ctx.dir.join(files::CHECKPOINT);
    let (weights, fits) = crate::quant::q2::split_fits(checkpoint::load(&from)?.0);
    let full_bytes = checkpoint::state_bytes(&weights);
    let model = Gpt::new(&ctx.recipe.model, weights, on)?;
    if let Some(average) = ctx.recipe.optim.average() {
        score_average(ctx, &model, val, average)?;
    }
    let (mut observed, began) = (Observed::default(), Instant::now());
    if ctx.recipe.quant.needs_calibration() {
        observed = calibration(ctx, data, &model, state.train_time_ms)?.into();
    }
    let spent_ms = state.train_time_ms + began.elapsed().as_secs_f64() * 1000.0;
    let start = start::learn(ctx, data, &model, spent_ms)?;
    let source = ExportSource { model: &model, fits: &fits, start, from: &from };
    let Exported { model: exported, file: encoded } = export(ctx, &source, observed, code_bytes)?;
    let name = match &ctx.recipe.quant.q2 {
        Some(_) => "model.q2bn".to_owned(),
        None => format!("model.int{}.{}", ctx.recipe.quant.matrix.bits, encoded.codec.name()),
    };
    let path = ctx.dir.join(&name);
    let bytes = atomic::write(&path, |out| out.write_all(&encoded.bytes).map_err(Error::io(&path, "writing")))?;
    state.model = Some(name);

    ctx.log(&format!("Code size: {code_bytes} bytes"))?;
    if encoded.tried.len() > 1 {
        let sizes: Vec<String> = encoded.tried.iter().map(|(codec, n)| format!("{} {n}", codec.name())).collect();
        ctx.log(&format!("codec:{} is the smallest of {} bytes", encoded.codec.name(), sizes.join(", ")))?;
    }
    let label = if ctx.recipe.quant.is_int8_zlib() { "int8" } else { "quantized" };
    let format = format!("{label}+{}", encoded.codec.name());
    let payload = exported.payload_bytes();
    ctx.log(&format!(
        "Serialized model {format}: {bytes} bytes (payload:{payload} raw_torch:{full_bytes} payload_ratio:{:.2}x)",
        full_bytes as f64 / payload as f64
    ))?;
    ctx.log(&format!("Total submission size {format}: {} bytes", code_bytes + bytes))
}

/// Collects second moments of the inputs, within the rest of the training clock.
fn calibration(ctx: &mut Context, data: &DataSet, model: &Gpt, train_time_ms: f64) -> Result<Calibration> {
    ctx.log("GPTQ:collecting Hessians from calibration data...")?;
    let start = Instant::now();
    let t = &ctx.recipe.train;
    let asked = ctx.recipe.quant.calibration.clone().unwrap_or_default().gptq_calibration_batches as usize;
    let rows = (t.micro_batch_tokens() / t.train_seq_len).max(1) as usize;
    let stream = open_training_data(ctx, data)?;
    let drawn = calibration_rows(&stream, ctx.seed, asked, rows, t.train_seq_len as usize)?;
    let batches = drawn.into_iter().map(|rows| {
        let width = rows.first().map_or(0, Vec::len) as i64;
        Tensor::from_slice(&rows.concat()).view([-1, width])
    });
    let clock = (t.max_wallclock_seconds > 0.0).then(|| t.max_wallclock_seconds - train_time_ms / 1000.0);
    let left = clock.map(|left| left - start.elapsed().as_secs_f64());
    let found = calibrate(model, batches.take_while(|_| !ctx.asked_to_stop()), left)?;
    if ctx.asked_to_stop() {
        return Err(Error::Interrupted { step: ctx.recipe.train.iterations as u64 });
    }
    let seconds = start.elapsed().as_secs_f64();
    ctx.log(&format!("GPTQ:collected {} Hessians in {seconds:.1}s", found.hessians.len()))?;
    if let Some(over) = clock.map(|clock| seconds - clock).filter(|&over| over > 0.0) {
        ctx.log(&format!(
            "GPTQ:training and calibration end {over:.1}s after max_wallclock_seconds; raise \
             quant.calibration.gptq_reserve_seconds"
        ))?;
    }
    if found.batches < asked {
        let why = match left {
            Some(left) if seconds + seconds / found.batches.max(1) as f64 > left => format!(
                "the clock had {:.1} s for it; raise quant.calibration.gptq_reserve_seconds to use all of them",
                left.max(0.0)
            ),
            _ => "the training data hold no more rows".to_owned(),
        };
        ctx.log(&format!("GPTQ:calibrated on {} of {asked} batches: {why}", found.batches))?;
    }
    Ok(found)
}

/// Ends the checkpoint phase.
pub(super) fn trained(ctx: &mut Context, state: &mut State, train_time_ms: f64) -> Result<()> {
    state.train_time_ms = train_time_ms;
    ctx.finish(state, Phase::Trained)
}
