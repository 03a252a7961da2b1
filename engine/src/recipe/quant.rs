//! `[quant]`: a rule for each class of parameters, the calibration that the rules need, and the compressor
//! (docs/spec/algorithms.md#quantization).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::Q2Recipe;
use crate::bounds;
use crate::nn::Class;
use crate::quant::awq::AwqRecipe;
use crate::quant::ftle::FtleRecipe;
use crate::quant::lqer::LqerRecipe;
use crate::quant::qat::QatRecipe;
use crate::{Error, Result};

/// `[quant]`: the settings of the export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuantRecipe {
    /// Most elements of a tensor that stays in floating point.
    pub keep_float_max_numel: i64,
    /// The format of control tensors; other tensors that stay in floating point are f16.
    pub control: FloatKind,
    /// The compressor of the model file, or `smallest` of all.
    pub codec: CodecChoice,
    /// Level of the compressor; the codec's best where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
    /// True to store the low and the high bytes of floating-point numbers apart, because they compress better so.
    pub byte_shuffle: bool,
    /// Matrices of the blocks.
    #[serde(default = "RuleRecipe::int8")]
    pub matrix: RuleRecipe,
    /// The token embedding and a head of its own.
    #[serde(default = "RuleRecipe::int8")]
    pub embedding: RuleRecipe,
    /// The calibration, for recipes with a rule that asks for GPTQ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationRecipe>,
    /// Quantization-aware training: gradients are taken at rounded matrices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qat: Option<QatRecipe>,
    /// Weights of gates, whatever their size; without a rule they stay in floating point like other controls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<RuleRecipe>,
    /// A finer grid for the columns that matter most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub awq: Option<AwqRecipe>,
    /// Low-rank corrections of the largest errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lqer: Option<LqerRecipe>,
    /// Bits for each row of a matrix by the size of its gradients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ftle: Option<FtleRecipe>,
    /// Symbols of small alphabets in the place of integers, in training as in the model file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q2: Option<Q2Recipe>,
}

impl Default for QuantRecipe {
    /// Returns NaiveBaseline's settings.
    fn default() -> Self {
        QuantRecipe {
            keep_float_max_numel: 65_536,
            control: FloatKind::Float32,
            codec: CodecChoice::Zlib,
            level: None,
            byte_shuffle: false,
            matrix: RuleRecipe::int8(),
            embedding: RuleRecipe::int8(),
            calibration: None,
            qat: None,
            gate: None,
            awq: None,
            lqer: None,
            ftle: None,
            q2: None,
        }
    }
}

/// A floating-point format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FloatKind {
    Float16,
    Float32,
}

/// The compressor that a recipe asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodecChoice {
    Zlib,
    Zstd,
    Xz,
    Brotli,
    /// A range coder for integers, zstd for the rest.
    Range,
    /// The codec that gives the smallest file; the log names it and the sizes of the others.
    Smallest,
}

/// A rule for integers with one f16 scale per row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleRecipe {
    /// Integers reach from −R to R with `R = 2^(bits−1) − 1`; 16 keeps the tensor in f16.
    pub bits: u8,
    /// The scale maps this quantile of |row| to R; the baseline's quantile where a rule states no scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_percentile: Option<f64>,
    /// SDClip: the number of the row's standard deviations that the scale maps to R.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_sigmas: Option<f64>,
    /// True to map the row's largest weight to R, whatever its size: the grid of quantization-aware training.
    #[serde(skip_serializing_if = "bounds::is_false")]
    pub row_max: bool,
    /// True to round with the error fed back into the columns not yet rounded, weighted by the inputs' second moments.
    pub gptq: bool,
    /// True to give each column a step of its own under GPTQ, so that all cost the same (WaterSIC, arXiv 2603.04956).
    #[serde(skip_serializing_if = "bounds::is_false")]
    pub watersic: bool,
    /// `clip_sigmas` of some components, by their names, where it is not that of the others (PR #1586).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub clip_sigmas_of: BTreeMap<String, f64>,
}

impl Default for RuleRecipe {
    fn default() -> Self {
        RuleRecipe {
            bits: 8,
            clip_percentile: None,
            clip_sigmas: None,
            row_max: false,
            gptq: false,
            watersic: false,
            clip_sigmas_of: BTreeMap::new(),
        }
    }
}

impl RuleRecipe {
    /// Returns NaiveBaseline's int8 rule.
    pub fn int8() -> RuleRecipe {
        RuleRecipe { clip_percentile: Some(99.99984), ..RuleRecipe::default() }
    }

    /// R, the largest integer.
    pub fn range(&self) -> i64 {
        (1 << (self.bits - 1)) - 1
    }

    /// Tells whether the tensor stays in f16.
    pub fn keeps_float(&self) -> bool {
        self.bits == 16
    }

    /// Number of ways in which the rule scales rows; a rule has one.
    fn scales(&self) -> usize {
        usize::from(self.clip_percentile.is_some())
            + usize::from(self.clip_sigmas.is_some())
            + usize::from(self.row_max)
    }

    fn check(&self, path: &str) -> Result<()> {
        if self.keeps_float() {
            return match (self.scales(), self.gptq) {
                (0, false) => Ok(()),
                _ => Err(Error::Recipe(format!(
                    "{path}.bits 16 keeps the tensor in f16, which has neither scales nor GPTQ; take the other keys out"
                ))),
            };
        }
        bounds::integers(path, &[("bits", i64::from(self.bits), 2, 8)])?;
        if self.watersic && !self.gptq {
            return Err(Error::Recipe(format!(
                "{path}.watersic sets steps by the second moments that GPTQ rounds with; set {path}.gptq = true or take it out"
            )));
        }
        for (component, sigmas) in &self.clip_sigmas_of {
            bounds::numbers(&format!("{path}.clip_sigmas_of"), &[(component, *sigmas, f64::MIN_POSITIVE, 1e6)])?;
        }
        if !self.clip_sigmas_of.is_empty() && self.clip_sigmas.is_none() {
            return Err(Error::Recipe(format!(
                "{path}.clip_sigmas_of changes clip_sigmas for some components, but {path} has no clip_sigmas; give it one"
            )));
        }
        match (self.clip_percentile, self.clip_sigmas, self.row_max) {
            (Some(percentile), None, false) => {
                bounds::numbers(path, &[("clip_percentile", percentile, f64::MIN_POSITIVE, 100.0)])
            }
            (None, Some(sigmas), false) => bounds::numbers(path, &[("clip_sigmas", sigmas, f64::MIN_POSITIVE, 1e6)]),
            (None, None, true) => Ok(()),
            (None, None, false) => Err(Error::Recipe(format!(
                "{path} does not say how rows are scaled; give clip_percentile or clip_sigmas"
            ))),
            (_, _, true) => Err(Error::Recipe(format!(
                "{path}.row_max and a clip are two ways to scale a row; keep one (`--set {path}.row_max=` takes it out)"
            ))),
            (Some(_), Some(_), false) => Err(Error::Recipe(format!(
                "{path}.clip_percentile and clip_sigmas are two ways to scale a row; keep one (`--set {path}.clip_percentile=` \
                 takes the other out)"
            ))),
        }
    }
}

/// `[quant.calibration]`: second moments of the inputs, from training data, inside the training clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CalibrationRecipe {
    /// Micro-batches of training data.
    pub gptq_calibration_batches: i64,
    /// Seconds of `max_wallclock_seconds` that are kept for it.
    pub gptq_reserve_seconds: f64,
}

impl Default for CalibrationRecipe {
    /// Returns PR #1530's settings.
    fn default() -> Self {
        CalibrationRecipe { gptq_calibration_batches: 64, gptq_reserve_seconds: 13.0 }
    }
}

impl QuantRecipe {
    /// Returns the rule of a class of parameters; `None` where it stays in floating point.
    pub fn rule(&self, class: Class) -> Option<&RuleRecipe> {
        match class {
            Class::Matrix => Some(&self.matrix),
            Class::Embedding => Some(&self.embedding),
            Class::Gate => self.gate.as_ref(),
            Class::Control => None,
        }
    }

    /// Tells whether a tensor of `class` is too small to be rounded.
    pub fn keeps(&self, class: Class, w: &Tensor) -> bool {
        let of_its_own = class == Class::Gate && self.gate.is_some();
        let numel = w.numel() as i64;
        numel == 0 || numel <= self.keep_float_max_numel && !of_its_own
    }

    /// Returns the settings for the matrices of `component`.
    pub fn of(&self, component: &str) -> Cow<'_, QuantRecipe> {
        match self.matrix.clip_sigmas_of.get(component) {
            None => Cow::Borrowed(self),
            Some(&sigmas) => {
                let mut own = self.clone();
                own.matrix.clip_sigmas = Some(sigmas);
                Cow::Owned(own)
            }
        }
    }

    /// Gives every rule a scale and the calibration its section, so that a resolved recipe hides no setting.
    pub(super) fn fill(&mut self) {
        for rule in [&mut self.matrix, &mut self.embedding] {
            if rule.scales() == 0 && !rule.keeps_float() {
                rule.clip_percentile = RuleRecipe::int8().clip_percentile;
            }
        }
        if self.needs_calibration() {
            self.calibration.get_or_insert_default();
        }
    }

    /// Tells whether any rule needs the inputs' second moments.
    pub fn needs_calibration(&self) -> bool {
        self.matrix.gptq || self.embedding.gptq
    }

    /// Tells whether every integer has eight bits and the compressor is zlib: the baseline's format, with its names in
    /// the log.
    pub fn is_int8_zlib(&self) -> bool {
        self.codec == CodecChoice::Zlib && [&self.matrix, &self.embedding].iter().all(|r| r.bits == 8 && !r.gptq)
    }

    /// Checks what symbols need, and that nothing else is asked of a file that does not have it.
    fn check_q2(&self, q2: &Q2Recipe, layers: usize) -> Result<()> {
        let fail = |reason: &str| Err(Error::Recipe(reason.to_owned()));
        if self.codec != CodecChoice::Zstd {
            return fail("[quant.q2] writes Q2BN files, which are compressed with zstd; set quant.codec = \"zstd\"");
        }
        if self.byte_shuffle {
            return fail("quant.byte_shuffle has no place in a Q2BN file, which [quant.q2] writes; set it to false");
        }
        if self.needs_calibration() {
            return fail(
                "quant.matrix.gptq and quant.embedding.gptq round to integers, and [quant.q2] has none; set them to false",
            );
        }
        if self.awq.is_some() || self.lqer.is_some() || self.gate.is_some() {
            return fail(
                "[quant.awq], [quant.lqer] and [quant.gate] are about integers, and [quant.q2] has none; take them out",
            );
        }
        q2.check(layers)
    }

    pub(super) fn check(&self, max_wallclock_seconds: f64, layers: usize) -> Result<()> {
        if let Some(q2) = &self.q2 {
            self.check_q2(q2, layers)?;
        }
        self.matrix.check("quant.matrix")?;
        self.embedding.check("quant.embedding")?;
        if let Some(gate) = &self.gate {
            gate.check("quant.gate")?;
            if gate.gptq {
                return Err(Error::Recipe(
                    "quant.gate.gptq: the inputs of gates are not observed; set it to false".to_owned(),
                ));
            }
        }
        self.awq.as_ref().map_or(Ok(()), |awq| awq.check("quant.awq"))?;
        self.lqer.as_ref().map_or(Ok(()), |lqer| lqer.check("quant.lqer"))?;
        if self.awq.is_some() && !self.needs_calibration() {
            return Err(Error::Recipe(
                "[quant.awq] chooses columns by the inputs that calibration sees, but no rule has gptq = true; set it or take \
                 the section out"
                    .to_owned(),
            ));
        }
        if self.awq.is_some() && (self.matrix.watersic || self.embedding.watersic) {
            return Err(Error::Recipe(
                "[quant.awq] and watersic both give columns a grid of their own; take one of them out".to_owned(),
            ));
        }
        bounds::integers("quant", &[("keep_float_max_numel", self.keep_float_max_numel, -1, 1 << 40)])?;
        if let Some(level) = self.level {
            let highest = match self.codec {
                CodecChoice::Zlib | CodecChoice::Xz => 9,
                CodecChoice::Zstd | CodecChoice::Range => 22,
                CodecChoice::Brotli => 11,
                CodecChoice::Smallest => {
                    return Err(Error::Recipe(
                        "quant.level has no meaning with codec = \"smallest\", which tries each codec at its best; take it \
                         out"
                            .to_owned(),
                    ));
                }
            };
            bounds::integers("quant", &[("level", i64::from(level), 0, highest)])?;
        }
        if let Some(qat) = &self.qat {
            qat.check("quant.qat", self)?;
        }
        if let Some(ftle) = &self.ftle {
            ftle.check("quant.ftle", self)?;
        }
        let Some(c) = &self.calibration else { return Ok(()) };
        if !self.needs_calibration() {
            return Err(Error::Recipe(
                "[quant.calibration] is there, but no rule uses it; set quant.matrix.gptq = true or take the section out"
                    .to_owned(),
            ));
        }
        bounds::integers("quant.calibration", &[("gptq_calibration_batches", c.gptq_calibration_batches, 1, 1 << 20)])?;
        bounds::numbers("quant.calibration", &[("gptq_reserve_seconds", c.gptq_reserve_seconds, 0.0, 1e9)])?;
        if max_wallclock_seconds > 0.0 && c.gptq_reserve_seconds == 0.0 {
            return Err(Error::Recipe(
                "quant.calibration.gptq_reserve_seconds is 0, so training would use up the whole clock and leave nothing for \
                 calibration; reserve the seconds that it takes"
                    .to_owned(),
            ));
        }
        if max_wallclock_seconds > 0.0 && c.gptq_reserve_seconds >= max_wallclock_seconds {
            return Err(Error::Recipe(format!(
                "quant.calibration.gptq_reserve_seconds {} leaves nothing of train.max_wallclock_seconds \
                 {max_wallclock_seconds} for training",
                c.gptq_reserve_seconds
            )));
        }
        Ok(())
    }
}
