//! The defaults: NaiveBaseline's own values (spec/algorithms.md §3.2), and PR #1530's for test-time training (§5.3).

use super::*;

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            name: "NaiveBaseline".to_owned(),
            blurb: "The challenge's baseline: 9 layers, 512 dimensions, tied embeddings, Muon and Adam.".to_owned(),
            data: DataRecipe::default(),
            model: ModelRecipe::default(),
            optim: OptimRecipe::default(),
            train: TrainRecipe::default(),
            quant: QuantRecipe::default(),
            eval: EvalRecipe::default(),
        }
    }
}

impl Default for DataRecipe {
    fn default() -> Self {
        DataRecipe { tokenizer: TokenizerKind::Sentencepiece }
    }
}

impl Default for ModelRecipe {
    fn default() -> Self {
        ModelRecipe {
            vocab_size: 1024,
            num_layers: 9,
            model_dim: 512,
            num_heads: 8,
            num_kv_heads: 4,
            mlp_mult: 2.0,
            activation: Activation::Relu2,
            tie_embeddings: true,
            tied_embed_init_std: 0.005,
            logit_softcap: 30.0,
            rope_base: 10_000.0,
            rope_dims: 0,
            qk_gain_init: 1.5,
            xsa_last_n: 0,
            ln_scale: false,
            skip_gates: false,
            num_loops: 0,
            loop_start: 0,
            loop_end: 0,
            parallel_start_layer: 0,
            parallel_final_lane: FinalLane::Mean,
            init: Init::Uniform,
        }
    }
}

impl Default for OptimRecipe {
    fn default() -> Self {
        OptimRecipe {
            matrix_lr: 0.04,
            scalar_lr: 0.04,
            tied_embed_lr: 0.05,
            embed_lr: 0.6,
            head_lr: 0.008,
            muon_momentum: 0.95,
            muon_momentum_warmup_start: 0.85,
            muon_momentum_warmup_steps: 500,
            muon_backend_steps: 5,
            muon_row_normalize: false,
            muon_wd: 0.0,
            embed_wd: 0.0,
            adam_wd: 0.0,
            beta1: 0.9,
            beta2: 0.95,
            adam_eps: 1e-8,
            grad_clip_norm: 0.0,
        }
    }
}

impl Default for TrainRecipe {
    fn default() -> Self {
        TrainRecipe {
            iterations: 20_000,
            warmup_steps: 20,
            warmdown_iters: 1200,
            max_wallclock_seconds: 600.0,
            train_batch_tokens: 524_288,
            train_seq_len: 1024,
            grad_accum_steps: 8,
            val_loss_every: 1000,
            val_tokens_limit: 0,
            train_log_every: 200,
            checkpoint_every: 0,
            enable_looping_at: 0.35,
        }
    }
}

impl Default for QuantRecipe {
    fn default() -> Self {
        QuantRecipe {
            scheme: QuantScheme::Int8PerRow,
            keep_float_max_numel: 65_536,
            clip_percentile: 99.99984,
            zlib_level: 9,
        }
    }
}

impl Default for EvalRecipe {
    fn default() -> Self {
        EvalRecipe {
            mode: EvalMode::Full,
            also: Vec::new(),
            eval_seq_len: 1024,
            eval_batch_seqs: 64,
            eval_stride: 64,
            ttt_lora_rank: 96,
            ttt_lora_lr: 1e-4,
            ttt_chunk_size: 32,
            ttt_eval_seq_len: 2048,
            ttt_batch_size: 64,
            ttt_grad_steps: 1,
            ttt_beta1: 0.0,
            ttt_beta2: 0.999,
            ttt_eps: 1e-10,
            ttt_weight_decay: 0.5,
            ttt_seed: 1337,
        }
    }
}
