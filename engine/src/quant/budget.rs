//! The share of the byte budget that a recipe's parameters take, before anything is trained.

use caddie_format::q2::{Width, row_bytes};
use serde::Serialize;

use crate::model::{adapter_places, parameters};
use crate::nn::{Class, Param};
use crate::recipe::{FloatKind, Q2Recipe, QuantRecipe, RuleRecipe};
use crate::{Recipe, Result};

/// One component's parameters, and what they take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComponentBudget {
    pub component: &'static str,
    pub tensors: u64,
    pub parameters: u64,
    /// Mean bits a weight as the rules store it, scales not counted.
    pub bits: f64,
    /// Bytes at those bits, with two for the scale of each row; before the compressor.
    pub bytes: u64,
    /// Bytes that an ideal compressor leaves where the rows are Gaussian: [`gaussian_bits`] a weight.
    pub estimated: u64,
}

impl ComponentBudget {
    /// All of `components` together, under the name `all`.
    pub fn total(components: &[ComponentBudget]) -> ComponentBudget {
        let mut total =
            ComponentBudget { component: "all", tensors: 0, parameters: 0, bits: 0.0, bytes: 0, estimated: 0 };
        components.iter().for_each(|one| total.add(one));
        total
    }

    fn add(&mut self, other: &ComponentBudget) {
        let weighed = self.bits * self.parameters as f64 + other.bits * other.parameters as f64;
        self.tensors += other.tensors;
        self.parameters += other.parameters;
        self.bits = weighed / self.parameters.max(1) as f64;
        self.bytes += other.bytes;
        self.estimated += other.estimated;
    }
}

/// Entropy of a Gaussian weight that is rounded in steps of k·σ/R, `½·log2(2πe) − log2(k/R)` bits
/// (docs/spec/algorithms.md#entropy-estimate), for SDClip with `clip_sigmas` k, and for `row_max` with the median of the largest
/// of `cols` weights as k. `None` where the scale comes from a quantile, whose floor is seldom far.
///
/// PR #1530's 35,944,602 weights come to 15.8 MB by this; its brotli artifact has 15,969,354 bytes.
pub fn gaussian_bits(rule: &RuleRecipe, cols: i64) -> Option<f64> {
    let sigmas = if rule.row_max { largest_of(cols) } else { rule.clip_sigmas? };
    let per_step = sigmas / rule.range() as f64;
    let bits = 0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E).log2() - per_step.log2();
    Some(bits.clamp(0.0, f64::from(rule.bits)))
}

/// Returns the median of the largest magnitude among `n` standard Gaussian numbers: the z with `P(|x| < z)ⁿ = ½`.
fn largest_of(n: i64) -> f64 {
    let beyond = 1.0 - 0.5f64.powf(1.0 / n.max(1) as f64);
    // Bisection of the tail 2·Q(z) = `beyond`.
    let (mut low, mut high) = (0.0, 10.0);
    for _ in 0..60 {
        let z = 0.5 * (low + high);
        (low, high) = if two_sided_tail(z) > beyond { (z, high) } else { (low, z) };
    }
    low
}

/// Returns `P(|x| > z)` of a standard Gaussian, z ≥ 0, within 1.2·10⁻⁷ of its value (the approximation of erfc in Numerical
/// Recipes).
fn two_sided_tail(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * x);
    let coefficients = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let polynomial = coefficients.iter().rev().fold(0.0, |sum, c| sum * t + c);
    t * (-x * x + polynomial).exp()
}

/// The budget of each component of a recipe, the adapters' learnt start last.
///
/// # Errors
/// When the recipe's components do not fit together.
pub fn of_recipe(recipe: &Recipe) -> Result<Vec<ComponentBudget>> {
    let mut components = budget(&parameters(&recipe.model)?, &recipe.quant);
    components.extend(learnt_start(recipe)?);
    Ok(components)
}

/// The bytes of a recipe's learnt start, where it has one.
fn learnt_start(recipe: &Recipe) -> Result<Option<ComponentBudget>> {
    let (Some(start), ttt) = (recipe.learnt_start(), recipe.eval.ttt()) else { return Ok(None) };
    let places = adapter_places(&recipe.model, ttt.adapters())?;
    let (rank, outputs) = (ttt.ttt_lora_rank, places.iter().map(|(_, output)| output).sum::<i64>());
    let rows = places.len() as i64 * rank;
    let (rows, values) = match start.start_b {
        false => (rows, rows * recipe.model.model_dim),
        true => (rows + outputs, rows * recipe.model.model_dim + outputs * rank),
    };
    let scales = if start.start_bits == 16 { 0 } else { 2 * rows };
    let bytes = (values as u64 * u64::from(start.start_bits)).div_ceil(8) + scales as u64;
    let tensors = 1 + u64::from(start.start_b);
    let bits = f64::from(start.start_bits);
    Ok(Some(ComponentBudget { component: "ttt_start", tensors, parameters: 0, bits, bytes, estimated: bytes }))
}

/// The budget of each component of a model, in the order in which they first appear.
pub fn budget(params: &[Param], recipe: &QuantRecipe) -> Vec<ComponentBudget> {
    let mut out: Vec<ComponentBudget> = Vec::new();
    for param in params {
        let Cost { bits, bytes, estimated } = cost(param, recipe);
        let component = param.component;
        let one = ComponentBudget { component, tensors: 1, parameters: param.numel() as u64, bits, bytes, estimated };
        match out.iter_mut().find(|entry| entry.component == component) {
            Some(entry) => entry.add(&one),
            None => out.push(one),
        }
    }
    out.extend(corrections(params, recipe));
    out
}

/// The bytes of finer columns, of columns' steps and of low-rank corrections, as if the largest matrices were the ones that get them.
fn corrections(params: &[Param], recipe: &QuantRecipe) -> Vec<ComponentBudget> {
    let rounded = |param: &&Param| {
        let rule = recipe.rule(param.class).filter(|rule| !rule.keeps_float());
        param.shape.len() == 2 && param.numel() > recipe.keep_float_max_numel && rule.is_some()
    };
    let mut shapes: Vec<(i64, i64)> =
        params.iter().filter(rounded).map(|param| (param.shape[0], param.shape[1])).collect();
    shapes.sort_by_key(|(rows, cols)| -rows * cols);
    let one = |component, bytes: u64| {
        (bytes > 0).then_some(ComponentBudget {
            component,
            tensors: 0,
            parameters: 0,
            bits: 0.0,
            bytes,
            estimated: bytes,
        })
    };
    let awq = recipe.awq.as_ref().map_or(0, |awq| {
        let rows = shapes.iter().map(|(rows, _)| *rows).max().unwrap_or(0);
        let finer = i64::from(awq.awq_lite_bits) - i64::from(recipe.matrix.bits.min(awq.awq_lite_bits));
        (awq.awq_lite_group_top_k * rows * (awq.awq_lite_group_size * finer / 8 + 2)) as u64
    });
    let lqer = recipe.lqer.as_ref().map_or(0, |lqer| {
        shapes.iter().take(lqer.lqer_top_k as usize).map(|&(rows, cols)| lqer.bytes(rows, cols)).sum()
    });
    let steps = |param: &&Param| recipe.rule(param.class).is_some_and(|rule| rule.watersic);
    let watersic = params.iter().filter(rounded).filter(steps).map(|param| 2 * param.shape[1] as u64).sum();
    [one("awq", awq), one("lqer", lqer), one("watersic", watersic)].into_iter().flatten().collect()
}

struct Cost {
    bits: f64,
    bytes: u64,
    estimated: u64,
}

fn cost(param: &Param, recipe: &QuantRecipe) -> Cost {
    let (numel, recipe) = (param.numel(), &*recipe.of(param.component));
    if let Some(q2) = &recipe.q2 {
        return symbols_cost(param, recipe, q2);
    }
    let of_its_own = param.class == Class::Gate && recipe.gate.is_some();
    let kept = numel <= recipe.keep_float_max_numel && !of_its_own;
    let rule = match recipe.rule(param.class) {
        Some(rule) if !kept && !rule.keeps_float() => rule,
        None if !kept => &recipe.matrix,
        _ => {
            let control = matches!(param.class, Class::Control | Class::Gate);
            let bits = if control && recipe.control == FloatKind::Float32 { 32.0 } else { 16.0 };
            let bytes = numel as u64 * bits as u64 / 8;
            return Cost { bits, bytes, estimated: bytes };
        }
    };
    let scales = 2 * param.shape.first().copied().unwrap_or(1) as u64;
    let at = |bits: f64| (numel as f64 * bits / 8.0).ceil() as u64 + scales;
    let bits = f64::from(rule.bits);
    let cols = param.shape.last().copied().unwrap_or(1);
    Cost { bits, bytes: at(bits), estimated: at(gaussian_bits(rule, cols).unwrap_or(bits)) }
}

/// The cost under `[quant.q2]`: symbols and their scales for matrices, floats for everything else. Symbols of equal mass are not
/// compressible, so the estimate is their information.
fn symbols_cost(param: &Param, recipe: &QuantRecipe, q2: &Q2Recipe) -> Cost {
    let numel = param.numel() as u64;
    let Some(alphabet) = q2.alphabet_of(param) else {
        let control = matches!(param.class, Class::Control | Class::Gate);
        let bits = if control && recipe.control == FloatKind::Float32 { 32.0 } else { 16.0 };
        let bytes = numel * bits as u64 / 8;
        return Cost { bits, bytes, estimated: bytes };
    };
    let (rows, cols) = (param.shape[0] as u64, param.shape[1]);
    let scales = 2 * rows * (cols / q2.group(cols)) as u64 * q2.table(alphabet).scales() as u64;
    let bytes = rows * row_bytes(cols as usize, alphabet, Width::Dense) as u64 + scales;
    let estimated = (numel as f64 * alphabet.bits() / 8.0).ceil() as u64 + scales;
    Cost { bits: alphabet.bits(), bytes, estimated }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "[model]\nvocab_size = 100\nmodel_dim = 64\nlayout = 'A*2'\n[model.unet]\n[model.block.A.gqa]\n\
                         num_heads = 4\nnum_kv_heads = 2\n[model.block.A.mlp]\n[quant]\nkeep_float_max_numel = 1000\n";

    #[test]
    fn components_add_up_to_the_model() {
        let recipe = Recipe::parse(SMALL, &[]).unwrap();
        let params = parameters(&recipe.model).unwrap();
        let budget = budget(&params, &recipe.quant);
        assert_eq!(
            budget.iter().map(|c| c.component).collect::<Vec<_>>(),
            ["unet", "embedding", "block", "gqa", "mlp"]
        );
        let total: i64 = params.iter().map(Param::numel).sum();
        assert_eq!(budget.iter().map(|c| c.parameters).sum::<u64>(), total as u64);
        let embedding = &budget[1];
        assert_eq!((embedding.bits, embedding.bytes), (8.0, 6400 + 200));
        // Gains and scales stay f32.
        assert_eq!((budget[2].bits, budget[2].bytes), (32.0, 2 * 4 * 64 * 4));
    }

    #[test]
    fn the_entropy_of_pr_1530s_rules_is_the_specifications() {
        let rule = |bits, sigmas| RuleRecipe { bits, clip_sigmas: Some(sigmas), ..RuleRecipe::default() };
        assert!((gaussian_bits(&rule(6, 12.85), 512).unwrap() - 3.326).abs() < 0.01);
        assert!((gaussian_bits(&rule(8, 20.0), 512).unwrap() - 4.715).abs() < 0.01);
        assert_eq!(gaussian_bits(&RuleRecipe::int8(), 512), None);
    }

    #[test]
    fn the_largest_of_many_gaussian_weights_sets_the_step_of_row_max() {
        assert!((largest_of(1) - 0.674_49).abs() < 1e-4 && (largest_of(512) - 3.205).abs() < 0.01);
        let rule = RuleRecipe { bits: 6, row_max: true, ..RuleRecipe::default() };
        assert!((gaussian_bits(&rule, 512).unwrap() - 5.321).abs() < 0.01);
    }
}
