//! The components that neither a section nor a setting that is true stands for.

/// A component that is neither a section nor a setting that is true.
pub(super) struct KnownComponent {
    pub(super) name: &'static str,
    pub(super) also: &'static [&'static str],
    pub(super) about: &'static str,
    pub(super) off: Off,
}

/// How a component is switched off.
pub(super) enum Off {
    /// Settings take values, in every section that has them. An empty value takes the setting or section out.
    Set(&'static [(&'static str, &'static str)]),
    /// Only where a setting has this value.
    Where((&'static str, &'static str), &'static [(&'static str, &'static str)]),
    /// It cannot be.
    Never(&'static str),
}

pub(super) const KNOWN: &[KnownComponent] = &[
    KnownComponent {
        name: "ttt",
        also: &["lora_ttt"],
        about: "the same documents and contexts are scored without learning from them",
        off: Off::Where(("eval.mode", "ttt"), &[("ttt_grad_steps", "0")]),
    },
    KnownComponent {
        name: "softcap",
        also: &["logit_softcap"],
        about: "the cap on the logits is so high that it changes none",
        off: Off::Set(&[("logit_softcap", "1e6")]),
    },
    KnownComponent {
        name: "qk_gain",
        also: &["qk_gain_init"],
        about: "the gain of the queries begins at 1; it stays a parameter that is learned",
        off: Off::Set(&[("qk_gain_init", "1")]),
    },
    KnownComponent {
        name: "partial_rope",
        also: &["rope_dims"],
        about: "all dimensions of each head rotate",
        off: Off::Set(&[("rope_dims", "0")]),
    },
    KnownComponent {
        name: "gptq",
        also: &[],
        about: "weights are rounded to the nearest integer, without calibration",
        off: Off::Set(&[("quant.matrix.gptq", "false"), ("quant.embedding.gptq", "false"), ("quant.calibration", "")]),
    },
    KnownComponent {
        name: "weight_decay",
        also: &["muon_wd"],
        about: "no optimizer of the training pulls weights to zero",
        off: Off::Set(&[("muon_wd", "0"), ("embed_wd", "0"), ("adam_wd", "0")]),
    },
    KnownComponent {
        name: "grad_clip",
        also: &["grad_clip_norm"],
        about: "gradients are not clipped",
        off: Off::Set(&[("grad_clip_norm", "0")]),
    },
    KnownComponent {
        name: "warmdown",
        also: &["warmdown_iters", "warmdown_frac"],
        about: "learning rates stay as they are until the end",
        off: Off::Set(&[("train.warmdown_iters", ""), ("train.warmdown_frac", "")]),
    },
    KnownComponent {
        name: "min_lr",
        also: &[],
        about: "learning rates fall to nothing",
        off: Off::Set(&[("train.min_lr", "0")]),
    },
    KnownComponent {
        name: "wd_taper",
        also: &["wd_taper_start_frac"],
        about: "the weight decay of matrices stays as it is until the end",
        off: Off::Set(&[("wd_taper_start_frac", ""), ("wd_taper_final_mult", "")]),
    },
    KnownComponent {
        name: "left_out_adapters",
        also: &["ttt_without"],
        about: "test-time training adapts every place of a layer",
        off: Off::Set(&[("ttt_without", "[]")]),
    },
    KnownComponent {
        name: "short_chunks",
        also: &["ttt_short_chunks"],
        about: "test-time training reads short documents in chunks of the same size as long ones",
        off: Off::Set(&[("ttt_short_chunks", "[]")]),
    },
    KnownComponent {
        name: "momentum_warmup",
        also: &["muon_momentum_warmup_steps"],
        about: "Muon's momentum has its last value from the first step",
        off: Off::Set(&[("muon_momentum_warmup_steps", "0")]),
    },
    KnownComponent {
        name: "documents_apart",
        also: &["packed"],
        about: "rows of the stream in order, and attention that crosses from one document to the next",
        off: Off::Set(&[("train.loader", "sequential"), ("eval.documents_apart", "false")]),
    },
    KnownComponent {
        name: "orthogonal_init",
        also: &[],
        about: "matrices begin with uniform values",
        off: Off::Where(("init", "orthogonal"), &[("init", "uniform")]),
    },
    KnownComponent {
        name: "leaky",
        also: &["leaky_relu2"],
        about: "the feed-forward part squares a plain ReLU",
        off: Off::Where(("activation", "leaky_relu2"), &[("activation", "relu2")]),
    },
    KnownComponent {
        name: "muon",
        also: &[],
        about: "",
        off: Off::Never("Muon is the engine's only optimizer of matrices"),
    },
    KnownComponent {
        name: "adam",
        also: &[],
        about: "",
        off: Off::Never("Adam is the engine's only optimizer of what Muon leaves"),
    },
    KnownComponent {
        name: "quant",
        also: &["quantization"],
        about: "",
        off: Off::Never("a model file holds integers of two to eight bits; use --vary quant.matrix.bits=8,6"),
    },
];
