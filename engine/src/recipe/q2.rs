//! `[quant.q2]`: the Q² system, whose matrices are symbols of small alphabets (docs/spec/q2.md).

use caddie_format::q2::{Alphabet, LevelTable};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bounds;
use crate::nn::{Class, Param};
use crate::{Error, Result};

/// The alphabets, how weights become symbols, and when in training they begin to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Q2Recipe {
    /// The alphabet of every layer, `z4`, or of each: `z8*6 z12*6 z4*4`.
    pub alphabets: Alphabets,
    /// The rule that gives a row its scale τ and its thresholds.
    pub thresholds: TauRule,
    /// τ in standard deviations of the row, for the rule `sigma`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tau_sigmas: Option<f64>,
    /// The levels of Z4.
    pub z4_levels: LevelTable,
    /// The levels of every other alphabet.
    pub levels: LevelTable,
    /// The alphabet of the table of token pairs ([model.bigram]); f16 where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bigram: Option<Alphabet>,
    /// True to store symbols as range codes in the place of fields of bits. Symbols of equal mass gain nothing by it.
    #[serde(skip_serializing_if = "bounds::is_false")]
    pub range_coded: bool,
    /// Columns that share a scale; `0` means the whole row.
    pub group_cols: i64,
    /// A weight of more than so many times its row's largest threshold has no gradient; `0` means that all have.
    pub ste_kappa: f64,
    /// Share of training in which all weights stay floats, or symbols of `start`.
    pub float_frac: f64,
    /// Share of training after it, in which the layers take their alphabets one after another.
    pub progressive_frac: f64,
    pub order: ActivationOrder,
    /// The alphabet of a layer before it takes its own; floats where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Alphabet>,
    /// Optimizer steps between two looks at the thresholds, while layers take their alphabets.
    pub refresh_every: i64,
    /// The same after all layers have.
    pub refresh_every_last: i64,
    /// Last share of training in which thresholds stay as they are.
    pub frozen_frac: f64,
}

/// The rules for τ. All rules but the first give every alphabet the thresholds of an ideal Gaussian row with that τ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TauRule {
    /// Cells of equal mass: the quantiles of |row|, the median for Z4.
    #[serde(alias = "row_median_abs")]
    Equiprobable,
    /// Φ⁻¹(¾) standard deviations.
    Gaussian,
    /// `tau_sigmas` standard deviations.
    Sigma,
    /// The thresholds of least squared error for a Gaussian row.
    LloydMax,
    /// The equal steps of least squared error for a Gaussian row.
    Uniform,
    /// Φ⁻¹(¾)/√columns, the same for every row.
    Analytic,
    /// The 0.75 quantile of |row|, which the system's codes take for the equiprobable threshold; it is the 0.875 quantile of a
    /// symmetric row.
    RowQ75Abs,
    /// Its mean over the rows.
    ScalarMeanQ75Abs,
    /// The mean magnitude of the row's quartiles.
    SignedQuartiles,
}

/// The order in which layers take their alphabets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationOrder {
    /// From the last layer to the first.
    DeepFirst,
    ShallowFirst,
    /// Layers without attention, then those with it, each from the last to the first.
    CfcFirst,
    GqaFirst,
    AllAtOnce,
}

impl Default for Q2Recipe {
    /// Returns the reference configuration (docs/spec/q2.md#training).
    fn default() -> Self {
        Q2Recipe {
            alphabets: Alphabets::default(),
            thresholds: TauRule::Equiprobable,
            tau_sigmas: None,
            z4_levels: LevelTable::Mid,
            levels: LevelTable::Centroid,
            bigram: None,
            range_coded: false,
            group_cols: 0,
            ste_kappa: 3.0,
            float_frac: 0.1,
            progressive_frac: 0.6,
            order: ActivationOrder::DeepFirst,
            start: None,
            refresh_every: 64,
            refresh_every_last: 256,
            frozen_frac: 0.1,
        }
    }
}

impl Q2Recipe {
    /// Returns the alphabet of a layer; of a matrix outside of the layers, the last one.
    pub fn alphabet(&self, layer: Option<usize>) -> Alphabet {
        let all = &self.alphabets.layers;
        let found = layer.and_then(|layer| all.get(layer)).or(all.last());
        found.copied().unwrap_or(Alphabet::Z4)
    }

    /// Returns the alphabet of a parameter; `None` for one that stays in floating point.
    pub fn alphabet_of(&self, param: &Param) -> Option<Alphabet> {
        match param.class {
            _ if param.shape.len() != 2 => None,
            Class::Matrix => Some(self.alphabet(param.layer())),
            Class::Embedding if param.component == crate::model::bigram::NAME => self.bigram,
            Class::Embedding | Class::Control | Class::Gate => None,
        }
    }

    /// Returns the level table of an alphabet.
    pub fn table(&self, alphabet: Alphabet) -> LevelTable {
        if alphabet.size() == 4 { self.z4_levels } else { self.levels }
    }

    /// Returns the columns that share a scale in a matrix of `cols`: the whole row where the group does not divide it.
    pub fn group(&self, cols: i64) -> i64 {
        if self.group_cols > 0 && cols % self.group_cols == 0 { self.group_cols } else { cols }
    }

    pub(super) fn check(&self, layers: usize) -> Result<()> {
        let path = "quant.q2";
        let fail = |reason: String| Err(Error::Recipe(format!("{path}.{reason}")));
        bounds::integers(
            path,
            &[
                ("group_cols", self.group_cols, 0, 1 << 20),
                ("refresh_every", self.refresh_every, 1, 1 << 40),
                ("refresh_every_last", self.refresh_every_last, 1, 1 << 40),
            ],
        )?;
        bounds::numbers(
            path,
            &[
                ("ste_kappa", self.ste_kappa, 0.0, 1e6),
                ("float_frac", self.float_frac, 0.0, 1.0),
                ("progressive_frac", self.progressive_frac, 0.0, 1.0),
                ("frozen_frac", self.frozen_frac, 0.0, 1.0),
                ("tau_sigmas", self.tau_sigmas.unwrap_or(1.0), f64::MIN_POSITIVE, 100.0),
            ],
        )?;
        if self.float_frac + self.progressive_frac > 1.0 {
            return fail("float_frac and progressive_frac together must not exceed 1".to_owned());
        }
        if (self.thresholds == TauRule::Sigma) != self.tau_sigmas.is_some() {
            return fail("tau_sigmas belongs to thresholds = \"sigma\"; give both or neither".to_owned());
        }
        let known = self.alphabets.layers.len();
        if known != 1 && known != layers {
            return fail(format!(
                "alphabets lists {known} layers, but the model has {layers}; list one for all, or each"
            ));
        }
        if !self.levels.suits(256) {
            return fail(
                "levels must suit every alphabet; mid, unit, third and row_fit are of Z4 (z4_levels)".to_owned(),
            );
        }
        Ok(())
    }
}

/// One alphabet for all layers, or one for each, written `z4` or `z8*6 z12*6 z4*4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alphabets {
    text: String,
    layers: Vec<Alphabet>,
}

impl Default for Alphabets {
    fn default() -> Self {
        Alphabets { text: Alphabet::Z4.to_string(), layers: vec![Alphabet::Z4] }
    }
}

impl Alphabets {
    fn parse(text: &str) -> std::result::Result<Alphabets, String> {
        const MAX_LAYERS: usize = 256;
        let mut layers = Vec::new();
        for part in text.split_whitespace() {
            let (name, times) = part.split_once('*').unwrap_or((part, "1"));
            let times = times.parse::<usize>().ok().filter(|&n| n > 0 && n + layers.len() <= MAX_LAYERS);
            let times = times.ok_or_else(|| format!("{part:?} does not say for how many layers; write z8*6"))?;
            layers.extend(std::iter::repeat_n(name.parse::<Alphabet>()?, times));
        }
        if layers.is_empty() {
            return Err("no alphabet is named; write z4, or one for each layer as in z8*6 z4*10".to_owned());
        }
        Ok(Alphabets { text: text.to_owned(), layers })
    }

    /// True if all layers have the same.
    pub fn is_one(&self) -> bool {
        self.layers.windows(2).all(|pair| pair[0] == pair[1])
    }
}

impl Serialize for Alphabets {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Alphabets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Alphabets, D::Error> {
        Alphabets::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recipe;

    const SMALL: &str = "[model]\nlayout = 'A*4'\n[model.block.A.gqa]\n[model.block.A.mlp]\n[quant]\ncodec = 'zstd'\n\
                         [quant.q2]\n";

    fn parsed(set: &[&str]) -> Result<Recipe> {
        Recipe::parse(SMALL, &set.iter().map(|&s| s.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn alphabets_are_one_for_all_or_one_for_each_layer() {
        let q2 = parsed(&["quant.q2.alphabets=z8*2 z4 codon3"]).unwrap().quant.q2.unwrap();
        let names = [0, 1, 2, 3].map(|layer| q2.alphabet(Some(layer)).to_string());
        assert_eq!((names.join(" ").as_str(), q2.alphabet(None)), ("z8 z8 z4 codon3", Alphabet::Codon(3)));
        assert_eq!(Q2Recipe::default().alphabet(Some(7)), Alphabet::Z4);
    }

    #[test]
    fn a_recipe_that_cannot_work_says_why() {
        for (set, said) in [
            ("quant.q2.alphabets=z4*3", "lists 3 layers, but the model has 4"),
            ("quant.q2.alphabets=z5", "is no alphabet; there are z4, z8"),
            ("quant.q2.alphabets=int5", "is no alphabet"),
            ("quant.q2.alphabets=z4*0", "write z8*6"),
            ("quant.q2.levels=mid", "are of Z4"),
            ("quant.q2.float_frac=0.5", "must not exceed 1"),
            ("quant.q2.tau_sigmas=1", "give both or neither"),
            ("quant.codec=brotli", "zstd"),
            ("quant.byte_shuffle=true", "byte_shuffle"),
            ("quant.matrix.gptq=true", "gptq"),
        ] {
            let error = parsed(&[set]).unwrap_err().to_string();
            assert!(error.contains(said), "{set}: {error}");
        }
    }
}
