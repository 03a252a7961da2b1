//! The comparison, stage by stage. Each stage starts from what upstream had at that point, so that a difference shows where it
//! arises; `alone.rs` goes the whole way alone.

use std::collections::BTreeMap;
use std::time::Instant;

use caddie_engine::Result;
use caddie_engine::checkpoint::StateDict;
use caddie_engine::data::{DataSet, Loader, PackedLoader, SequentialLoader, TokenStream};
use caddie_engine::evaluate::{Totals, ValData, evaluate, full, ttt};
use caddie_engine::model::{Gpt, parameters as declared};
use caddie_engine::nn::AdapterInit;
use caddie_engine::quant::calibrate::calibrate;
use caddie_engine::quant::ftle::bits_by_row;
use caddie_engine::quant::{Data, Observed, QuantizedModel, export};
use caddie_engine::recipe::{EvalMode, LoaderKind};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::reference::Reference;
use crate::table::Table;
use crate::unusable;

pub(crate) const CPU: Device = Device::Cpu;

/// Names, shapes and count of the parameters.
pub fn parameters(reference: &Reference, table: &mut Table) -> Result<()> {
    let theirs: BTreeMap<String, Vec<i64>> =
        reference.weights("initial.safetensors")?.into_iter().map(|(name, t)| (name, t.size())).collect();
    let ours: BTreeMap<String, Vec<i64>> =
        declared(&reference.recipe.model)?.into_iter().map(|p| (p.name, p.shape)).collect();
    let differing = theirs.iter().filter(|(name, shape)| ours.get(*name) != Some(shape)).count()
        + ours.keys().filter(|name| !theirs.contains_key(*name)).count();
    let count: i64 = ours.values().map(|shape| shape.iter().product::<i64>()).sum();
    table.row(
        "parameters",
        format!("names and shapes of {} tensors, {count} weights", ours.len()),
        differing as f64,
        0.0,
    );
    Ok(())
}

/// Tokens and document boundaries of every micro-step, from the engine's own loader.
pub fn batches(reference: &Reference, table: &mut Table) -> Result<()> {
    let recipe = &reference.recipe;
    let data = DataSet::locate(&reference.path("data"), recipe)?;
    let stream = TokenStream::open(&data.train, recipe.model.vocab_size)?;
    let mut loader = match recipe.train.loader {
        LoaderKind::Sequential => Loader::Sequential(SequentialLoader::new(stream)),
        LoaderKind::Packed => Loader::Packed(PackedLoader::new(stream, recipe.train.train_seq_len as usize)),
    };
    let (mut differing, mut total) = (0, 0);
    for batch in reference.batches()?.iter().flatten() {
        differing += usize::from(loader.next_batch(recipe.train.micro_batch_tokens() as usize)? != *batch);
        total += 1;
    }
    table.row(
        "training batches",
        format!("ids, targets and document boundaries of {total} micro-steps"),
        differing as f64,
        0.0,
    );
    Ok(())
}

/// Integers and scales that upstream exports.
pub(crate) const CODES_FILE: &str = "quantized.safetensors";
/// The share of integers that may differ.
pub(crate) const CODES: f64 = 0.005;
/// The same export of weights so large that no scale is the floor of the format (a model of few steps has many that are).
const LARGER_FILE: &str = "quantized_larger.safetensors";
const LARGER: f64 = 64.0;
/// Mean bits of a row in that export, where rows have bits of their own.
const LARGER_BITS: f64 = 6.0;

/// The weights that upstream exports.
fn exported_weights(reference: &Reference) -> Result<StateDict> {
    let averaged = reference.recipe.optim.ema.is_some();
    reference.weights(if averaged { "ema.safetensors" } else { "trained.safetensors" })
}

/// Second moments, integers and scales, from upstream's exported weights.
pub fn quantization(reference: &Reference, table: &mut Table) -> Result<QuantizedModel> {
    let recipe = &reference.recipe;
    let model = Gpt::new(&recipe.model, exported_weights(reference)?, CPU)?;
    let mut observed = Observed::default();
    if recipe.quant.needs_calibration() {
        observed = calibrate(&model, calibration_batches(reference)?, None)?.into();
        let theirs = reference.tensors("hessians.safetensors")?;
        let (mut traces, mut entries, mut count) = (0f64, 0f64, 0);
        for param in model.params() {
            let (Some(ours), Some(theirs)) =
                (param.input.and_then(|i| observed.hessians.get(&i)), theirs.get(&param.name))
            else {
                continue;
            };
            let trace = |h: &Tensor| h.diagonal(0, 0, 1).sum(Kind::Double).double_value(&[]);
            traces = worst(traces, trace(ours) / trace(theirs) - 1.0);
            entries = worst(entries, ((ours - theirs).abs().max() / theirs.abs().max()).double_value(&[]));
            count += 1;
        }
        let missing = theirs.len() - count;
        table.row("Hessians", format!("{count} matrices by name"), missing as f64, 0.0);
        table.row("Hessian traces", "relative", traces, 1e-5);
        table.row("Hessian entries", "relative to the largest of each", entries, 1e-4);
    }
    if recipe.quant.ftle.is_some() {
        observed.row_bits = row_bits(reference, target_bits(reference)?)?;
    }
    let exported = export(model.params(), model.parameters(), &observed, &recipe.quant)?;
    Codes::compare(reference, CODES_FILE, &exported)?.rows("", table);
    if reference.has(LARGER_FILE) {
        if recipe.quant.ftle.is_some() {
            observed.row_bits = row_bits(reference, LARGER_BITS)?;
        }
        let larger: StateDict =
            model.parameters().iter().map(|(name, tensor)| (name.clone(), tensor * LARGER)).collect();
        let exported = export(model.params(), &larger, &observed, &recipe.quant)?;
        Codes::compare(reference, LARGER_FILE, &exported)?.rows(" of weights 64 times as large", table);
    }
    Ok(exported)
}

/// Bits of each row, from upstream's norms of the gradients.
fn row_bits(reference: &Reference, target: f64) -> Result<BTreeMap<String, Tensor>> {
    let scores = reference.tensors("sensitivity.safetensors")?;
    scores.iter().map(|(name, scores)| Ok((name.clone(), bits_by_row(scores, target)?))).collect()
}

/// Mean bits that upstream chose.
pub(crate) fn target_bits(reference: &Reference) -> Result<f64> {
    Ok(number(&reference.json("quantized.json")?["target_avg_bits"]))
}

pub(crate) fn calibration_batches(reference: &Reference) -> Result<Vec<Tensor>> {
    let stored = reference.tensors("calibration.safetensors")?;
    let at = |i: usize| stored.get(&format!("x.{i}")).map(|t| t.to_kind(Kind::Int64));
    Ok((0..stored.len()).map_while(at).collect())
}

/// The integers of an export beside upstream's.
pub(crate) struct Codes {
    pub equal: i64,
    pub all: i64,
    /// Largest difference of a scale, and of a value that stays in floating point.
    scales: f64,
    floats: f64,
}

impl Codes {
    /// The share of integers that differ.
    pub fn differing(&self) -> f64 {
        1.0 - self.equal as f64 / self.all as f64
    }

    /// Compares with what the script wrote into `file`.
    pub fn compare(reference: &Reference, file: &str, exported: &QuantizedModel) -> Result<Codes> {
        let theirs = reference.tensors(file)?;
        let mut codes = Codes { equal: 0, all: 0, scales: 0.0, floats: 0.0 };
        for tensor in &exported.tensors {
            let stored =
                |key: &str| theirs.get(key).ok_or_else(|| unusable(&reference.path(file), format!("it has no {key}")));
            let [integers, scales] = upstreams(&theirs, &tensor.name);
            match &tensor.data {
                Data::IntRow { q, scale, .. } | Data::PerTensor { q, scale } => {
                    codes.all += q.numel() as i64;
                    let equal = q.eq_tensor(&stored(&integers)?.reshape(q.size())).sum(Kind::Int64);
                    codes.equal += equal.int64_value(&[]);
                    let (ours, theirs) = (scale.to_kind(Kind::Float), stored(&scales)?.to_kind(Kind::Float));
                    codes.scales = worst(codes.scales, (ours - theirs).abs().max().double_value(&[]));
                }
                // Upstream has none, and no recipe that is compared asks for them.
                Data::Symbols(_) => {}
                Data::Float16(values) | Data::Float32(values) => {
                    let difference = values.to_kind(Kind::Float) - stored(&tensor.name)?.to_kind(Kind::Float);
                    codes.floats = worst(codes.floats, difference.abs().max().double_value(&[]));
                }
            }
        }
        Ok(codes)
    }

    /// The three lines of the table; `of` says whose codes they are, where they are not the run's own.
    fn rows(&self, of: &str, table: &mut Table) {
        let count = format!("{} of {} are equal; the share that is not", self.equal, self.all);
        table.row(&format!("integer codes{of}"), count, self.differing(), CODES);
        table.row(&format!("scales{of}"), "every scale, as stored in f16", self.scales, 0.0);
        table.row(&format!("what stays in floating point{of}"), "every value, as stored", self.floats, 0.0);
    }
}

/// Returns the names that upstream gives to the integers and to the scales of a tensor of the engine's export.
fn upstreams(theirs: &BTreeMap<String, Tensor>, name: &str) -> [String; 2] {
    let ends = match (name.strip_suffix(".lqer_a"), name.strip_suffix(".lqer_b")) {
        (Some(owner), _) => return ["lqA_a", "lqAs_a"].map(|end| format!("{owner}.{end}")),
        (_, Some(owner)) => return ["lqB_a", "lqBs_a"].map(|end| format!("{owner}.{end}")),
        _ if theirs.contains_key(&format!("{name}.gq")) => ["gq", "gs"],
        _ => ["q", "scale"],
    };
    ends.map(|end| format!("{name}.{end}"))
}

/// Scores before and after quantization, from upstream's weights and from the engine's own integers.
pub fn scores(reference: &Reference, exported: &QuantizedModel, table: &mut Table) -> Result<()> {
    let before = loss(reference, exported_weights(reference)?)?;
    let s = &reference.scores;
    table.row("score before quantization", "val_loss", before - number(&s["pre_quantization"]["val_loss"]), 1e-5);
    if recipe_has_bias(reference) {
        return scores_with_a_bias(reference, exported, table);
    }
    let after = loss(reference, reference.dequantized()?)?;
    table.row("score of upstream's artifact", "val_loss", after - number(&s["quantized"]["val_loss"]), 1e-5);
    let own = loss(reference, exported.dequantize()?)?;
    table.row("score of the engine's artifact", "val_loss", own - number(&s["quantized"]["val_loss"]), 1e-4);
    Ok(())
}

pub(crate) fn recipe_has_bias(reference: &Reference) -> bool {
    reference.recipe.eval.mode == EvalMode::Ogd
}

/// Scores of the artifact under a sliding window, without the bias that learns and with it.
fn scores_with_a_bias(reference: &Reference, exported: &QuantizedModel, table: &mut Table) -> Result<()> {
    let theirs = |mode: &str| number(&reference.scores[mode]["val_loss"]);
    let modes = [(EvalMode::Sliding, "sliding", "sliding window"), (EvalMode::Ogd, "ogd", "sliding window and bias")];
    for (mode, key, what) in modes {
        let start = Instant::now();
        let after = slide(reference, reference.dequantized()?, mode)?;
        table.time(what, reference.scores["timing"][format!("{key}_seconds")].as_f64(), start.elapsed());
        table.row(&format!("score of upstream's artifact, {what}"), "val_loss", after - theirs(key), 1e-5);
        let own = slide(reference, exported.dequantize()?, mode)?;
        table.row(&format!("score of the engine's artifact, {what}"), "val_loss", own - theirs(key), 1e-4);
    }
    Ok(())
}

/// Mean nats per token over the validation set in `mode`.
pub(crate) fn slide(reference: &Reference, weights: StateDict, mode: EvalMode) -> Result<f64> {
    let recipe = &reference.recipe;
    let model = Gpt::new(&recipe.model, weights, CPU)?;
    let score = evaluate(&model, &validation(reference)?, &recipe.eval, mode, None, &mut |_| Ok(()))?;
    Ok(Totals::of(&score.rows).val_loss())
}

/// Mean nats per token over the validation set.
pub(crate) fn loss(reference: &Reference, weights: StateDict) -> Result<f64> {
    let recipe = &reference.recipe;
    let model = Gpt::new(&recipe.model, weights, CPU)?;
    let val = validation(reference)?;
    Ok(full::validate(&model, &val, &recipe.eval, val.targets(), &mut |_| Ok(()))?.0)
}

fn validation(reference: &Reference) -> Result<ValData> {
    let data = DataSet::locate(&reference.path("data"), &reference.recipe)?;
    ValData::load(&reference.recipe, &data)
}

/// The A matrices that each document's adapters started with upstream, row by row.
struct Recorded(BTreeMap<String, Vec<f32>>);

impl Recorded {
    fn read(reference: &Reference) -> Result<Recorded> {
        let tensors = reference.tensors("adapters.safetensors")?;
        let values = |(name, a): (String, Tensor)| Ok((name, Vec::try_from(a.to_kind(Kind::Float).reshape([-1]))?));
        Ok(Recorded(tensors.into_iter().map(values).collect::<Result<_>>()?))
    }
}

impl AdapterInit for Recorded {
    fn a(&self, docs: &[usize], names: &[String], rank: i64, inputs: i64, _device: Device) -> Tensor {
        let one = |doc: usize, name: &String| match self.0.get(&format!("doc{doc}.{name}.A")) {
            Some(a) => a.clone(),
            None => panic!("libtorch: the reference has no adapter {name} of document {doc}"),
        };
        let rows: Vec<f32> = docs.iter().flat_map(|&doc| names.iter().flat_map(move |name| one(doc, name))).collect();
        Tensor::from_slice(&rows).view([docs.len() as i64, names.len() as i64 * rank, inputs])
    }
}

/// The score of each document, from upstream's artifact and adapters.
pub fn test_time_training(reference: &Reference, table: &mut Table) -> Result<()> {
    let recipe = &reference.recipe;
    let model = Gpt::new(&recipe.model, reference.dequantized()?, CPU)?;
    let val = validation(reference)?;
    let init = Recorded::read(reference)?;
    let theirs: Vec<Value> = documents(reference)?;
    let (mut each, mut nats, mut tokens) = (0f64, 0f64, 0f64);
    for (d, recorded) in val.documents.iter().zip(&theirs) {
        let scored = ttt::score_batch(&model, &val, &recipe.eval.ttt(), &[*d], &init)?;
        let sum: f64 = scored.iter().flatten().map(|&n| f64::from(n)).sum();
        each = worst(each, (sum - number(&recorded["nats"])) / d.targets as f64);
        nats += sum;
        tokens += d.targets as f64;
    }
    let missing = val.documents.len().abs_diff(theirs.len());
    table.row("documents", format!("{} of the validation set", theirs.len()), missing as f64, 0.0);
    table.row("test-time training, each document", "nats per token", each, 1e-3);
    table.row(
        "test-time training, mean",
        "val_loss",
        nats / tokens - number(&reference.scores["ttt"]["val_loss"]),
        1e-4,
    );
    Ok(())
}

fn documents(reference: &Reference) -> Result<Vec<Value>> {
    let path = reference.path("documents.json");
    let text = std::fs::read_to_string(&path).map_err(caddie_engine::Error::io(&path, "reading"))?;
    serde_json::from_str(&text).map_err(|e| unusable(&path, e.to_string()))
}

/// Largest absolute difference of two state dicts.
pub(crate) fn difference(ours: &[(String, Tensor)], theirs: &StateDict) -> Result<f64> {
    let theirs: BTreeMap<&str, &Tensor> = theirs.iter().map(|(name, t)| (name.as_str(), t)).collect();
    let of = |(name, t): &(String, Tensor)| match theirs.get(name.as_str()) {
        Some(other) => (t.detach() - *other).abs().max().double_value(&[]),
        None => f64::INFINITY,
    };
    Ok(ours.iter().map(of).fold(0.0, worst))
}

/// The larger magnitude; what is no number is larger than any.
pub(crate) fn worst(a: f64, b: f64) -> f64 {
    if b.is_nan() { f64::INFINITY } else { a.max(b.abs()) }
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}
