//! What the upstream script did, as `reference.py` recorded it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use caddie_engine::checkpoint::{self, StateDict};
use caddie_engine::data::Batch;
use caddie_engine::{Error, Recipe, Result};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::unusable;

/// All scripts accumulate gradients over eight micro-steps when they run as one process.
const MICRO_STEPS: i64 = 8;

pub struct Reference {
    folder: PathBuf,
    pub script: String,
    /// The engine's recipe of the script's own resolved hyperparameters.
    pub recipe: Recipe,
    pub steps: Vec<Value>,
    pub scores: Value,
    /// `patches` of settings.json: what the recorder changed in the script.
    pub patches: Value,
}

impl Reference {
    pub fn open(folder: &Path) -> Result<Reference> {
        let json = |name: &str| read_json(&folder.join(name));
        let (settings, steps) = (json("settings.json")?, json("steps.json")?);
        let h = json("hyperparameters.json")?;
        // The recorder lowers the export's threshold, so that a toy's matrices are quantized at all.
        let toml = recipe_toml(&h, settings["keep_float_max_numel"].as_i64().unwrap_or(65_536));
        let more = match (h.get("q_rank"), h.get("lqer_rank")) {
            (Some(_), _) => lowrankq_settings(&h),
            (None, Some(_)) => record_settings(&h),
            (None, None) => Vec::new(),
        };
        Ok(Reference {
            folder: folder.to_owned(),
            script: settings["script"].as_str().unwrap_or_default().to_owned(),
            recipe: Recipe::parse(&toml, &more)?,
            steps: steps.as_array().cloned().unwrap_or_default(),
            scores: json("scores.json")?,
            patches: settings["patches"].clone(),
        })
    }

    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn json(&self, name: &str) -> Result<Value> {
        read_json(&self.path(name))
    }

    pub fn tensors(&self, name: &str) -> Result<BTreeMap<String, Tensor>> {
        Ok(checkpoint::load(&self.path(name))?.0.into_iter().collect())
    }

    /// A state dict, f32. Rows of lanes that a script keeps without using them are left out.
    pub fn weights(&self, name: &str) -> Result<StateDict> {
        let lanes = self.recipe.model.lanes.is_some();
        let kept = |name: &str| lanes || !name.starts_with("parallel_");
        let all = self.tensors(name)?.into_iter().filter(|(name, _)| kept(name));
        Ok(all.map(|(name, t)| (name, t.to_kind(Kind::Float))).collect())
    }

    /// The weights that the script's artifact holds.
    pub fn dequantized(&self) -> Result<StateDict> {
        let stored = self.tensors("quantized.safetensors")?;
        let value = |(name, tensor): (&String, &Tensor)| -> Option<(String, Tensor)> {
            if [".scale", ".gs"].iter().any(|end| name.ends_with(end)) || name.contains(".lq") {
                return None;
            }
            let f32 = tensor.to_kind(Kind::Float);
            match name.strip_suffix(".q").or(name.strip_suffix(".gq")) {
                None => Some((name.clone(), f32)),
                Some(name) => {
                    let scale = stored.get(&format!("{name}.scale")).or(stored.get(&format!("{name}.gs")))?;
                    let scale = scale.to_kind(Kind::Float);
                    let scale = if scale.dim() == 1 { scale.unsqueeze(1) } else { scale };
                    let w = f32 * scale;
                    Some((name.to_owned(), correction(&stored, name).map_or(w.shallow_clone(), |more| w + more)))
                }
            }
        };
        let lanes = self.recipe.model.lanes.is_some();
        Ok(stored.iter().filter_map(value).filter(|(name, _)| lanes || !name.starts_with("parallel_")).collect())
    }

    /// The micro-steps' batches by step.
    pub fn batches(&self) -> Result<Vec<Vec<Batch>>> {
        let stored = self.tensors("batches.safetensors")?;
        let micro_steps = self.recipe.train.grad_accum_steps;
        let ids = |key: &str| -> Result<Option<Vec<i64>>> {
            stored.get(key).map(|t| Ok(Vec::try_from(t.to_kind(Kind::Int64).reshape([-1]))?)).transpose()
        };
        let batch = |step: usize, micro: i64| -> Result<Batch> {
            let part = |name: &str| ids(&format!("{name}.{step}.{micro}"));
            let need = |name: &str| {
                part(name)?.ok_or_else(|| {
                    unusable(&self.path("batches.safetensors"), format!("no {name} of step {step}, {micro}"))
                })
            };
            let cu_seqlens = part("cu")?.map(|cu| cu.into_iter().map(|n| n as i32).collect());
            Ok(Batch { x: need("x")?, y: need("y")?, cu_seqlens })
        };
        (0..self.steps.len()).map(|step| (0..micro_steps).map(|micro| batch(step, micro)).collect()).collect()
    }
}

/// The low-rank correction that the script stored for the weights `name`, where it did.
fn correction(stored: &BTreeMap<String, Tensor>, name: &str) -> Option<Tensor> {
    let part = |suffix: &str| stored.get(&format!("{name}.{suffix}")).map(|t| t.to_kind(Kind::Float));
    let (a, b, scales) = (part("lqA_a")? * part("lqAs_a")?, part("lqB_a")?, part("lqBs_a")?);
    let groups = b.view([scales.numel() as i64, -1]) * scales.unsqueeze(1);
    Some(a.matmul(&groups.view_as(&b)))
}

fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path, "reading"))?;
    serde_json::from_str(&text).map_err(|e| unusable(path, e.to_string()))
}

/// The recipe of a script's resolved hyperparameters, section by section.
fn recipe_toml(h: &Value, keep_float_max_numel: i64) -> String {
    let varlen = h.get("gptq_calibration_batches").is_some();
    let int = |key: &str| h[key].as_i64().unwrap_or_default();
    let num = |key: &str| h[key].as_f64().unwrap_or_default();
    let (layers, dim) = (int("num_layers"), int("model_dim"));
    let mut toml = format!(
        "name = 'parity'\n[model]\nvocab_size = {}\nmodel_dim = {dim}\nlayout = 'A*{layers}'\n\
         [model.embedding]\ntie_embeddings = true\ntied_embed_init_std = {:?}\n[model.head]\nlogit_softcap = {:?}\n\
         [model.unet]\nskip_gates = {varlen}\n[model.block.A]\nln_scale = {varlen}\n\
         [model.block.A.gqa]\nnum_heads = {}\nnum_kv_heads = {}\nqk_gain_init = {:?}\nrope_base = {:?}\n\
         rope_dims = {}\nxsa = {varlen}\n[model.block.A.mlp]\nmlp_mult = {:?}\nactivation = '{}'\n",
        int("vocab_size"),
        num("tied_embed_init_std"),
        num("logit_softcap"),
        int("num_heads"),
        int("num_kv_heads"),
        num("qk_gain_init"),
        num("rope_base"),
        int("rope_dims"),
        num("mlp_mult"),
        if varlen { "leaky_relu2" } else { "relu2" },
    );
    toml += &format!(
        "[optim]\ngrad_clip_norm = {:?}\n[optim.muon]\nmatrix_lr = {:?}\nmuon_momentum = {:?}\n\
         muon_momentum_warmup_start = {:?}\nmuon_momentum_warmup_steps = {}\nmuon_backend_steps = {}\n\
         muon_row_normalize = {varlen}\nmuon_wd = {:?}\n[optim.adam]\nscalar_lr = {:?}\ntied_embed_lr = {:?}\nbeta1 = {:?}\n\
         beta2 = {:?}\nadam_eps = {:?}\nembed_wd = {:?}\nadam_wd = {:?}\n",
        num("grad_clip_norm"),
        num("matrix_lr"),
        num("muon_momentum"),
        num("muon_momentum_warmup_start"),
        int("muon_momentum_warmup_steps"),
        int("muon_backend_steps"),
        num("muon_wd"),
        num("scalar_lr"),
        num("tied_embed_lr"),
        num("beta1"),
        num("beta2"),
        num("adam_eps"),
        num("embed_wd"),
        num("adam_wd"),
    );
    toml += &format!(
        "[train]\niterations = {}\nmax_wallclock_seconds = 0\ntrain_batch_tokens = {}\ntrain_seq_len = {}\n\
         grad_accum_steps = {MICRO_STEPS}\n",
        int("iterations"),
        int("train_batch_tokens"),
        int("train_seq_len"),
    );
    if varlen {
        toml += &varlen_toml(h, keep_float_max_numel);
    } else {
        toml += &format!(
            "warmdown_iters = {}\n[quant]\nkeep_float_max_numel = {keep_float_max_numel}\n[eval]\neval_seq_len = {}\n",
            int("warmdown_iters"),
            int("train_seq_len"),
        );
    }
    toml
}

/// What only the stack of PR #316 has. Its script holds the weight decay in the code, not in its settings.
fn lowrankq_settings(h: &Value) -> Vec<String> {
    let held = [
        "model.embedding.overtone=true",
        "model.block.A.resid_mix_phase=true",
        "optim.muon.muon_wd=0.02",
        "optim.muon.muon_wd_after=true",
        "optim.adam.embed_wd=0.01",
        "optim.adam.adam_wd=0.01",
        "quant.embedding.bits=16",
        "eval.mode=ogd",
        "eval.ogd.ogd_carried=true",
    ];
    let read = [
        ("model.block.A.gqa.q_rank", "q_rank"),
        ("model.block.A.gqa.rope_train_seq_len", "train_seq_len"),
        ("quant.qat.qat_bits", "qat_bits"),
        ("quant.qat.qat_start_frac", "qat_start_frac"),
        ("eval.sliding.eval_stride", "eval_stride"),
        ("eval.ogd.ogd_lr", "ogd_lr"),
        ("eval.ogd.ogd_batch_windows", "ogd_batch_windows"),
        ("quant.ftle.ftle_every", "ftle_every"),
    ];
    let read = read.map(|(key, theirs)| format!("{key}={}", h[theirs]));
    held.map(str::to_owned).into_iter().chain(read).collect()
}

/// The settings that the records after PR #1530 have besides. The script holds its coefficients of Muon in the code, not in its settings.
fn record_settings(h: &Value) -> Vec<String> {
    let mut held = vec!["optim.muon.muon_polar_express=true"];
    if h["gated_attn_quant_gate"] == true {
        held.extend(["quant.gate.bits=8", "quant.gate.row_max=true"]);
    }
    let read = [
        ("model.smear.gate_window", "gate_window"),
        ("model.block.A.gqa.gate.gate_window", "gate_window"),
        ("model.block.A.gqa.gate.gate_scale", "sparse_attn_gate_scale"),
        ("model.block.A.gqa.gate.gate_init_std", "sparse_attn_gate_init_std"),
        ("quant.matrix.clip_sigmas_of.gqa", "attn_clip_sigmas"),
        ("quant.matrix.clip_sigmas_of.mlp", "mlp_clip_sigmas"),
        ("quant.lqer.lqer_rank", "lqer_rank"),
        ("quant.lqer.lqer_top_k", "lqer_top_k"),
        ("quant.lqer.lqer_asym_group", "lqer_asym_group"),
    ];
    let read = read.map(|(key, theirs)| format!("{key}={}", h[theirs]));
    held.into_iter().map(str::to_owned).chain(read).collect()
}

/// What only the record stack has.
fn varlen_toml(h: &Value, keep_float_max_numel: i64) -> String {
    let int = |key: &str| h[key].as_i64().unwrap_or_default();
    let num = |key: &str| h[key].as_f64().unwrap_or_default();
    format!(
        "warmdown_frac = {:?}\nmin_lr = {:?}\nloader = 'packed'\n[model.loops]\nnum_loops = {}\nloop_start = {}\n\
         loop_end = {}\nenable_looping_at = {:?}\n[model.lanes]\nparallel_start_layer = {}\n\
         parallel_final_lane = '{}'\n[optim.ema]\nema_decay = {:?}\n\
         [quant]\nkeep_float_max_numel = {keep_float_max_numel}\ncontrol = 'float16'\ncodec = 'brotli'\n\
         byte_shuffle = true\n[quant.matrix]\nbits = {}\nclip_sigmas = {:?}\ngptq = true\n\
         [quant.embedding]\nbits = {}\nclip_sigmas = {:?}\ngptq = true\n\
         [quant.calibration]\ngptq_calibration_batches = {}\n\
         [eval]\nmode = 'ttt'\neval_seq_len = {}\neval_batch_seqs = {}\ndocuments_apart = true\n\
         [eval.ttt]\nttt_lora_rank = {}\nttt_lora_lr = {:?}\nttt_chunk_size = {}\nttt_eval_seq_len = {}\n\
         ttt_batch_size = {}\nttt_grad_steps = {}\nttt_beta1 = {:?}\nttt_beta2 = {:?}\nttt_weight_decay = {:?}\n",
        num("warmdown_frac"),
        num("min_lr"),
        int("num_loops"),
        int("loop_start"),
        int("loop_end"),
        num("enable_looping_at"),
        int("parallel_start_layer"),
        h["parallel_final_lane"].as_str().unwrap_or("mean"),
        num("ema_decay"),
        int("matrix_bits"),
        num("matrix_clip_sigmas"),
        int("embed_bits"),
        num("embed_clip_sigmas"),
        int("gptq_calibration_batches"),
        int("eval_seq_len"),
        // The script divides its batch by the micro-steps. A gate that looks a token back does not see past a batch's start.
        int("val_batch_tokens") / (MICRO_STEPS * int("eval_seq_len").max(1)),
        int("ttt_lora_rank"),
        num("ttt_lora_lr"),
        int("ttt_chunk_size"),
        int("ttt_eval_seq_len"),
        int("ttt_batch_size"),
        int("ttt_grad_steps"),
        num("ttt_beta1"),
        num("ttt_beta2"),
        num("ttt_weight_decay"),
    )
}
